"""What happens on the comparison tab when a picture, a budget or a model is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from random import SystemRandom
from typing import Any

import gradio as gr

from fastv.app.compare import baseline_panel
from fastv.app.compare.baseline_panel import SAME
from fastv.app.compare.components import CompareControls
from fastv.app.hosting.event_options import INSTANT, ONE_AT_A_TIME, QUIET, TYPED
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.load_progress import load_with_progress
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.app.shared import budget_choices, example_scenes, status
from fastv.app.shared.budget_choices import layers_of, slider_step
from fastv.app.shared.deep_link import Link
from fastv.errors import FastVError, ModelLoadError
from fastv.evidence.known_quality import known_quality
from fastv.loading.load import LoadedModel, LoadProgress
from fastv.miniature.world.abilities import in_words


def connect_inputs(parts: CompareControls, policy: RunPolicy) -> None:
    """Pictures, questions that fit them, and budgets."""

    def own_picture(upload: Any) -> list:
        """A picture of one's own, refused at once if it cannot be used; nobody here knows what is in it."""
        picture = gr.skip()
        if upload is not None:
            try:
                policy.open_picture(upload_path(upload))
            except FastVError as error:
                gr.Warning(escape(str(error)))
                picture = None
        return [picture, gr.skip(), {}, None, *chips_of(example_scenes.GENERAL)]

    shown = [parts.picture, parts.question, parts.known, parts.scene, *parts.chips]
    parts.gallery.select(_pick, [parts.question, parts.known], shown, **INSTANT)
    parts.new_scene.click(_new_scene, [parts.question, parts.known], shown, **INSTANT)
    # Not preprocessed: Gradio would open, and decode, whatever was sent before anybody had a look at its size.
    parts.picture.input(own_picture, [parts.picture], shown, preprocess=False, concurrency_limit=2, **QUIET)
    for chip in parts.chips:
        chip.click(None, [chip], [parts.question], js="text => text", **QUIET)


def connect_model(parts: CompareControls, pool: ModelPool) -> Any:
    """The choice of the model, and the budgets that suit it; returns the event, which Stop ends."""
    sliders = [parts.k, parts.r]

    def switch(key: str, in_use: str, other: str, other_k: int, other_r: float) -> Iterator[tuple]:
        """Loads the model; one that cannot be loaded leaves the one before in use."""
        unchanged = [gr.skip()] * 11
        try:
            yield (
                status.status(_loading(pool, key), 0.0),
                gr.skip(),
                gr.skip(),
                *unchanged,
                gr.Button(interactive=True),
            )
            for step in load_with_progress(pool, key, other or key):
                yield _progress(step), gr.skip(), gr.skip(), *unchanged, gr.skip()
            loaded = pool.load(key)
        except ModelLoadError as error:
            gr.Warning(escape(str(error)))
            words = status.problem(f"{error} {pool.entry(in_use).name} stays in use.")
            yield words, in_use, gr.skip(), *unchanged, gr.Button(interactive=False)
        else:
            same = baseline_panel.updates(pool, loaded, SAME, other_k, other_r) if other == SAME else [gr.skip()] * 5
            yield (
                status.status(f"{loaded.entry.name} is loaded."),
                gr.skip(),
                key,
                note(loaded),
                *_budget_controls(loaded, pool, baseline_panel.sides(key, other, other_r)),
                *same,
                gr.Button(interactive=False),
            )

    switching = parts.model.input(
        switch,
        [parts.model, parts.in_use, *parts.baseline.chosen],
        [
            parts.status,
            parts.model,
            parts.in_use,
            parts.note,
            parts.offered,
            parts.preset,
            parts.sentence,
            *sliders,
            *parts.baseline.all,
            parts.stop,
        ],
        **ONE_AT_A_TIME,
        **QUIET,
    )
    parts.preset.input(
        _preset, [parts.preset, parts.offered, *parts.chosen], [parts.sentence, *sliders, parts.later], **INSTANT
    )
    gr.on(
        [slider.input for slider in sliders],
        moved,
        [*parts.chosen, parts.offered],
        [parts.preset, parts.sentence],
        **TYPED,
    )
    return switching


def connect_baseline(parts: CompareControls, pool: ModelPool) -> Any:
    """What the model is compared with; returns the event that loads it, which Stop ends."""
    baseline = parts.baseline

    def switch(key: str, in_use: str, offered: list[budget_choices.Choice], *chosen: Any) -> Iterator[list]:
        """Loads the model; one that cannot be loaded leaves the one before in use."""
        model, k, r, _, other_k, other_r = chosen
        try:
            yield [status.status(_loading(pool, key or model), 0.0), *[gr.skip()] * 7, gr.Button(interactive=True)]
            for step in load_with_progress(pool, model, key or model):
                yield [_progress(step), *[gr.skip()] * 8]
            loaded = pool.load(key or model)
        except ModelLoadError as error:
            gr.Warning(escape(str(error)))
            words = status.problem(f"{error} What it is compared with stays as it was.")
            yield [words, gr.skip(), in_use, *[gr.skip()] * 5, gr.Button(interactive=False)]
        else:
            name = "the same model" if key == SAME else loaded.entry.name
            yield [
                status.status(f"The other side is {name}."),
                *baseline_panel.updates(pool, loaded, key, other_k, other_r),
                *moved(model, k, r, key, other_k, other_r, offered),
                gr.Button(interactive=False),
            ]

    def other_moved(*chosen: Any) -> list:
        *_, key, k, r_percent, _ = chosen
        return [gr.Accordion(label=baseline_panel.label(pool, key, k, r_percent)), *moved(*chosen)]

    switching = baseline.model.input(
        switch,
        [baseline.model, baseline.in_use, parts.offered, *parts.chosen],
        [parts.status, *baseline.all, parts.preset, parts.sentence, parts.stop],
        **ONE_AT_A_TIME,
        **QUIET,
    )
    gr.on(
        [baseline.k.input, baseline.r.input],
        other_moved,
        [*parts.chosen, parts.offered],
        [baseline.box, parts.preset, parts.sentence],
        **TYPED,
    )
    return switching


