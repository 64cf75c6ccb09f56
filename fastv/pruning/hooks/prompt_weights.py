"""What may change for the columns that a cut leaves: the weight of their attention, and the position they stand at."""

from __future__ import annotations

import torch
from torch import Tensor

from fastv.pruning.choice import Choice
from fastv.pruning.index_selection import Selection, positions_of
from fastv.pruning.prompt_tokens import PromptTokens


def log_weights_of(left: PromptTokens, choice: Choice) -> Tensor:
    """What proportional attention adds to the logits of each column, so that kept visual tokens stand for dropped ones.

    Parameters
    ----------
    left : PromptTokens
        After the cut.
    choice : Choice
        At the cut. Without weights all visual tokens of a row stand for as many: log(original count / kept count).

    Returns
    -------
    Tensor
        float32 (batch, columns), 0 for text and padding.
    """
    batch, length = left.visual.shape
    if choice.weights is None:
        # From numbers that are known, so that nothing waits for the device.
        each = [original / max(kept, 1) for original, kept in zip(left.original_counts, left.counts)]
        shares = torch.tensor(each, dtype=torch.float32).to(left.visual.device, non_blocking=True)
        return shares.log()[:, None].masked_fill(~left.visual, 0.0)
    order = positions_of(choice.chosen, left.positions.shape[1])
    weights = choice.weights.float().gather(1, order.clamp(min=0)).log().masked_fill(order < 0, 0.0)
    spare = torch.zeros(batch, length + 1, device=weights.device)  # its last column takes what has none
    return spare.scatter(1, left.positions.masked_fill(left.positions < 0, length), weights)[:, :length]


def shifts_of(prompt: PromptTokens, selection: Selection, choice: Choice, earlier: Tensor | None) -> Tensor:
    """By how much the position of each column left is less than before all cuts, where positions are closed up.

    Parameters
    ----------
    prompt, selection, choice
        At the cut.
    earlier : Tensor or None
        long (batch, columns before the cut): the same after the cuts before; None for 0.

    Returns
    -------
    Tensor
        long (batch, columns left): how many visual tokens were dropped before each.
    """
    shifts = prompt.dropped(choice).cumsum(dim=1)
    return selection.take(shifts if earlier is None else shifts + earlier, -1)
