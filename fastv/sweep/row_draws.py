"""A batch in which each row draws at random by a seed of its own, as its question would alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastv.pruning.choice import Choice
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.base import Method
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.signals import Signals


def for_rows(configs: Sequence[PruningConfig]) -> Any:
    """One method for a batch: ``configs`` has one for each row, alike but for their seeds."""
    if len(configs) > 1 and configs[0].chosen_by == "random":
        return _RowDraws([config.build() for config in configs])
    return configs[0].build()


class _RowDraws:
    """Each row's choice is its own method's; whatever else is asked of it, the first one's."""

    def __init__(self, methods: Sequence[Method]):
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return getattr(self._methods[0], name)

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        """Row i of what method i chooses."""
        choices = [method.select(prompt, signals) for method in self._methods]

        def rows(name: str) -> Tensor | None:
            parts = [getattr(choice, name) for choice in choices]
            return None if parts[0] is None else torch.stack([part[row] for row, part in enumerate(parts)])

        chosen = rows("chosen")
        assert chosen is not None
        return Choice(chosen, rows("scores"), rows("states"), rows("weights"))
