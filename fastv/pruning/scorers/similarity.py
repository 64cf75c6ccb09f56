"""Cosine similarity of tokens, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

#: The most similarities that are held at a time; more are computed row by row, when they are needed.
_MOST_HELD = 64_000_000
#: The most that are changed at a time.
_BLOCK_FLOATS = 2_000_000
#: Into how many bands of rows the product of all pairs is divided, so that no pair but those of a band is computed
#: twice; fewer where a band would have fewer rows than this.
_BANDS, _LEAST_ROWS = 4, 64


def unit_vectors(states: Tensor) -> Tensor:
    """Vectors of length 1, float32 (..., width); a zero vector stays one."""
    return torch.nn.functional.normalize(states.float(), dim=-1)


def gathered(states: Tensor, positions: Tensor) -> Tensor:
    """The states at each row's positions, (batch, n_positions, width); those at -1 are zero."""
    index = positions.clamp(min=0)[..., None].expand(-1, -1, states.shape[-1])
    return states.gather(1, index).masked_fill(positions[..., None] < 0, 0)


class Similarities:
    """The products of all pairs of vectors, held where there is room, otherwise computed when they are asked for.

    Parameters
    ----------
    vectors : Tensor
        float32 (batch, n, width).
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors
        batch, count, _ = vectors.shape
        self._first = torch.arange(batch, device=vectors.device) * count  # of each row among all vectors
        self._own_hidden = False
        self._held: Tensor | None = None
        if batch * count**2 <= _MOST_HELD:
            self._held = products(vectors)
            self._held_rows = self._held.view(batch * count, count)

    def rows(self, columns: Tensor) -> Tensor:
        """The products of one vector of each row, long (batch,), with all: float32 (batch, n)."""
        batch, count, width = self.vectors.shape
        at = columns if batch == 1 else columns + self._first
        if self._held is not None:
            return self._held_rows.index_select(0, at)
        own = self.vectors.reshape(batch * count, width).index_select(0, at)
        rows = torch.bmm(self.vectors, own[..., None])[..., 0]
        return rows.scatter_(1, columns[:, None], float("inf")) if self._own_hidden else rows

    def hide_own(self) -> None:
        """From now on a vector's product with itself is infinite, so that none looks like a new one to itself."""
        self._own_hidden = True
        if self._held is not None:
            self._held.diagonal(dim1=1, dim2=2).fill_(float("inf"))

    def squares(self) -> Tensor:
        """Each vector's product with itself: float32 (batch, n), a copy."""
        if self._held is not None:
            return self._held.diagonal(dim1=1, dim2=2).clone()
        return self.vectors.square().sum(dim=2)

    def largest(self, absent: Tensor) -> Tensor:
        """Each vector's largest product with another one that is there: float32 (batch, n), -inf where there is none.

        Parameters
        ----------
        absent : Tensor
            boolean (batch, n): columns that hold nothing.
        """
        batch, count, _ = self.vectors.shape
        step = max(1, _BLOCK_FLOATS // (batch * count))
        found = []
        for start in range(0, count, step):
            rows = slice(start, start + step)
            if self._held is not None:
                block = self._held[:, rows].masked_fill(absent[:, None], float("-inf"))
            else:
                block = torch.bmm(self.vectors[:, rows], self.vectors.transpose(1, 2))
                block.masked_fill_(absent[:, None], float("-inf"))
            block.diagonal(start, dim1=1, dim2=2).fill_(float("-inf"))
            found.append(block.amax(dim=2))
        return torch.cat(found, dim=1)


def products(vectors: Tensor) -> Tensor:
    """The products of all pairs, float32 (batch, n, n): those below the diagonal's band are copied from above it."""
    count = vectors.shape[1]
    size = max(-(-count // _BANDS), _LEAST_ROWS)
    if size >= count:
        return torch.bmm(vectors, vectors.transpose(1, 2))
    products, turned = vectors.new_empty(len(vectors), count, count), vectors.transpose(1, 2)
    for start in range(0, count, size):
        end = start + size
        products[:, start:end, start:] = torch.bmm(vectors[:, start:end], turned[:, :, start:])
        products[:, end:, start:end] = products[:, start:end, end:].transpose(1, 2)
    return products


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
