"""What the slider shows where nothing was recorded: one untimed pass of the model at the new setting."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency

from fastv.app.compare.chosen_sides import chosen_sides
from fastv.app.compare.components import CompareControls
from fastv.app.compare.view_stream import knows_scenes_only
from fastv.app.hosting.event_options import MODEL_QUEUE, QUIET
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.quick_answer import quick_answers
from fastv.app.service.request import Request
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import status
from fastv.app.shared.example_scenes import true_answer
from fastv.app.shared.tab import Updates, Values
from fastv.errors import FastVError
from fastv.evidence.pair_quality import quality_of_sides
from fastv.miniature.world.captions import check_caption
from fastv.presentation.answers_html import EMPTY_ANSWER, answers
from fastv.presentation.html import render
from fastv.presentation.seen_html import seen_views
from fastv.presentation.side_labels import side_labels
from fastv.presentation.tiles_html import KINDS, NOTHING, Tile, tile, tiles

if TYPE_CHECKING:
    from fastv.measurement.single_pass import SinglePass

logger = logging.getLogger(__name__)
_ANSWERED = "One quick pass, not timed. Run measures it."
# The answers are about the image that is shown, unless the status tells of a problem in place of them.
_SHOWN = f"""status => {{
  if (status?.includes("{_ANSWERED}")) document.querySelector(".compare").classList.remove("outdated");
}}"""


def connect_live(ui: CompareControls, pool: ModelPool, policy: RunPolicy, moved: Dependency) -> None:
    """Lets the slider ask the model; moved: the event that has set K, R and method."""
    before = gr.State(None)  # the last answer without pruning, and what it was an answer to

    def ask(values: Values) -> Updates:
        try:
            return asked(ui, pool, policy, values, values[before], before)
        except FastVError as error:
            return {ui.status: status.problem(str(error))}
        except Exception:
            logger.exception("a quick answer failed")
            return {ui.status: status.problem(INTERNAL_ERROR)}

    answered = moved.then(
        ask,
        {ui.picture, ui.question, ui.known, ui.max_new_tokens, ui.video.which, before, *ui.side_inputs},
        [ui.kept, ui.answers, ui.tiles, ui.remark, ui.status, before],
        preprocess=False,
        trigger_mode="always_last",
        concurrency_id=MODEL_QUEUE,
        concurrency_limit=1,
        **QUIET,
    )
    answered.then(None, [ui.status], None, js=_SHOWN, **QUIET)


def asked(
    ui: CompareControls, pool: ModelPool, policy: RunPolicy, values: Mapping[Any, Any], before: Any, state: gr.State
) -> Updates:
    """Both answers at a setting. The baseline's is asked for once. Raises FastVError."""
    sides, is_clip = chosen_sides(ui, values), bool(values[ui.video.which])
    request = Request(
        "" if is_clip else upload_path(values[ui.picture]),
        values[ui.question],
        sides,
        max_new_tokens=values[ui.max_new_tokens],
        video=is_clip,
    )
    asked_of = (request.media, request.question, request.max_new_tokens, sides.baseline)
    if before is not None and before[0] == asked_of:
        baseline, (candidate,) = before[1], quick_answers(request, [sides.candidate], pool, policy)
    else:
        baseline, candidate = quick_answers(request, [sides.baseline, sides.candidate], pool, policy)
    return {
        **_shown(ui, pool, request, baseline, candidate, values[ui.known]),
        ui.status: status.status(_ANSWERED),
        state: (asked_of, baseline),
    }


def _shown(
    ui: CompareControls,
    pool: ModelPool,
    request: Request,
    baseline: SinglePass,
    candidate: SinglePass,
    known: Mapping[str, str],
) -> Updates:
    labels, truth = side_labels(baseline.setup, candidate.setup), true_answer(known, request.question)
    is_foreign = not known and pool.entry(candidate.setup.model).embedded
    words = knows_scenes_only(candidate.setup.name) if is_foreign else quality_of_sides(candidate.setup, baseline.setup)
    return {
        ui.kept: seen_views(candidate.seen, labels[1]),
        ui.answers: answers(
            baseline.answer,
            candidate.answer,
            labels,
            expected=truth,
            question=request.question,
            source="One pass, not timed.",
            placeholder=EMPTY_ANSWER,
            check=None if truth is None else partial(check_caption, truth=truth),
            muted=is_foreign,
        ),
        ui.tiles: tiles(_tiles(baseline, candidate)),
        ui.remark: render("app/compare/remark", words=words),
    }


def _tiles(baseline: SinglePass, candidate: SinglePass) -> list[Tile]:
    work, memory, _ = KINDS
    flops = baseline.prefill_flops, candidate.prefill_flops
    return [
        NOTHING if None in flops else tile(work, *flops),  # type: ignore[arg-type]
        tile(memory, baseline.kv_cache_bytes, candidate.kv_cache_bytes),
        Tile("not timed", None, "press Run"),
    ]
