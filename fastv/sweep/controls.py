"""What a method must beat to be worth its trouble: the same budget spent without looking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

#: Methods that stand for not looking: a draw per question, and pictures read at a lower resolution from the start.
CONTROLS = ("random", "lower_resolution")


def grid(
    methods: Sequence[str], ks: Sequence[int], rs: Sequence[float], options: Mapping[str, Any] = MappingProxyType({})
) -> list[PruningConfig]:
    """Every method at every K and R, each config once: for some methods K is no choice. options: of all of them."""
    return list(dict.fromkeys(PruningConfig(method, k, r, **options) for method in methods for k in ks for r in rs))


def controls_of(configs: Sequence[PruningConfig]) -> list[PruningConfig]:
    """The controls at the budgets of these configs, without those that are among them already."""
    found = {
        PruningConfig(name, config.k, config.r, **config.options): None
        for config in configs
        for name in CONTROLS
        if name in METHODS and config.method not in CONTROLS and (name != config.chosen_by)
    }
    return [config for config in found if config not in configs]
