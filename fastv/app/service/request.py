"""From a request to what the page shows, step by step while it runs; and the same for scripts, in one go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from typing import Any

from gradio_client.utils import is_file_obj_with_meta
from PIL import Image

from fastv.app.service.load_progress import fetched
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import Cut
from fastv.app.shared import status as results
from fastv.app.shared.example_scenes import true_answer
from fastv.errors import FastVError, InvalidInputError
from fastv.evidence.known_quality import known_quality
from fastv.inputs.video import Clip
from fastv.measurement.compare import Comparison, Progress, RunResult, Side, compare
from fastv.presentation import comparison_html, overlay
from fastv.presentation.side_labels import USUAL, Title, titles

logger = logging.getLogger(__name__)

_NOT_YET = '<span class="no-words">not reached</span>'
BROKEN = "Something went wrong here, and it was not your doing: the log of the app has the details. Please try again."


@dataclass(frozen=True)
class Request:
    """One comparison as it was asked for.

    picture: the path of an uploaded file, or the picture or clip once it is opened. video: whether the file is to be
    read as a video, which some pictures could be too. model: a key of the pool, None for its
    first; k: None for without FastV. baseline_model: what it is compared with, None for the same model; baseline_k,
    baseline_r: as k and r, by default without FastV. rank and seed hold for both sides. The rest as in ``compare``.
    """

    picture: str | Image.Image | Clip
    question: str
    model: str | None = None
    k: int | None = 2
    r: float = 0.5
    rank: str = "last_token"
    seed: int = 0
    max_new_tokens: int = 64
    repeats: int = 3
    warmup: int = 1
    baseline_model: str | None = None
    baseline_k: int | None = None
    baseline_r: float = 0.5
    video: bool = False

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The keys of the candidate and of what it is compared with."""
        return self.model, self.model if self.baseline_model is None else self.baseline_model

    def titles(self, pool: ModelPool) -> tuple[Title, Title]:
        """What both sides are called."""
        model, other = self.models
        return titles(pool.setup(other, self.baseline_k, self.baseline_r), pool.setup(model, self.k, self.r))

    def start(self, pool: ModelPool) -> Iterator[Progress | Comparison | Cut]:
        """Through all that a served run goes through. Raises FastVError at once when it may not be."""
        wanted = replace(self, model=pool.default if self.model is None else self.model)
        return pool.policy.run(wanted, lambda checked, **limits: checked.begin(pool, **limits))

    def begin(self, pool: ModelPool, **limits: Any) -> Iterator[Progress | Comparison]:
        """With its models in memory. limits: ``seconds`` and ``unwanted`` of ``compare``."""
        loaded, other = pool.load_pair(*self.models)
        return compare(
            loaded,
            self.picture,
            self.question,
            k=self.k,
            r=self.r,
            rank=self.rank,
            seed=self.seed,
            baseline=Side(other, self.baseline_k, self.baseline_r, self.rank, self.seed),
            max_new_tokens=self.max_new_tokens,
            repeats=self.repeats,
            warmup=self.warmup,
            **limits,
        )


@dataclass(frozen=True)
class Kept:
    """The dimmed picture of a side, its description, and the words beside it (HTML). picture: None where there is
    none, and for a clip, whose frames are in the words.
    """

    picture: Image.Image | None
    description: str
    words: str
    is_clip: bool = False


NO_KEPT = Kept(None, "", comparison_html.NOTHING_KEPT)


@dataclass(frozen=True)
class View:
    """What the page shows from now on, as HTML; None where it stays. problem: a plain sentence if there is one.

    kept: of one side, or of the candidate and the other where both have FastV. finished: the comparison, in the last
    view of a run that came to its end; expected: the true answer, if it is known.
    """

    status: str | None
    answers: str | None = None
    table: str | None = None
    kept: tuple[Kept, ...] | None = None
    problem: str | None = None
    finished: Comparison | None = None
    expected: str | None = None


def upload_path(upload: Any, what: str = "picture") -> str:
    """The path of a file Gradio has received and checked. Anything else a client may have sent is refused."""
    if not isinstance(upload, dict) or not isinstance(upload.get("meta"), dict) or not is_file_obj_with_meta(upload):
        raise InvalidInputError(f"There is no {what}: please choose one.")
    return upload["path"]


def no_comparison() -> View:
    """Before the first run."""
    return View(
        results.status("Choose a picture, ask about it, and run both."),
        comparison_html.answers("", ""),
        comparison_html.table(),
        (NO_KEPT,),
    )