def _loading(pool: ModelPool, key: str) -> str:
    """What is about to happen, and how large it is: somebody may have meant the one above."""
    entry = pool.entry(key)
    if entry.embedded or key in pool.unavailable or pool.is_loaded(key) or not entry.download_bytes:
        return f"Loading {entry.name}…"
    return f"Loading {entry.name}: up to {entry.download_bytes / 1e9:.1f} GB to download. Stop cancels it."


def _progress(step: LoadProgress | None) -> Any:
    return gr.skip() if step is None else status.status(step.sentence, step.fraction)


def note(loaded: LoadedModel) -> str:
    """What to expect of a model, as HTML."""
    entry = loaded.entry
    known = entry.embedded and (Path(entry.source) / "scores.json").is_file()
    limits = f" {in_words(Path(entry.source))}" if known else ""
    return f'<p class="note"><b>{escape(entry.name)}.</b> {escape(entry.description + limits)}</p>'


def _pick(question: str, known: dict, event: gr.SelectData) -> list:
    return show_scene(example_scenes.GALLERY_SEEDS[event.index], question, known)


def _new_scene(question: str, known: dict) -> list:
    return show_scene(SystemRandom().randrange(10**6), question, known)


def show_scene(seed: int, question: str, known: dict) -> list:
    """The picture of a seed and its suggestions.

    A question of one's own stays; one about the last picture goes with it.
    """
    chosen = example_scenes.example(seed)
    of_last_picture = (
        not question.strip()
        or question in example_scenes.CLIP
        or example_scenes.true_answer(known, question) is not None
    )
    return [
        chosen.picture,
        chosen.suggestions[0] if of_last_picture else gr.skip(),
        chosen.answers,
        seed,
        *chips_of(chosen.suggestions),
    ]


def chips_of(suggestions: tuple[str, ...]) -> list[gr.Button]:
    """The buttons of suggested questions."""
    padded = [*suggestions, *[""] * (example_scenes.SUGGESTIONS - len(suggestions))]
    return [gr.Button(text, visible=bool(text)) for text in padded]


def _budget_controls(loaded: LoadedModel, pool: ModelPool, sides: tuple[str, str] | None) -> tuple:
    """The budgets for a model, their names, the sentence of the first of them, and both sliders at it."""
    offered = budget_choices.choices(loaded, pool)
    first = offered[0]
    name = budget_choices.name_of(offered, first.k, first.r_percent, sides)
    return (
        offered,
        gr.Radio(budget_choices.names(offered), value=name),
        sentence(offered, name, loaded.entry.key, first.k, first.r_percent),
        gr.Slider(value=first.k, maximum=layers_of(loaded) - 1),
        _r_slider(first),
    )


def _preset(
    name: str,
    offered: list[budget_choices.Choice],
    model: str,
    k: int,
    r_percent: float,
    other: str,
    _: int,
    other_r: float,
) -> tuple:
    """Its sentence, and K and R; one that sets up both sides is left for later, when their models are loaded.

    Whoever leaves such a one for a budget of one model gets back what that is compared with usually.
    """
    chosen = next((choice for choice in offered if choice.name == name), None)
    if chosen is None:
        return sentence(offered, name, model, k, r_percent), gr.skip(), gr.skip(), ""
    sides = baseline_panel.sides(model, other, other_r)
    here = (k, r_percent, sides)
    leaving = sides is not None and any((choice.k, choice.r_percent, choice.sides) == here for choice in offered)
    if chosen.sides is None and not leaving:
        return sentence(offered, name, model, chosen.k, chosen.r_percent), chosen.k, _r_slider(chosen), ""
    model, beside = chosen.sides or (model, None)
    link = Link(model, chosen.k, chosen.r_percent, chosen.name, baseline=beside)
    return sentence(offered, name, model, chosen.k, chosen.r_percent), gr.skip(), gr.skip(), link.query


def moved(
    model: str, k: int, r_percent: float, other: str, other_k: int, other_r: float, offered: list[budget_choices.Choice]
) -> tuple[str, str]:
    """The preset that both sides amount to, and its sentence."""
    name = budget_choices.name_of(offered, k, r_percent, baseline_panel.sides(model, other, other_r))
    return name, sentence(offered, name, model, k, r_percent)


def _r_slider(choice: budget_choices.Choice) -> gr.Slider:
    return gr.Slider(value=choice.r_percent, step=slider_step(choice.r_percent))


def sentence(
    offered: list[budget_choices.Choice], name: str, model: str, k: int | None, r_percent: float | None
) -> str:
    """What a budget is for, and what is known of a model's quality there, as HTML. K or R may be missing while typed."""
    known = "" if r_percent is None else known_quality(model, k, r_percent / 100)
    return f"<p>{escape(budget_choices.sentence_of(offered, name))}</p>" + (
        f'<p class="known">{escape(known)}</p>' if known else ""
    )
