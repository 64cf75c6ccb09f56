"""From a request to what the page shows, step by step while it runs; and the same for scripts, in one go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any

from gradio_client.utils import is_file_obj_with_meta
from PIL import Image

from fastv import dimming, outcome
from fastv.compare import Comparison, Progress, compare
from fastv.errors import FastVError, InvalidInputError
from fastv.formats import ratio
from fastv.ui import results
from fastv.ui.examples import true_answer
from fastv.ui.hosting import Cut
from fastv.ui.shelf import Shelf

logger = logging.getLogger(__name__)

_NOT_YET = '<span class="no-words">not reached</span>'
BROKEN = "Something went wrong here, and it was not your doing: the log of the app has the details. Please try again."


@dataclass(frozen=True)
class Request:
    """One comparison as it was asked for.

    picture: the path of an uploaded file, or the picture once it is opened. model: a key of the shelf, None for its
    first. The rest as in ``compare``.
    """

    picture: str | Image.Image
    question: str
    model: str | None = None
    k: int = 2
    r: float = 0.5
    rank: str = "last_token"
    seed: int = 0
    max_new_tokens: int = 64
    repeats: int = 3
    warmup: int = 1

    def start(self, shelf: Shelf) -> Iterator[Progress | Comparison | Cut]:
        """Through all that a served run goes through. Raises FastVError at once when it may not be."""
        wanted = replace(self, model=shelf.default if self.model is None else self.model)
        return shelf.hosting.run(wanted, lambda checked, **limits: checked.begin(shelf, **limits))

    def begin(self, shelf: Shelf, **limits: Any) -> Iterator[Progress | Comparison]:
        """limits: ``seconds`` and ``unwanted`` of ``compare``."""
        return compare(
            shelf.take(self.model),
            self.picture,
            self.question,
            k=self.k,
            r=self.r,
            rank=self.rank,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
            repeats=self.repeats,
            warmup=self.warmup,
            **limits,
        )


@dataclass(frozen=True)
class Kept:
    """The dimmed picture, its description, and the words beside it (HTML)."""

    picture: Image.Image | None
    description: str
    words: str


@dataclass(frozen=True)
class View:
    """What the page shows from now on, as HTML; None where it stays. problem: a plain sentence if there is one.

    finished: the comparison, in the last view of a run that came to its end; expected: the true answer, if it is known.
    """

    status: str
    answers: str | None = None
    table: str | None = None
    kept: Kept | None = None
    problem: str | None = None
    finished: Comparison | None = None
    expected: str | None = None


def upload_path(upload: Any) -> str:
    """The path of a file Gradio has received and checked. Anything else a client may have sent is refused."""
    if not isinstance(upload, dict) or not isinstance(upload.get("meta"), dict) or not is_file_obj_with_meta(upload):
        raise InvalidInputError("There is no picture: please choose one.")
    return upload["path"]


def no_comparison() -> View:
    """Before the first run."""
    kept = Kept(None, "", outcome.kept_words(None))
    return View(
        results.status("Choose a picture, ask about it, and run both."), outcome.answers("", ""), outcome.table(), kept
    )


def views(shelf: Shelf, request: Callable[[], Request], known: Mapping[str, str]) -> Iterator[View]:
    """All that the page shows of one comparison. Never raises; what is wrong with a request becomes a view too.

    request: makes the request, and may raise a FastVError. known: true answers to questions about this picture.
    Closing the iterator ends the comparison at its next token, without waiting for it.
    """
    running = None
    try:
        wanted = request()
        if not shelf.is_loaded(wanted.model):
            yield View(results.status(f"Loading {shelf.entry(wanted.model).name}…", 0.0))
        running = wanted.start(shelf)
        yield from _views(running, wanted, known)
    except GeneratorExit:
        if running is not None:
            Thread(target=running.close, name="fastv-closing", daemon=True).start()
        raise
    except FastVError as error:
        yield _failed(str(error), running is not None)
    except Exception:
        logger.exception("a comparison failed")
        yield _failed(BROKEN, running is not None)


def _failed(problem: str, begun: bool) -> View:
    """A run that fails on its way takes what it showed with it: half a pair would pass for a result."""
    failed = outcome.answers("", "", empty='<span class="no-words">failed</span>') if begun else None
    return View(results.problem(problem), failed, problem=problem)


def _views(running: Iterator[Progress | Comparison], wanted: Request, known: Mapping[str, str]) -> Iterator[View]:
    budget = outcome.budget(wanted.k, wanted.r)
    blank = no_comparison()
    yield View(
        results.status("Waiting for the model…", 0.0), outcome.answers("", "", budget=budget), blank.table, blank.kept
    )
    for now in running:
        if isinstance(now, Cut):
            texts = outcome.answers(now.baseline_text, now.fastv_text, budget=f"{budget}, cut short", empty=_NOT_YET)
            yield View(results.problem(now.words), texts)
        elif isinstance(now, Comparison):
            yield _finished(now, budget, true_answer(known, wanted.question), wanted.repeats)
        elif now.stage in ("baseline", "fastv"):
            yield View(results.status(_stage(now, wanted), now.fraction),
                       outcome.answers(now.baseline_text, now.fastv_text, writing=now.stage, budget=budget))
        else:  # nothing but the status: a timed pass should have the machine to itself
            yield View(results.status(_stage(now, wanted), now.fraction))


def _stage(now: Progress, wanted: Request) -> str:
    if now.stage != "measuring":
        return {
            "waiting": "Waiting for the model…",
            "baseline": "Answering without FastV…",
            "fastv": "Answering with FastV…",
        }[now.stage]
    passes_done = round(now.fraction * 2 * (wanted.warmup + wanted.repeats))
    timed = passes_done - 2 * wanted.warmup
    return f"Timing pass {timed + 1} of {2 * wanted.repeats}…" if timed >= 0 else "Warming up…"


def _finished(comparison: Comparison, budget: str, expected: str | None, repeats: int) -> View:
    baseline, fastv = comparison.baseline, comparison.fastv
    same = "the same answer" if baseline.answer == fastv.answer else "different answers"
    if outcome.overlap(baseline.timing.prefill_seconds, fastv.timing.prefill_seconds):
        first_token = "the times to the first token vary too much to tell them apart"
    else:
        first_token = (
            f"with FastV the first token took {ratio(baseline.prefill_seconds, fastv.prefill_seconds, 'time')}"
        )
    kept = Kept(dimming.dimmed(comparison.seen, comparison.kept), dimming.description(comparison.kept),
                outcome.kept_words(comparison))
    answers = outcome.answers(baseline.answer, fastv.answer, budget=budget, expected=expected, empty=outcome.NO_WORDS)
    fewer = f" Time was up after {comparison.repeats} of {repeats} timed runs." if comparison.repeats < repeats else ""
    return View(results.status(f"Done: {same}; {first_token}.{fewer}"), answers, outcome.table(comparison), kept,
                finished=comparison, expected=expected)


def compared(shelf: Shelf, request: Request) -> dict[str, Any]:
    """The comparison as JSON's types. Raises FastVError."""
    last = None
    for last in request.start(shelf):
        pass
    if not isinstance(last, Comparison):
        raise FastVError(last.words if isinstance(last, Cut) else "The run was stopped.")
    return {**last.to_dict(), "model": shelf.entry(request.model).key}
