"""Cosine similarity of tokens, in float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

#: The most similarities that are held at a time; more are computed row by row, when they are needed.
_MOST_HELD = 64_000_000
#: The most that are copied at a time.
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


class PairProducts:
    """The products of all pairs of vectors, on the host: held where there is room, else computed when asked for.

    Parameters
    ----------
    vectors : Tensor
        float32 (n, width).
    """

    def __init__(self, vectors: Tensor) -> None:
        self._vectors = vectors.detach()
        self._held: np.ndarray | None = None
        if len(vectors) ** 2 <= _MOST_HELD:
            with torch.autocast(vectors.device.type, enabled=False):
                self._held = products(self._vectors[None])[0].numpy(force=True)

    def row(self, index: int) -> np.ndarray:
        """The products of one vector with all: float32 (n,), not to be changed."""
        return self._held[index] if self._held is not None else self.rows(np.array([index]))[0]

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """The products of some vectors, int (m,), with all: float32 (m, n), a copy."""
        if self._held is not None:
            return self._held[indices]
        found = self._vectors[torch.from_numpy(indices).to(self._vectors.device)]
        with torch.autocast(found.device.type, enabled=False):
            return (found @ self._vectors.T).numpy(force=True)

    def squares(self) -> np.ndarray:
        """Each vector's product with itself: float32 (n,)."""
        return self._vectors.square().sum(dim=1).numpy(force=True)

    def largest(self) -> np.ndarray:
        """Each vector's largest product with another one: float32 (n,), -inf where there is no other."""
        return np.concatenate([_without_own(rows, start).max(axis=1) for start, rows in self._blocks()])

    def nearest(self, few: int) -> tuple[np.ndarray, np.ndarray]:
        """Each vector's largest products, its own among them: float32 and whose they are, long (n, few), descending."""
        found = [torch.from_numpy(rows).topk(min(few, rows.shape[1]), dim=1) for _, rows in self._blocks()]
        return torch.cat([one.values for one in found]).numpy(), torch.cat([one.indices for one in found]).numpy()

    def positive_sums(self) -> np.ndarray:
        """The sum of each vector's products above 0: float64 (n,)."""
        return np.concatenate([np.maximum(rows, 0).sum(axis=1, dtype=np.float64) for _, rows in self._blocks()])

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """A few rows at a time, copies, each with the number of its first."""
        count = len(self._vectors)
        step = max(1, _BLOCK_FLOATS // count)
        for start in range(0, count, step):
            yield start, self.rows(np.arange(start, min(start + step, count)))


def _without_own(rows: np.ndarray, start: int) -> np.ndarray:
    np.fill_diagonal(rows[:, start:], float("-inf"))
    return rows


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
