"""What the Compare tab shows of a run, step by step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread

from fastv.app.compare.chosen_sides import setups
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.service.load_progress import load_with_progress
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import Request
from fastv.app.service.run import Step, TimedOut, run
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import status
from fastv.app.shared.example_scenes import true_answer
from fastv.errors import FastVError
from fastv.evidence.pair_quality import quality_of_sides
from fastv.measurement.results import Comparison, Progress
from fastv.miniature.world.captions import check_caption
from fastv.presentation import comparison_html
from fastv.presentation.html import render
from fastv.presentation.seen_html import seen, seen_placeholder
from fastv.presentation.side_labels import USUAL, SideLabel, side_labels
from fastv.presentation.tiles_html import tiles, tiles_of
from fastv.presentation.verdict import verdict

logger = logging.getLogger(__name__)

_NOT_YET = "(not reached)"
_FAILED = "(failed)"
NO_REMARK = render("app/compare/remark", words="")


@dataclass(frozen=True)
class View:
    """What the page shows from now on, as HTML; None leaves a part as it is.

    Attributes
    ----------
    kept
        Of the one pruned side, or of the candidate and the baseline where both are pruned.
    remark
        Sentences about what one question cannot show.
    problem
        A sentence, if something is wrong.
    finished, expected
        The comparison and, if known, the true answer: in the last view of a completed run.
    """

    status: str | None
    answers: str | None = None
    tiles: str | None = None
    table: str | None = None
    kept: tuple[str, ...] | None = None
    remark: str | None = None
    problem: str | None = None
    finished: Comparison | None = None
    expected: str | None = None


def no_comparison() -> View:
    """Before the first run."""
    return View(
        status.status("Choose an image, enter a question, and press Run."),
        comparison_html.answers("", ""),
        tiles(),
        comparison_html.table(),
        (seen_placeholder(),),
        NO_REMARK,
    )


def view_stream(
    make_request: Callable[[], Request], pool: ModelPool, policy: RunPolicy, known: Mapping[str, str]
) -> Iterator[View]:
    """All that the page shows of one comparison. Never raises: problems become views.

    Closing the iterator ends the comparison at its next token, without waiting for it.

    Parameters
    ----------
    make_request
        Makes the request; may raise a FastVError.
    known
        True answers to questions about this picture.
    """
    running, sides = None, USUAL
    try:
        request = make_request()
        yield from _loading(request, pool)
        running = run(request, pool, policy)
        sides = side_labels(*setups(pool, request.sides))
        yield from _views(running, request, known, sides, pool)
    except GeneratorExit:
        if running is not None:
            Thread(target=running.close, name="fastv-closing", daemon=True).start()  # type: ignore[attr-defined]
        raise
    except FastVError as error:
        yield _failed(str(error), sides if running is not None else None)
    except Exception:
        logger.exception("a comparison failed")
        yield _failed(INTERNAL_ERROR, sides if running is not None else None)


def _loading(request: Request, pool: ModelPool) -> Iterator[View]:
    missing = [pool.entry(key).name for key in dict.fromkeys(request.sides.models) if not pool.is_loaded(key)]
    if not missing:
        return
    names = " and ".join(missing)
    yield View(status.status(f"Loading {names}…", 0.0))
    for step in load_with_progress(pool, *request.sides.models):
        yield View(None if step is None else status.status(f"{names}. {step.sentence}", step.fraction))


def _failed(problem: str, sides: tuple[SideLabel, SideLabel] | None) -> View:
    """Clears the answers of a run that had begun: half a pair would pass for a result. sides: None if none had."""
    answers = comparison_html.answers("", "", sides, placeholder=_FAILED) if sides else None
    return View(status.problem(problem), answers, problem=problem)


def _views(
    running: Iterator[Step],
    request: Request,
    known: Mapping[str, str],
    sides: tuple[SideLabel, SideLabel],
    pool: ModelPool,
) -> Iterator[View]:
    answers = partial(comparison_html.answers, labels=sides, question=request.question)
    waiting = status.status("Waiting for the model…", 0.0)
    yield View(waiting, answers("", ""), tiles(), comparison_html.table(labels=sides), remark=NO_REMARK)
    for step in running:
        if isinstance(step, TimedOut):
            cut = (_cut_short(sides[0]), _cut_short(sides[1]))
            yield View(
                status.problem(step.reason),
                answers(step.baseline_text, step.fastv_text, labels=cut, placeholder=_NOT_YET),
            )
        elif isinstance(step, Comparison):
            yield _finished(step, sides, known, request, pool)
        elif step.stage in ("baseline", "fastv"):
            yield View(
                status.status(_stage(step, request, sides), step.fraction),
                answers(step.baseline_text, step.fastv_text, writing=step.stage),
            )
        else:  # only the status: a timed pass should have the machine to itself
            yield View(status.status(_stage(step, request, sides), step.fraction))


def _stage(progress: Progress, request: Request, sides: tuple[SideLabel, SideLabel]) -> str:
    if progress.stage == "waiting":
        return "Waiting for the model…"
    if progress.stage == "adding":
        return "Other programs are busy: some more rounds…"
    if progress.stage != "measuring":
        return f"Answering: {sides[progress.stage == 'fastv'].inline}…"
    passes_done = round(progress.fraction * 2 * (request.warmup + request.repeats))
    timed = passes_done - 2 * request.warmup
    return f"Timing pass {timed + 1} of {2 * request.repeats}…" if timed >= 0 else "Warming up…"


def _cut_short(label: SideLabel) -> SideLabel:
    return replace(label, detail=", ".join(filter(None, (label.detail, "cut short"))))


def _finished(
    comparison: Comparison,
    sides: tuple[SideLabel, SideLabel],
    known: Mapping[str, str],
    request: Request,
    pool: ModelPool,
) -> View:
    baseline, fastv = comparison.baseline, comparison.fastv
    expected = true_answer(known, request.question)
    is_foreign = not known and pool.entry(fastv.setup.model).embedded
    answers = comparison_html.answers(
        baseline.answer,
        fastv.answer,
        sides,
        expected=expected,
        placeholder=comparison_html.EMPTY_ANSWER,
        question=comparison.question,
        source="Measured now.",
        check=None if expected is None else partial(check_caption, truth=expected),
        muted=is_foreign,
    )
    words = knows_scenes_only(fastv.setup.name) if is_foreign else quality_of_sides(fastv.setup, baseline.setup)
    fewer = (
        f" Time limit reached after {comparison.repeats} of {request.repeats} timed runs."
        if comparison.repeats < request.repeats
        else ""
    )
    return View(
        status.status(f"Done: {verdict(comparison)}{fewer}"),
        answers,
        tiles(tiles_of(comparison), more_rounds=True),
        comparison_html.table(comparison),
        _kept(comparison, sides),
        render("app/compare/remark", words=words),
        finished=comparison,
        expected=expected,
    )


def knows_scenes_only(name: str) -> str:
    """What a miniature's answer about a visitor's own picture is worth."""
    return (
        f"{name} knows drawn scenes only: its words about this image mean nothing. What it keeps, and "
        "what that costs, is valid for any image."
    )


def _kept(comparison: Comparison, sides: tuple[SideLabel, SideLabel]) -> tuple[str, ...]:
    """Of the pruned sides, the candidate first; the whole picture where neither is pruned."""
    runs = ((comparison.fastv, sides[1]), (comparison.baseline, sides[0]))
    kept = tuple(seen(result, label, comparison.date) for result, label in runs if label.config is not None)
    return kept or (seen(comparison.fastv, sides[1], comparison.date),)
