"""What every run of a served app goes through, whoever asks and however: limits, fair use, an end, and the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from fastv.app.hosting import malloc
from fastv.app.hosting.disconnects import asker, has_left
from fastv.app.hosting.rate_limit import RateLimiter, Visitor, client_address
from fastv.app.hosting.sandbox import open_image_sandboxed, open_video_sandboxed
from fastv.app.hosting.settings import Settings
from fastv.app.service.run_log import RunLog
from fastv.errors import FastVError, InvalidInputError
from fastv.inputs.image import check_question
from fastv.inputs.video import MAX_FRAME_PIXELS, Clip
from fastv.measurement.compare import Comparison, Progress

if TYPE_CHECKING:
    from fastv.app.service.request import Request


@dataclass(frozen=True)
class Cut:
    """The last step of a run whose time was up before both sides were timed: the texts so far, and no numbers."""

    baseline_text: str
    fastv_text: str
    words: str = (
        "Time was up: this took longer than a run may take here. The answers are as far as they came, and no "
        "times were kept; please ask for a shorter answer."
    )


Steps = Iterator[Progress | Comparison]
# For one's own scripts: bounds, but nobody to share with.
_AT_HOME = Settings(log="none", runs_per_minute=0, runs_per_minute_of_address=0, uploads_per_minute=0)


class RunPolicy:
    """One for each app that is served.

    begin: starts the comparison of a request whose picture or clip is opened, ``begin(wanted, **limits)`` with the
    limits that ``compare`` takes; None: here, in this program.
    """

    def __init__(self, settings: Settings = _AT_HOME, begin: Callable[..., Steps] | None = None):
        self.settings, self._begin = settings, begin
        self.fair = RateLimiter(settings.runs_per_minute, settings.runs_per_minute_of_address)
        self.log = RunLog(settings.log)

    def run(self, wanted: Request, here: Callable[..., Steps]) -> Iterator[Progress | Comparison | Cut]:
        """The steps of a run; here: what ``begin`` is where it is None.

        What is wrong with the request, or with asking now, raises FastVError at once. The iterator ends without a
        comparison when the one who asked has left, and with a ``Cut`` when the run's time is up.
        """
        request = asker()
        peer = getattr(getattr(request, "client", None), "host", None)
        headers = getattr(request, "headers", None) or {}
        visitor = Visitor(
            getattr(request, "session_hash", None), client_address(peer, headers, self.settings.trust_proxy or 0)
        )
        run = _Run(self, wanted, self.fair.name_of(visitor))
        try:
            if request is not None:
                self.fair.admit(visitor)
            begin = self._begin or here
            steps = begin(self._checked(wanted), seconds=self.settings.run_seconds or None, unwanted=run.left)
        except Exception as error:
            run.end("refused" if isinstance(error, FastVError) else "failed")
            raise
        return run.followed(steps)

    def _checked(self, wanted: Request) -> Request:
        """With its picture or clip opened, within the operator's limits: tighter ones than those of ``compare``."""
        limits = self.settings
        if isinstance(wanted.max_new_tokens, int) and wanted.max_new_tokens > limits.answer_tokens:
            raise InvalidInputError(
                f"max_new_tokens is at most {limits.answer_tokens:,} here, not {wanted.max_new_tokens:,}."
            )
        check_question(wanted.question, most_characters=limits.question_characters)
        if wanted.video:
            return replace(wanted, picture=self.open_video(wanted.picture))
        return replace(wanted, picture=self.open_picture(wanted.picture))

    def open_picture(self, path: str) -> Image.Image:
        """The picture in a file, within the operator's limits. Raises InvalidInputError."""
        limits = self.settings
        return open_image_sandboxed(path, most_pixels=limits.picture_pixels, most_bytes=limits.picture_bytes)

    def open_video(self, path: str) -> Clip:
        """The frames of a video within the operator's limits. Raises InvalidInputError."""
        limits = self.settings
        return open_video_sandboxed(
            path, most_pixels=min(limits.picture_pixels, MAX_FRAME_PIXELS), most_bytes=limits.picture_bytes
        )


class _Run:
    """One run on its way: its clock, whether anybody still waits for it, and its line in the log."""

    def __init__(self, policy: RunPolicy, wanted: Request, who: str):
        self.policy, self.wanted, self.who, self.id = policy, wanted, who, secrets.token_hex(6)
        self.left, self.asked = has_left(), time.monotonic()
        self.begun: float | None = None

    def followed(self, steps: Steps) -> Iterator[Progress | Comparison | Cut]:
        last, outcome = None, "stopped"
        try:
            for step in steps:
                if self.begun is None and getattr(step, "stage", None) != "waiting":
                    self.begun = time.monotonic()
                if isinstance(step, Comparison):
                    last, outcome = step, "done"  # before it is handed over: nobody may come back for more
                else:
                    last = step
                yield step
            if outcome != "done" and last is not None and not self.left():
                outcome = "time was up"
                last = Cut(last.baseline_text, last.fastv_text)
                yield last
        except GeneratorExit:
            steps.close()
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            self.end(outcome, last)
            malloc.trim()

    def end(self, outcome: str, last: Any = None) -> None:
        """Writes the line."""
        wanted, done = self.wanted, isinstance(last, Comparison)
        now = time.monotonic()
        facts = {
            "run": self.id,
            "who": self.who,
            "outcome": outcome,
            "model": wanted.model,
            "k": wanted.k,
            "r": wanted.r,
            "rank": wanted.rank,
            "repeats": last.repeats if done else wanted.repeats,
            "tokens": [last.baseline.answer_tokens, last.fastv.answer_tokens] if done else None,
            "waited_seconds": round((self.begun or now) - self.asked, 3),
            "seconds": round(now - self.begun, 3) if self.begun else 0.0,
        }
        if self.policy.settings.log_text:
            facts["question"] = wanted.question
            if last is not None:
                facts["answers"] = (
                    [last.baseline.answer, last.fastv.answer] if done else [last.baseline_text, last.fastv_text]
                )
        self.policy.log.write(**{name: _short(fact) for name, fact in facts.items()})


def _short(fact: Any) -> Any:
    """Scripts can send anything; it is not repeated at length."""
    return fact if fact is None or isinstance(fact, (int, float, list)) else str(fact)[:2_000]
