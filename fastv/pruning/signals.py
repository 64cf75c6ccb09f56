"""What a method may look at when it chooses, collected by the engine while the model runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

#: Queries and keys of decoder layer ``k - 1``, where its own kernel computes them.
ATTENTION = "attention"

#: What a method may read, as a person reads it.
SIGNALS = {ATTENTION: "queries and keys of decoder layer K - 1"}


class Attention(NamedTuple):
    """The inputs of one layer's attention kernel, for the prompt's own columns.

    Parameters
    ----------
    query : Tensor
        (batch, heads, n, width), after the rotary embedding.
    key : Tensor
        (batch, kv_heads, n, width), after the rotary embedding.
    mask : Tensor or None
        As the kernel got it; see ``scorers.attention_rows``.
    scaling : float
        What the products are multiplied by.
    """

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scaling: float


@dataclass(frozen=True)
class Signals:
    """The signals that a method ``reads``; None for the others."""

    attention: Attention | None = None
