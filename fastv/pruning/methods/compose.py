"""Two methods one after the other: one before the decoder's layers, one between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.errors import InvalidBudgetError
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fastv.families.base import Family
    from fastv.families.shapes import DecoderShape, VisionShape
    from fastv.families.visual_groups import VisualGroup
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals
    from fastv.pruning.trace import Trace

_ANY_DEPTH = 32
_SHARED = ("per", "positions", "proportional")


@dataclass(frozen=True)
class Compose:
    """Drop by one method, and later by another what the first one left::

        with Compose(METHODS["divprune"](keep=192), METHODS["fastv"](k=2, keep=64))(model) as trace:
            output = model.generate(**inputs)

    Amounts of both are out of the prompt's own visual tokens; where the second would leave more than the first, it
    drops nothing.

    Parameters
    ----------
    first, second : Method
        The second one cuts at deeper layers. They agree in ``per``, ``positions`` and ``proportional``.

    Raises
    ------
    InvalidBudgetError
        For methods that do not agree, and, on entering a model, for a second one that does not cut deeper.
    """

    first: Method
    second: Method

    def __post_init__(self) -> None:
        for part in (self.first, self.second):
            if not isinstance(part, Method):
                raise InvalidBudgetError(
                    f"Compose takes two methods of METHODS, made with their settings, not {part!r}."
                )
        for name in _SHARED:
            if getattr(self.first, name) != getattr(self.second, name):
                raise InvalidBudgetError(f"Both methods of Compose need the same {name}.")

    def __call__(self, model: nn.Module) -> AbstractContextManager[Trace]:
        """Prune ``model`` while the context is open; see ``fastv.pruning.pruner.pruned``."""
        from fastv.pruning.pruner import pruned

        return pruned(model, self)

    @property
    def label(self) -> str:
        return f"{self.first.label}, then {self.second.label}"

    @property
    def phrase(self) -> str:
        return f"{self.first.phrase}, then {self.second.phrase}"

    @property
    def per(self) -> str:
        return self.first.per

    @property
    def positions(self) -> str:
        return self.first.positions

    @property
    def proportional(self) -> bool:
        return self.first.proportional

    @property
    def _first_cuts(self) -> int:
        """Cuts of the first method."""
        return len(self.first.schedule(_ANY_DEPTH))

    def schedule(self, depth: int) -> tuple[int, ...]:
        first, second = self.first.schedule(depth), self.second.schedule(depth)
        if first[-1] >= second[0]:
            raise InvalidBudgetError(
                f"{self.second.label} drops tokens on entering layer {second[0]}, which does not come after layer "
                f"{first[-1]} of {self.first.label}. Choose a larger k for the second method, or the other order."
            )
        return (*first, *second)

    def kept_of(self, count: int) -> int:
        """How many of ``count`` visual tokens stay in the end."""
        return min(self.first.kept_of(count), self.second.kept_of(count))

    def kept_at(self, cut: int, count: int, cuts: int) -> int:
        own = self._first_cuts
        if cut < own:
            return self.first.kept_at(cut, count, own)
        return min(self.first.kept_of(count), self.second.kept_at(cut - own, count, cuts - own))

    def kept_of_groups(self, groups: Sequence[VisualGroup]) -> Sequence[int] | None:
        first = self.first.kept_of_groups(groups)
        if first is None:
            return None
        count, cuts = sum(group.tokens for group in groups), len(self.second.schedule(_ANY_DEPTH))
        return [*first, *(min(first[-1], self.second.kept_at(cut, count, cuts)) for cut in range(cuts))]

    @contextmanager
    def outside_decoder(self, model: nn.Module, family: Family, prompts: Callable[[], Tensor | None]) -> Iterator[None]:
        with ExitStack() as stack:
            for part in (self.first, self.second):
                stack.enter_context(part.outside_decoder(model, family, prompts))
            yield

    def reads_at(self, cut: int, layer: int) -> tuple[str, ...]:
        own = self._first_cuts
        return self.first.reads_at(cut, layer) if cut < own else self.second.reads_at(cut - own, layer)

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        own = self._first_cuts
        if prompt.cut < own:
            return self.first.select(prompt.of_cuts(0, own), signals)
        return self.second.select(prompt.of_cuts(own, prompt.cuts - own), signals)

    def own_flops(self, decoder: DecoderShape, text: int, visual: int) -> float:
        """FLOPs of choosing the tokens of one prompt; see ``Method.own_flops``."""
        left = self.first.kept_of(visual)
        return self.first.own_flops(decoder, text, visual) + self.second.own_flops(decoder, text, left)

    def tower_flops(self, vision: VisionShape, visual: int, pictures: int, frames: int) -> float:
        """FLOPs of what both look at in the vision tower; see ``Method.tower_flops``."""
        return sum(part.tower_flops(vision, visual, pictures, frames) for part in (self.first, self.second))