def views(pool: ModelPool, request: Callable[[], Request], known: Mapping[str, str]) -> Iterator[View]:
    """All that the page shows of one comparison. Never raises; what is wrong with a request becomes a view too.

    request: makes the request, and may raise a FastVError. known: true answers to questions about this picture.
    Closing the iterator ends the comparison at its next token, without waiting for it.
    """
    running, names = None, USUAL
    try:
        wanted = request()
        if missing := [pool.entry(key).name for key in dict.fromkeys(wanted.models) if not pool.is_loaded(key)]:
            yield View(results.status(f"Loading {' and '.join(missing)}…", 0.0))
            for step in fetched(pool, *wanted.models):
                how_far = (
                    None if step is None else results.status(f"{' and '.join(missing)}. {step.sentence}", step.fraction)
                )
                yield View(how_far)
        running = wanted.start(pool)
        names = wanted.titles(pool)
        yield from _views(running, wanted, known, names, pool)
    except GeneratorExit:
        if running is not None:
            Thread(target=running.close, name="fastv-closing", daemon=True).start()
        raise
    except FastVError as error:
        yield _failed(str(error), names if running is not None else None)
    except Exception:
        logger.exception("a comparison failed")
        yield _failed(BROKEN, names if running is not None else None)


def _failed(problem: str, names: tuple[Title, Title] | None) -> View:
    """A run that fails on its way takes what it showed with it: half a pair would pass for a result.

    names: the sides' titles, if the run had begun.
    """
    failed = comparison_html.answers("", "", names, empty='<span class="no-words">failed</span>') if names else None
    return View(results.problem(problem), failed, problem=problem)


def _views(
    running: Iterator[Progress | Comparison],
    wanted: Request,
    known: Mapping[str, str],
    names: tuple[Title, Title],
    pool: ModelPool,
) -> Iterator[View]:
    answers = partial(comparison_html.answers, names=names, question=wanted.question)
    yield View(
        results.status("Waiting for the model…", 0.0), answers("", ""), comparison_html.table(names=names), (NO_KEPT,)
    )
    for now in running:
        if isinstance(now, Cut):
            texts = answers(now.baseline_text, now.fastv_text, names=tuple(map(_cut_short, names)), empty=_NOT_YET)
            yield View(results.problem(now.words), texts)
        elif isinstance(now, Comparison):
            yield _finished(now, names, known, wanted, pool)
        elif now.stage in ("baseline", "fastv"):
            yield View(
                results.status(_stage(now, wanted, names), now.fraction),
                answers(now.baseline_text, now.fastv_text, writing=now.stage),
            )
        else:  # nothing but the status: a timed pass should have the machine to itself
            yield View(results.status(_stage(now, wanted, names), now.fraction))


def _stage(now: Progress, wanted: Request, names: tuple[Title, Title]) -> str:
    if now.stage != "measuring":
        return {
            "waiting": "Waiting for the model…",
            "baseline": f"Answering {names[0].how}…",
            "fastv": f"Answering {names[1].how}…",
        }[now.stage]
    passes_done = round(now.fraction * 2 * (wanted.warmup + wanted.repeats))
    timed = passes_done - 2 * wanted.warmup
    return f"Timing pass {timed + 1} of {2 * wanted.repeats}…" if timed >= 0 else "Warming up…"


def _cut_short(title: Title) -> Title:
    return replace(title, note=", ".join(filter(None, (title.note, "cut short"))))


def _finished(
    comparison: Comparison, names: tuple[Title, Title], known: Mapping[str, str], wanted: Request, pool: ModelPool
) -> View:
    baseline, fastv = comparison.baseline, comparison.fastv
    expected, setup = true_answer(known, wanted.question), fastv.setup
    remarks = [known_quality(setup.model, setup.k, setup.r or 0.0, setup.rank)]
    if not known and pool.entry(setup.model).embedded:
        remarks.append(
            f"{setup.name} knows drawn scenes only: about a picture of your own its answers mean nothing. Time, "
            "memory and FLOPs are real."
        )
    answers = comparison_html.answers(
        baseline.answer,
        fastv.answer,
        names,
        expected=expected,
        empty=comparison_html.NO_WORDS,
        question=comparison.question,
        remarks=remarks,
    )
    fewer = (
        f" Time was up after {comparison.repeats} of {wanted.repeats} timed runs."
        if comparison.repeats < wanted.repeats
        else ""
    )
    return View(
        results.status(f"Done: {comparison_html.verdict(comparison)}{fewer}"),
        answers,
        comparison_html.table(comparison),
        _kept(comparison, names),
        finished=comparison,
        expected=expected,
    )


def _kept(comparison: Comparison, names: tuple[Title, Title]) -> tuple[Kept, ...]:
    """The pictures of the sides with FastV, the candidate first."""
    runs = ((comparison.fastv, names[1], "fastv"), (comparison.baseline, names[0], "baseline"))
    found = tuple(_kept_of(run, name, side) for run, name, side in runs if run.setup.k is not None)
    return found or (NO_KEPT,)


def _kept_of(run: RunResult, name: Title, side: str) -> Kept:
    words = comparison_html.kept_words(run, name, side)
    if run.is_clip:
        return Kept(None, "", words, is_clip=True)
    return Kept(overlay.dimmed(run.seen[0].picture, run.kept), overlay.description(run.kept), words)


def compared(pool: ModelPool, request: Request) -> dict[str, Any]:
    """The comparison as JSON's types. Raises FastVError."""
    last = None
    for last in request.start(pool):  # noqa: B007
        pass
    if not isinstance(last, Comparison):
        raise FastVError(last.words if isinstance(last, Cut) else "The run was stopped.")
    return last.to_dict()
