"""What the explorer is asked to show, checked, and the names it uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fastv.costs import configs
from fastv.costs.solver import Preset, Workload, load_presets
from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.catalogue import CATALOGUE
from fastv.families.shapes import ModelShape

OWN = "own"
OWN_NAME = "Your config"
_NAMES = {entry.key: entry.name for entry in CATALOGUE} | {OWN: OWN_NAME, "qwen-vl-chat": "Qwen-VL-Chat"}


@dataclass(frozen=True)
class Settings:
    """All that the page's panes depend on. model: a key of ``configs.known`` or OWN; relative: "itself" or "small".

    pictures: as asked for; a clip is one of them, whose frames ``workload`` counts each.
    """

    model: str
    shape: ModelShape
    workload: Workload
    k: int = 2
    r: float = 0.5
    measure: str = "prefill-paper"
    relative: str = "itself"
    pictures: int = 1

    @property
    def name(self) -> str:
        return name_of(self.model)

    @property
    def small(self) -> str:
        """The key of the smaller model it is put beside."""
        return configs.small_twin(self.model)

    @property
    def small_shape(self) -> ModelShape:
        return configs.shape_of(self.small)

    @property
    def small_workload(self) -> Workload:
        return workload_for(self.small_shape, self.workload, self.small, self.pictures)


def name_of(model: str) -> str:
    return _NAMES.get(model, model)


def choices() -> list[tuple[str, str]]:
    """(name, key) of what can be explored, the paper's larger model first; somebody's own config last."""
    keys = sorted(configs.known(), key=lambda key: key != "llava-1.5-13b")
    return [(name_of(key), key) for key in keys] + [(OWN_NAME, OWN)]


def shape_of(model: str, own: str | None) -> ModelShape:
    """The sizes of a model of ``configs.known``, or those in the text ``own`` for OWN. Raises InvalidInputError."""
    return configs.parse(own) if model == OWN else configs.shape_of(model)


def workload_for(shape: ModelShape, like: Workload, model: str | None, pictures: int) -> Workload:
    """The same text, answer, precision and batch, and so many pictures, for a model, by its key where it has one."""
    tokens, frames = configs.intake(shape, model)
    return Workload(like.text_tokens, pictures * tokens, like.answer_tokens, pictures * frames, like.dtype, like.batch)


def settings(
    model: str,
    own: str | None,
    k: int,
    r_percent: float,
    dtype: str,
    text_tokens: int,
    answer_tokens: int,
    pictures: int,
    batch: int,
    measure: str,
    relative: str,
) -> Settings:
    """From the controls' values; own: the text of the config for OWN. Raises FastVErrors.

    A K that the model does not have becomes its last layer, since models change under the slider.
    """
    shape = shape_of(model, own)
    counts = {"Prompt": text_tokens, "Answer": answer_tokens, "Pictures": pictures, "Batch": batch, "K": k}
    for title, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | float) or not 0 <= count <= 10**6 or count % 1:
            raise InvalidInputError(f"{title} must be a whole number from 0 to 1,000,000, not {str(count)[:40]!r}.")
    if isinstance(r_percent, bool) or not isinstance(r_percent, int | float) or not 0 <= r_percent <= 100:
        raise InvalidBudgetError(f"R must be from 0 to 100 percent, not {str(r_percent)[:40]!r}.")
    asked = Workload(int(text_tokens), 0, int(answer_tokens), 0, dtype, int(batch))
    workload = workload_for(shape, asked, model, int(pictures))
    return Settings(
        model, shape, workload, min(int(k), shape.decoder.layers - 1), r_percent / 100, measure, relative, int(pictures)
    )


@lru_cache(maxsize=1)
def presets() -> tuple[Preset, ...]:
    """Those of the files that can be read; budgets.py logs the others."""
    return load_presets()[0]


def budgets_for(chosen: Settings) -> list[tuple[str, int, float]]:
    """(name, K, R) of the presets that are meant for a model and that it can follow."""
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
