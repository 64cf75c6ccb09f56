"""What a method answers at a cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Choice:
    """Which visual tokens go on, of those that are there at a cut.

    Parameters
    ----------
    chosen : Tensor
        boolean (batch, n_visual), ``prompt.keep`` of each row True; False where a row has no token.
    scores : Tensor or None
        float32 (batch, n_visual): the higher, the sooner kept, -inf where a row has no token. None where the choice is
        not by scores.
    states : Tensor or None
        (batch, n_visual, width): what the chosen tokens are from the cut's layer on, in place of their own hidden
        states; entries of other tokens do not matter. None where they stay what they are. Not used where a cut drops
        nothing.
    weights : Tensor or None
        float32 (batch, n_visual): how many of the prompt's tokens each chosen one stands for, where a method knows that
        better than "all alike". Used with ``proportional`` alone.
    """

    chosen: Tensor
    scores: Tensor | None = None
    states: Tensor | None = None
    weights: Tensor | None = None
