"""Layers that see a window of the sequence: which these are, and what they see of a cut sequence while it grows.

The window is one of the whole sequence, so that a kept token is seen for as long as if nothing had been dropped. A
sliding cache keeps a window's worth of columns; of a cut sequence these reach further back than the window, and what is
beyond it has to be masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastv.pruning.index_selection import Selection


@dataclass(frozen=True)
class Window:
    """What a sliding layer sees.

    Attributes
    ----------
    size
        A token sees that many columns, itself included.
    cached
        Whether the cache keeps no more of the layer than it needs.
    """

    size: int
    cached: bool = True

    def held(self, length: int, new: int) -> int:
        """Columns that the layer is about to attend to, of a sequence of ``length`` whose last ``new`` are read now."""
        return min(length - new, self.size - 1) + new if self.cached else length


def window_sizes(config: Any) -> tuple[int | None, ...]:
    """Of each layer of a decoder, in the order of its config's ``layer_types``; empty where they are all alike."""
    kinds, size = getattr(config, "layer_types", None) or (), getattr(config, "sliding_window", None)
    if len(set(kinds)) < 2:
        return ()
    return tuple(size if kind == "sliding_attention" else None for kind in kinds)


def window_of(sizes: tuple[int | None, ...], layer: int, cache: Any) -> Window | None:
    """A layer's, with this cache; None for a layer that sees everything."""
    size = sizes[layer] if layer < len(sizes) else None
    return None if size is None else Window(size, any(getattr(cache, "is_sliding", ())))


def grown_mask(selection: Selection, real: Tensor | None, new: int, window: Window | None) -> Tensor:
    """The mask of a layer that goes on with a cut sequence.

    A decoder of several kinds of layers makes the mask of each kind by the first of its kind, which may be cut where
    its first layer is not. This one is made without it.

    Parameters
    ----------
    selection
        Of the whole sequence, grown to what it is now.
    real
        (batch, n), non-zero = no padding, of the whole sequence; None where there is none.
    new
        Columns that are read now.
    window
        What the layer sees; None for everything.

    Returns
    -------
    Tensor
        boolean (batch, 1, new, columns that the layer attends to).
    """
    held = selection.pruned_length if window is None else window.held(selection.pruned_length, new)
    columns = selection.index[:, -held:]
    queries = torch.arange(selection.length - new, selection.length, device=columns.device)[:, None]
    seen = columns[:, None] <= queries
    if window is not None:
        seen = seen & (columns[:, None] > queries - window.size)
    if selection.valid is not None:
        seen = seen & selection.valid[:, None, -held:]
    if real is not None:
        seen = seen & torch.take_along_dim(real.to(columns.device) != 0, columns, 1)[:, None]
    return seen[:, None]


def added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask as what is added to attention logits."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
