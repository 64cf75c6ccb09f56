"""What the engine asks of a pruning method; ``methods.base.Method`` tells what each means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from torch import Tensor, nn

from fastv.errors import InvalidBudgetError
from fastv.families.base import Family
from fastv.families.visual_groups import VisualGroup
from fastv.pruning.choice import Choice
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.signals import Signals


class TokenSelector(Protocol):
    @property
    def per(self) -> str: ...

    @property
    def positions(self) -> str: ...

    @property
    def proportional(self) -> bool: ...

    def schedule(self, depth: int) -> tuple[int, ...]: ...

    def kept_at(self, cut: int, count: int, cuts: int) -> int: ...

    def kept_of_groups(self, groups: Sequence[VisualGroup]) -> Sequence[int] | None: ...

    def outside_decoder(
        self, model: nn.Module, family: Family, prompts: Callable[[], Tensor | None]
    ) -> AbstractContextManager[None]: ...

    def reads_at(self, cut: int, layer: int) -> tuple[str, ...]: ...

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice: ...


def schedule_of(method: TokenSelector, depth: int) -> tuple[int, ...]:
    """The layers on entering which a method cuts in a decoder of ``depth`` layers.

    Raises InvalidBudgetError for layers that the decoder does not have, and for ones that do not ascend.
    """
    layers = tuple(method.schedule(depth))
    for layer in layers:
        if not 0 <= layer < depth:
            raise InvalidBudgetError(f"k={layer}, but the model's layers are 0 to {depth - 1}: choose one.")
    if not layers or any(late <= early for early, late in zip(layers, layers[1:])):
        raise InvalidBudgetError(f"Tokens are dropped on entering layers {layers}, which do not ascend.")
    return layers


def amounts(method: TokenSelector, cuts: int) -> Callable[[int], list[int]]:
    """From a count of visual tokens to how many of them are left after each of so many cuts."""
    return partial(_left, method, cuts)


def _left(method: TokenSelector, cuts: int, count: int) -> list[int]:
    return [method.kept_at(cut, count, cuts) for cut in range(cuts)]
