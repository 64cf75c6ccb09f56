"""Cosine similarity of tokens, in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: The most similarities that are held at a time; more are computed row by row, when they are needed.
_MOST_HELD = 64_000_000

#: From (batch,) columns, one of each batch row, to their similarities to all: float32 (batch, n).
Rows = Callable[[Tensor], Tensor]


def unit_vectors(states: Tensor) -> Tensor:
    """Vectors of length 1, float32 (..., width); a zero vector stays one."""
    return torch.nn.functional.normalize(states.float(), dim=-1)


def gathered(states: Tensor, positions: Tensor) -> Tensor:
    """The states at each row's positions, (batch, n_positions, width); those at -1 are zero."""
    index = positions.clamp(min=0)[..., None].expand(-1, -1, states.shape[-1])
    return states.gather(1, index).masked_fill(positions[..., None] < 0, 0)


def similarity_rows(units: Tensor) -> Rows:
    """The similarities of some tokens to all others, looked up or computed when asked for.

    Parameters
    ----------
    units : Tensor
        float32 (batch, n, width), of length 1.
    """
    batch, count, width = units.shape
    if batch * count**2 > _MOST_HELD:
        return lambda columns: torch.einsum("bnw,bw->bn", units, _at(units, columns))
    held = units @ units.transpose(1, 2)
    return lambda columns: _at(held, columns)


def most_similar(units: Tensor, absent: Tensor) -> Tensor:
    """Each token's largest similarity to another one that is there: float32 (batch, n), -inf where there is none.

    Parameters
    ----------
    units : Tensor
        float32 (batch, n, width), of length 1.
    absent : Tensor
        boolean (batch, n): columns that hold no token.
    """
    batch, count, _ = units.shape
    step = max(1, _MOST_HELD // (batch * count))
    found = torch.empty(batch, count, device=units.device)
    for start in range(0, count, step):
        block = units[:, start : start + step] @ units.transpose(1, 2)
        rows = torch.arange(block.shape[1], device=units.device)
        block[:, rows, start + rows] = float("-inf")
        found[:, start : start + step] = block.masked_fill_(absent[:, None], float("-inf")).amax(dim=2)
    return found


def mean_similarity(units: Tensor, others: Tensor, counted: Tensor) -> Tensor:
    """The mean cosine of each token to some others: float32 (batch, n).

    Parameters
    ----------
    units : Tensor
        float32 (batch, n, width), of length 1.
    others : Tensor
        (batch, m, width), of any length; each counts by its direction alone.
    counted : Tensor
        boolean (batch, m): the others that count.
    """
    directions = unit_vectors(others) * counted[..., None]
    middle = directions.sum(dim=1) / counted.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.einsum("bnw,bw->bn", units, middle)


def _at(rows: Tensor, columns: Tensor) -> Tensor:
    """rows[i, columns[i]] for each i."""
    return rows.gather(1, columns[:, None, None].expand(-1, 1, rows.shape[2]))[:, 0]
