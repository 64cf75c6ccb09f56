"""Which patches of an AnyRes picture's tiles become each of its visual tokens; newlines come from none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastv.families.anyres_shapes import margins
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor

Patches = tuple["Tensor", "Tensor"]  # long (tokens, m), -1 for none, and float32 (tokens, m), their shares


def overview_patches(side: int, lead: int) -> Patches:
    """Of the tile that shows all of a picture: each of its side x side patches is a token, after ``lead`` others."""
    import torch

    return _alone(torch.arange(lead, lead + side**2))


def finer_patches(size: Sequence[int], tiles: tuple[int, int], side: int, lead: int, finer: VisualGroup) -> Patches:
    """Of the tiles after the overview, whose padding is taken off and which may be shrunk, with the newlines.

    Parameters
    ----------
    size
        Height and width of the picture in pixels.
    tiles
        Rows and columns of tiles.
    side
        Rows, and columns, of a tile's patches.
    lead
        Tokens of the tower before the patches of each tile.
    finer
        The visual tokens that they become.
    """
    import torch

    rows, columns = tiles
    numbers = torch.arange((1 + rows * columns) * (lead + side**2)).view(-1, lead + side**2)[1:, lead:]
    plane = numbers.reshape(rows, columns, side, side).transpose(1, 2).flatten(0, 1).flatten(1)
    top, left = margins(size, plane.shape)
    plane = plane[top : len(plane) - top, left : plane.shape[1] - left]
    return _with_newlines(shrunk(plane, (finer.rows, finer.columns)), finer)


def halved_patches(side: int, lead: int) -> Patches:
    """Of a frame of a video, of half as many rows and columns as it has patches, or half a one more."""
    import torch

    half = -(-side // 2)
    return shrunk(torch.arange(lead, lead + side**2).view(side, side), (half, half))


def newline() -> Patches:
    """Of one newline."""
    import torch

    return torch.full((1, 1), -1), torch.zeros(1, 1)


def nothing() -> Patches:
    """Of no token."""
    import torch

    return torch.empty(0, 1, dtype=torch.long), torch.empty(0, 1)


def shrunk(plane: Tensor, grid: tuple[int, int]) -> Patches:
    """Of a plane of patches that is interpolated to a grid, bilinearly, as ``interpolate`` does it; row after row."""
    import torch

    if tuple(plane.shape) == grid:
        return _alone(plane.flatten())
    (above, below, down), (left, right, across) = (_between(*ends) for ends in zip(plane.shape, grid))
    index = torch.stack([plane[rows][:, columns] for rows in (above, below) for columns in (left, right)], dim=-1)
    shares = [high[:, None] * wide for high in (1 - down, down) for wide in (1 - across, across)]
    return index.flatten(0, 1), torch.stack(shares, dim=-1).flatten(0, 1)


def joined(parts: Sequence[Patches], lengths: Sequence[int]) -> Patches:
    """One after the other; lengths: tower tokens of each, by which the numbers of those after it go up."""
    import torch
    from torch.nn.functional import pad

    most = max(index.shape[1] for index, _ in parts)
    starts = [sum(lengths[:number]) for number in range(len(parts))]
    index = [
        pad(torch.where(one < 0, one, one + start), (0, most - one.shape[1]), value=-1)
        for (one, _), start in zip(parts, starts, strict=True)
    ]
    return torch.cat(index), torch.cat([pad(shares, (0, most - shares.shape[1])) for _, shares in parts])


def _alone(numbers: Tensor) -> Patches:
    import torch

    return numbers[:, None], torch.ones(len(numbers), 1)


def _between(many: int, few: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each of ``few`` places the two of ``many`` beside it, and how much of the second goes into it."""
    import torch

    places = ((torch.arange(few) + 0.5) * (many / few) - 0.5).clamp(min=0)
    first = places.long()
    return first, (first + 1).clamp(max=many - 1), places - first


def _with_newlines(patches: Patches, finer: VisualGroup) -> Patches:
    from torch.nn.functional import pad

    index, shares = (one.view(finer.rows, finer.columns, one.shape[1]) for one in patches)
    ends = (0, 0, 0, finer.row_end)
    return pad(index, ends, value=-1).flatten(0, 1), pad(shares, ends).flatten(0, 1)
