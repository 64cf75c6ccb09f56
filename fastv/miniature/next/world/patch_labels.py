"""What a drawn scene shows in each patch: what the vision tower learns, computed on the device that draws."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from fastv.miniature.next.world.rendering import NO_LABEL, Parameters
from fastv.miniature.next.world.scenes import GRID, PATCH
from fastv.miniature.next.world.sprites import digit_places
from fastv.miniature.next.world.vocabulary import KINDS


def patch_labels(made: Parameters, owners: Tensor) -> dict[str, Tensor]:
    """What can be known of each patch: int64 (batch, 576) each, ``NO_LABEL`` where a label says nothing.

    name: 0 for the background, else 1 + index in NAMES. cell: the ninth in which the covering thing's centre lies.
    tint: 0 for a thing in its own colours, else 1 + index in TINTS. digit: 1 + the digit that stands here, and place: 1
    + which digit of its number it is, 0 where there is none. background: its colour.
    """
    thing, covered = owners.clamp(min=0), owners >= 0
    digit, place = _digits(made)
    return {
        "name": torch.where(covered, made.name.gather(1, thing), 0),
        "cell": torch.where(covered, made.cell.gather(1, thing), NO_LABEL),
        "tint": torch.where(covered, made.colour.gather(1, thing), NO_LABEL),
        "digit": digit,
        "place": place,
        "background": made.background[:, None].expand_as(owners),
    }


@lru_cache(maxsize=2)
def _digit_tables(device: str) -> tuple[Tensor, Tensor]:
    """float32 (1000, 3) offsets of the digits (far away where there is none), int64 (1000, 3) digits."""
    offsets, digits = torch.full((1000, 3), 1e4), torch.zeros(1000, 3, dtype=torch.long)
    for number in range(1000):
        for at, (offset, digit) in enumerate(digit_places(number)):
            offsets[number, at], digits[number, at] = offset, int(digit)
    return offsets.to(device), digits.to(device)


def _digits(made: Parameters) -> tuple[Tensor, Tensor]:
    """digit and place, int64 (batch, 576): a patch shows the digit whose middle is nearest, if its own middle is
    near.
    """
    offsets, digits = _digit_tables(str(made.ground.device))
    batch = len(made.large)
    plate = made.large > len(KINDS)
    shown = torch.where(plate, made.large - 1 - len(KINDS), 0)
    x, y, size = made.large_geometry[..., :3].unbind(-1)
    middles = (torch.arange(GRID, device=x.device) + 0.5) * PATCH
    centres = x[..., None] + offsets[shown] * size[..., None]  # (batch, slots, 3)
    distance = (middles - centres[..., None]).abs()  # (batch, slots, 3, 24)
    nearest = distance.min(2)
    near_column = nearest.values <= 0.145 * size[..., None]
    near_row = (middles - y[..., None]).abs() <= 0.19 * size[..., None]
    hit = (near_row[..., :, None] & near_column[..., None, :] & plate[..., None, None]).flatten(2)
    which = nearest.indices[..., None, :].expand(-1, -1, GRID, -1).flatten(2)
    value = 1 + digits[shown].gather(2, which)
    return ((value * hit).amax(1).view(batch, -1), ((1 + which) * hit).amax(1).view(batch, -1))
