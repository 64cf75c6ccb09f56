"""Events of the Sweep tab: the choice, the estimate, a sweep with its end, files, and the address."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.hosting.gradio_adapter import cache_file, disconnected
from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.service.sweep import SweepRequest, SweepState, estimate_sweep, run_sweep
from fastv.app.shared import status
from fastv.app.shared.model_choices import readable_models
from fastv.app.shared.sweep_chart import sweep_pane
from fastv.app.shared.tab import BuiltTab, SharedPruning, TabContext, Updates, Values, or_skip
from fastv.app.sweep.choice import DRAWN, EXAMPLE, OWN, SweepChoice, sent_fields
from fastv.app.sweep.layout import SweepControls, layout
from fastv.app.sweep.plan import estimate_words, plan_words
from fastv.app.sweep.questions import drawn_scenes, example_questions, sent_questions
from fastv.app.sweep.result_html import result
from fastv.errors import FastVError, InvalidInputError
from fastv.presentation.html import render
from fastv.presentation.sweep.report import FORMATS
from fastv.validation import real, whole

logger = logging.getLogger(__name__)

_STOPPED = "Stopped. What was answered is kept: Start goes on with what is left."
_TIMED_OUT = "Time limit reached. What was answered is kept: Start goes on with what is left."
# In one column the result stands below what is chosen.
_SHOW = """() => {
  const status = document.getElementById("sweep-status");
  if (innerWidth < 1000) status.scrollIntoView({behavior: "smooth", block: "start"});
}"""


def build(context: TabContext) -> BuiltTab:
    """Lays the tab out in the Blocks that are open, and connects it."""
    pool, policy = context.pool, context.policy
    ui = layout(pool, _plan(SweepChoice(), policy))
    _connect_choice(ui, context)
    _connect_run(ui, context)
    if context.pruning:
        _connect_chart(ui, context.pruning)
    outputs = (*ui.fields.values(), ui.uploads, ui.plan)
    return BuiltTab(ui.query, outputs, lambda query: follow(ui, pool, policy, query))


def _plan(choice: SweepChoice, policy: RunPolicy) -> str:
    return render("app/sweep/plan", words=plan_words(choice, policy.settings), problem=False)


def _choice(ui: SweepControls, values: Values) -> SweepChoice:
    """Raises InvalidInputError."""
    return SweepChoice.of_values({name: values[field] for name, field in ui.fields.items()})


def _connect_choice(ui: SweepControls, context: TabContext) -> None:
    def changed(values: Values) -> Updates:
        updates: Updates = {ui.uploads: gr.File(visible=values[ui.data] == OWN)}
        try:
            choice = _choice(ui, values)
            return updates | {ui.plan: _plan(choice, context.policy), ui.query: choice.query}
        except InvalidInputError as error:
            return updates | {ui.plan: render("app/sweep/plan", words=str(error), problem=True)}

    fields = list(ui.fields.values())
    gr.on([field.change for field in fields], changed, set(fields), [ui.uploads, ui.plan, ui.query], **TYPED)

    def opened(values: Values) -> Updates:
        """The models that are in memory now."""
        offered = readable_models(context.pool)
        known = values[ui.model] in [key for _, key in offered]
        return or_skip({ui.model: gr.Dropdown(choices=offered)} if known else {})

    context.container.select(opened, {ui.model}, [ui.model], **INSTANT)


def _request(ui: SweepControls, values: Values, policy: RunPolicy) -> SweepRequest:
    """Raises InvalidInputError for fields and files that cannot be used."""
    choice = _choice(ui, values)
    configs, controls = choice.configs, choice.control_configs
    folder = Path(values[ui.folder] or tempfile.mkdtemp(prefix="sweep-", dir=_cache(ui)))
    if choice.data == DRAWN:
        dataset = drawn_scenes(choice.questions, folder)
    elif choice.data == EXAMPLE:
        dataset = example_questions(choice.questions)
    else:
        dataset = sent_questions(values[ui.uploads], choice.questions, folder, policy)
    return SweepRequest(choice.model or "", dataset, tuple(configs), tuple(controls), choice.points / 100, folder)


def _cache(ui: SweepControls) -> str:
    """Gradio's folder for files of visitors, which is cleaned up regularly."""
    folder = Path(ui.uploads.GRADIO_CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _connect_run(ui: SweepControls, context: TabContext) -> None:
    pool, policy, elsewhere = context.pool, context.policy, context.sweep
    inputs = {*ui.fields.values(), ui.uploads, ui.folder}
    buttons = [ui.start, ui.estimate, ui.stop]
    shown = [ui.status, ui.result, ui.found, ui.folder, *ui.downloads.values()]

    def estimated(values: Values) -> Iterator[Updates]:
        request = _request(ui, values, policy)
        words = estimate_words(estimate_sweep(request, pool, policy), policy.settings)
        yield {ui.status: status.status(words), ui.folder: str(request.folder)}

    def swept(values: Values) -> Iterator[Updates]:
        unwanted = disconnected()
        request = _request(ui, values, policy)
        yield {ui.folder: str(request.folder), **_files(ui, None)}
        for state in run_sweep(request, pool, policy, unwanted=unwanted):
            yield _updates(ui, state)

    options = QUIET | {"preprocess": False} | ONE_AT_A_TIME
    runs = []
    for button, work in ((ui.estimate, estimated), (ui.start, swept)):
        pressed = button.click(
            lambda: {ui.status: status.status("Waiting for its turn…", 0.0), **_buttons(ui, True)},
            None,
            [ui.status, *buttons],
            **INSTANT,
        )
        running = pressed.then(_guarded(ui, work), inputs, shown, **options)
        running.success(lambda values: _ended(ui, values, ""), {ui.found}, [*buttons, *shown], **INSTANT)
        running.failure(lambda values: _ended(ui, values, _STOPPED), {ui.found}, [*buttons, *shown], **INSTANT)
        runs.append(running)
        if button is ui.start:
            pressed.then(None, None, None, js=_SHOW, **QUIET)
    stopped = ui.stop.click(None, cancels=runs, api_visibility="private")
    ended = stopped.then(lambda values: _ended(ui, values, _STOPPED), {ui.found}, [*buttons, *shown], **INSTANT)
    if elsewhere:
        for one in (*runs, ended):
            one.then(
                lambda values: or_skip({elsewhere: sweep_pane(found)} if (found := values[ui.found]) else {}),
                {ui.found},
                [elsewhere],
                **INSTANT,
            )


def _guarded(ui: SweepControls, work: Callable[[Values], Iterator[Updates]]) -> Callable[..., Iterator[Updates]]:
    """Errors become sentences; what is on the page stays."""

    def guarded(values: Values) -> Iterator[Updates]:
        try:
            yield from work(values)
        except FastVError as error:
            yield {ui.status: status.problem(str(error))}
        except Exception:
            logger.exception("a sweep failed")
            yield {ui.status: status.problem(INTERNAL_ERROR)}

    return guarded


def _updates(ui: SweepControls, state: SweepState) -> Updates:
    step = state.step
    timing = step.answered == step.questions and bool(step.to_time)
    done, of = (step.timed, step.to_time) if timing else (step.answered, step.questions)
    words = f"{done:,} of {of:,} questions {'timed' if timing else 'answered'}"
    updates: Updates = {ui.status: status.status(words, done / of if of else 1.0)}
    if state.found is not None:
        updates |= {ui.result: result(state.found), ui.found: state.found}
    if state.timed_out:
        updates[ui.status] = status.status(_TIMED_OUT)
    elif timing and done == of:
        updates[ui.status] = status.status(f"Done: {step.answered:,} questions answered, {step.timed:,} of them timed.")
    return updates


def _ended(ui: SweepControls, values: Values, told: str) -> Updates:
    """Buttons, and files of what is shown, however it ended."""
    updates = {**_buttons(ui, False), **_files(ui, values[ui.found])}
    return updates | ({ui.status: status.status(told)} if told else {})


def _buttons(ui: SweepControls, running: bool) -> Updates:
    return {
        ui.start: gr.Button(interactive=not running),
        ui.estimate: gr.Button(interactive=not running),
        ui.stop: gr.Button(interactive=running),
    }


def _files(ui: SweepControls, found: Mapping[str, Any] | None) -> Updates:
    """The download buttons with a sweep's report; disabled without one, and, with a word, where a format needs more."""
    updates: Updates = {}
    for suffix, button in ui.downloads.items():
        try:
            path = found and cache_file(button, f"{_name(found)}{suffix}", FORMATS[suffix](found))
        except InvalidInputError as problem:  # Parquet without pyarrow
            path = None
            gr.Info(str(problem))
        updates[button] = gr.DownloadButton(value=path or None, interactive=bool(path))
    return updates


def _name(found: Mapping[str, Any]) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"fastv-sweep-{found['model']}")


def _connect_chart(ui: SweepControls, shared: SharedPruning) -> None:
    def chosen(event: gr.EventData, values: Values) -> Updates:
        try:
            k = whole(getattr(event, "k", None), "k", low=0, high=999)
            r = real(getattr(event, "r", None), "r", low=0, high=1)
        except FastVError:
            return or_skip({})
        gr.Info(f"K={k}, R={100 * r:g}% is now set on the other tabs.")
        return or_skip(shared.set(values, k, round(100 * r, 1)))

    inputs = {*shared.inputs, shared.k, shared.r}
    ui.result.click(chosen, inputs, list(shared.outputs), trigger_mode="always_last", **INSTANT)


def follow(ui: SweepControls, pool: ModelPool, policy: RunPolicy, query: Mapping[str, str]) -> Updates:
    """What a link sets; nothing is run."""
    sent = sent_fields(query)
    if sent.get("model") not in [key for _, key in readable_models(pool)]:
        sent.pop("model", None)
    updates: Updates = {ui.fields[name]: value for name, value in sent.items()}
    if "data" in sent:
        updates[ui.uploads] = gr.File(visible=sent["data"] == OWN)
    return updates
