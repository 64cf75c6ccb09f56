"""What changes from one frame of a video to the next."""

from __future__ import annotations

import torch
from torch import Tensor

_FIRST_FRAME = 3.0  # above all others: 1 minus a cosine is at most 2


def change_since_last_frame(states: Tensor, frames: int) -> Tensor:
    """1 minus the cosine similarity of each token to the one at the same place a frame earlier; 3 in the first frame.

    Parameters
    ----------
    states : Tensor
        floating (frames * m, width), frame after frame.
    frames : int
        How many they are.

    Returns
    -------
    Tensor
        float32 (frames * m,).
    """
    unit = torch.nn.functional.normalize(states.float(), dim=-1)
    each = len(states) // frames
    change = 1 - (unit[each:] * unit[:-each]).sum(dim=-1)
    return torch.cat([change.new_full((each,), _FIRST_FRAME), change])
