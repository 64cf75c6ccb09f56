"""The explorer's settings: what was chosen, checked, and the names of models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fastv.app.shared.model_names import OWN, OWN_NAME, name_of
from fastv.costs import configs
from fastv.costs.presets import Preset, load_presets
from fastv.costs.solver import Workload
from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.shapes import ModelShape
from fastv.pruning.methods.registry import METHODS
from fastv.validation import one_of, real, whole

_MOST = 10**6  # tokens, images or prompts


@dataclass(frozen=True)
class ExploreSettings:
    """What the panes show.

    Attributes
    ----------
    model : str
        A key of ``configs.known``, or OWN.
    shape : ModelShape
        Its sizes.
    workload : Workload
        Prompt and answer; ``workload.pictures`` counts the frames of clips one by one.
    k, r : int, float
        As in ``PruningConfig``.
    measure : str
        What is mapped: a key of ``cost_map.MEASURES``, or "quality".
    relative : str
        What the map is in percent of: "itself" or "small".
    pictures : int
        Images, or clips, in the prompt.
    quality_method : str
        Whose quality is mapped: a name in METHODS.
    """

    model: str
    shape: ModelShape
    workload: Workload
    k: int = 2
    r: float = 0.5
    measure: str = "prefill-paper"
    relative: str = "itself"
    pictures: int = 1
    quality_method: str = "fastv"

    @property
    def name(self) -> str:
        return name_of(self.model)

    @property
    def small(self) -> str:
        """The key of the smaller model that it is compared with."""
        return configs.smaller_model(self.model)

    @property
    def small_shape(self) -> ModelShape:
        return configs.shape_of(self.small)

    @property
    def small_workload(self) -> Workload:
        return workload_for(self.small_shape, self.workload, self.small, self.pictures)


def choices() -> list[tuple[str, str]]:
    """(name, key) of what can be explored: the paper's larger model first, a config to paste last."""
    keys = sorted(configs.known(), key=lambda key: key != "llava-1.5-13b")
    return [(name_of(key), key) for key in keys] + [(OWN_NAME, OWN)]


def shape_of(model: str, own: str | None) -> ModelShape:
    """The sizes of a known model, or for OWN those in the text of a config. Raises InvalidInputError."""
    return configs.parse(own) if model == OWN else configs.shape_of(model)


def workload_for(shape: ModelShape, like: Workload, model: str | None, pictures: int) -> Workload:
    """``like`` with this many images, as a model counts their visual tokens and frames."""
    tokens, frames = configs.visual_input(shape, model)
    return Workload(like.text_tokens, pictures * tokens, like.answer_tokens, pictures * frames, like.dtype, like.batch)


@dataclass(frozen=True)
class Choices:
    """The values of the controls, unchecked, under the controls' names. ``r`` is in percent, as on the slider."""

    model: str
    own_text: str | None
    k: int
    r: float
    dtype: str
    text_tokens: int
    answer_tokens: int
    pictures: int
    batch: int
    measure: str
    relative: str
    device: str
    may_lose: float
    axis: str
    benchmark: str
    methods_model: str | None = None
    methods_r: str = "50%"
    methods_equal: str = "flops"
    methods_questions: str = "all"
    quality_method: str = "fastv"


def settings(choices: Choices) -> ExploreSettings:
    """Check the controls' values.

    A K that the model does not have becomes its last layer, since models change under the slider.

    Raises
    ------
    FastVError
        Where a value cannot be used.
    """
    shape = shape_of(choices.model, choices.own_text)
    text, answer, pictures, batch, k = (
        whole(value, name, low=0, high=_MOST, allow_float=True, error=InvalidInputError)
        for name, value in (
            ("Text tokens", choices.text_tokens),
            ("Answer tokens", choices.answer_tokens),
            ("Images", choices.pictures),
            ("Batch", choices.batch),
            ("K", choices.k),
        )
    )
    r_percent = real(choices.r, "R in percent", low=0, high=100, error=InvalidBudgetError)
    workload = workload_for(shape, Workload(text, 0, answer, 0, choices.dtype, batch), choices.model, pictures)
    return ExploreSettings(
        choices.model,
        shape,
        workload,
        min(k, shape.decoder.layers - 1),
        r_percent / 100,
        choices.measure,
        choices.relative,
        pictures,
        one_of(choices.quality_method, "method", METHODS, error=InvalidInputError),
    )


@lru_cache(maxsize=1)
def presets() -> tuple[Preset, ...]:
    """The presets that can be read; ``preset_choices`` logs the others."""
    return load_presets()[0]


def budgets_for(chosen: ExploreSettings) -> list[tuple[str, int, float]]:
    """(name, K, R) of the presets that apply to a model."""
    found = []
    for preset in presets():
        if preset.models and chosen.model not in preset.models:
            continue
        try:
            reference = configs.shape_of(preset.target.model) if preset.target else None
            found.append((preset.name, *preset.resolve(chosen.shape, chosen.workload, reference)))
        except (InvalidBudgetError, InvalidInputError):
            continue
    return found
