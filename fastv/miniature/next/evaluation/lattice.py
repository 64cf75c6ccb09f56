"""An even spread of any number of tokens over the grid, as a control that looks at nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from fastv.miniature.next.world.scenes import GRID


def lattice_scores() -> Tensor:
    """Scores whose top n are spread evenly over the grid, for any n: places in an ordered-dither matrix of 32 x 32."""
    matrix = torch.zeros(1, 1)
    for _ in range(5):
        matrix = torch.cat([torch.cat([4 * matrix, 4 * matrix + 2], 1), torch.cat([4 * matrix + 3, 4 * matrix + 1], 1)])
    return -matrix[:GRID, :GRID].flatten()
