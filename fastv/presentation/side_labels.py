"""How the two sides of a comparison are named: differently from each other, and by what sets them apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from fastv.formatting import budget
from fastv.measurement.results import Setup
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

BASELINE, CANDIDATE = "baseline", "fastv"  # colors of the palette, and the sides' CSS classes

#: What an option is called that is not at its default.
OPTION_WORDS = {
    "per": "amount per image",
    "positions": "positions without gaps",
    "proportional": "proportional attention",
}


@dataclass(frozen=True)
class SideLabel:
    """One side of a comparison, as presentation needs it.

    Parameters
    ----------
    label : str
        Plain text for a heading, such as "With FastV" or "mini-13 with FastV".
    detail : str
        What the label leaves open, such as "K=2, R=50%"; may be empty.
    config : PruningConfig or None
        None without pruning.
    color : str
        The side's color in the palette and its CSS class: "baseline" or "fastv".
    """

    label: str
    detail: str
    config: PruningConfig | None
    color: str

    @property
    def inline(self) -> str:
        """The label in the middle of a sentence: "with FastV"."""
        starts_sentence = self.label.startswith(("With ", "Without "))
        return self.label[0].lower() + self.label[1:] if starts_sentence else self.label


#: One model without and with FastV: what a comparison is unless something else is chosen.
USUAL = (SideLabel("Without FastV", "", None, BASELINE), SideLabel("With FastV", "", PruningConfig(), CANDIDATE))


def config_of(setup: Setup) -> PruningConfig | None:
    """How a side is pruned; None where it is not."""
    return PruningConfig.from_dict(asdict(setup))


def method_words(config: PruningConfig) -> str:
    """A method after "with": its name, or where it has no paper of its own, such as random, a description."""
    method = METHODS[config.method]
    if method.paper:
        return method.label
    return method.label.lower() if method.signals else f"{method.label.lower()} dropping"


def option_words(config: PruningConfig) -> list[str]:
    """The options that are not at their defaults, for people."""
    return [OPTION_WORDS[name] for name in config.options]


def side_labels(baseline: Setup, candidate: Setup) -> tuple[SideLabel, SideLabel]:
    """Labels of both sides, never the same, each saying in what the sides differ."""
    configs = config_of(baseline), config_of(candidate)
    if (baseline.model, baseline.dtype) != (candidate.model, candidate.dtype):
        return (
            _with_model(baseline, candidate, configs[0], BASELINE),
            _with_model(candidate, baseline, configs[1], CANDIDATE),
        )
    if (configs[0] is None) != (configs[1] is None):
        return _pruned_or_not(configs[0], configs[1], BASELINE), _pruned_or_not(configs[1], configs[0], CANDIDATE)
    first, second = _with_settings(*configs, BASELINE), _with_settings(*configs[::-1], CANDIDATE)
    if first.label == second.label:
        return first, replace(second, label=f"{second.label}, second run")
    return first, second


def _with_model(side: Setup, other: Setup, config: PruningConfig | None, color: str) -> SideLabel:
    if side.model == other.model:
        name = f"{side.name} in {side.dtype}"
    else:
        name = side.model if side.name == other.name else side.name
    if config is None:
        return SideLabel(name, "without pruning", None, color)
    return SideLabel(f"{name} with {method_words(config)}", _settings(config), config, color)


def _pruned_or_not(config: PruningConfig | None, other: PruningConfig | None, color: str) -> SideLabel:
    if config is not None:
        return SideLabel(f"With {method_words(config)}", _settings(config), config, color)
    is_fastv = other is not None and METHODS[other.method].label == "FastV"
    return SideLabel("Without FastV" if is_fastv else "Without pruning", "", None, color)


def _with_settings(config: PruningConfig | None, other: PruningConfig | None, color: str) -> SideLabel:
    """For two sides of one model that are both pruned, or both not."""
    if config is None or other is None:
        return SideLabel("Without pruning", "", None, color)
    words = method_words(config)
    if config.method != other.method:
        return SideLabel(f"With {words}", _settings(config, other), config, color)
    return SideLabel(f"With {words}, {_settings(config, other)}", "", config, color)


def _settings(config: PruningConfig, other: PruningConfig | None = None) -> str:
    """(K, R), options that are not the usual ones, and the seed where that sets two sides apart."""
    words = [budget(config.k if METHODS[config.method].takes_k else None, config.r), *option_words(config)]
    if other is not None and config.seed != other.seed:
        words.append(f"seed {config.seed}")
    return ", ".join(words)
