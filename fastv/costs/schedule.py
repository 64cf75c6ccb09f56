"""What a pruning method leaves of a prompt, as the costs see it: numbers of tokens by layer, and its own arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastv.errors import InvalidBudgetError
from fastv.validation import whole


@dataclass(frozen=True)
class TokenSchedule:
    """How many visual tokens go on from which decoder layer on. Without stages all of them go through all layers.

    Attributes
    ----------
    stages
        (layer, visual tokens left on entering it), layers ascending, numbers of tokens never rising. A number need not
        be whole: the paper's formula does not round.
    method_flops
        What choosing them costs, in ``exact`` FLOPs.
    encoded
        The visual tokens that vision tower and projector make, where those are fewer than the prompt has places for:
        of a picture that is read at a lower resolution. None where they are all of them.

    Raises
    ------
    InvalidBudgetError
        For stages out of order.
    """

    stages: tuple[tuple[int, float], ...] = ()
    method_flops: float = 0.0
    encoded: int | None = None

    def __post_init__(self) -> None:
        layers = [whole(layer, "a stage's layer", low=0, error=InvalidBudgetError) for layer, _ in self.stages]
        left = [kept for _, kept in self.stages]
        if layers != sorted(set(layers)) or left != sorted(left, reverse=True) or any(kept < 0 for kept in left):
            raise InvalidBudgetError(f"Stages are (layer, tokens left) from the first layer on, not {self.stages}.")

    def spans(self, layers: int, visual_tokens: float) -> Iterator[tuple[int, float]]:
        """(number of layers, visual tokens in each of them) for a decoder of so many layers, none of them empty.

        Raises InvalidBudgetError for a stage at a layer the decoder does not have.
        """
        bounds = [(0, visual_tokens), *self.stages, (layers, 0.0)]
        if self.stages and self.stages[-1][0] >= layers:
            raise InvalidBudgetError(f"There is no layer {self.stages[-1][0]}: the layers are 0 to {layers - 1}.")
        for (begin, kept), (end, _) in zip(bounds, bounds[1:]):
            if end > begin:
                yield end - begin, min(kept, visual_tokens)

    def average_tokens(self, layers: int, visual_tokens: float) -> float:
        """Visual tokens in a decoder layer on average: the count that papers print for cuts inside the decoder."""
        return sum(count * kept for count, kept in self.spans(layers, visual_tokens)) / layers
