"""What a method may look at when it chooses, collected by the engine while the model runs.

L is the layer on entering which a cut is made. All signals stand in the columns of the sequence as it is then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

ATTENTION = "attention"
UNROTATED = "unrotated"
STATES = "states"
EARLIER_STATES = "earlier_states"
EMBEDDINGS = "embeddings"
OWN_ATTENTION = "own_attention"
TOWER = "tower"

#: What a method may read, as a person reads it.
SIGNALS = {
    ATTENTION: "queries and keys of decoder layer K - 1",
    UNROTATED: "the last token's query and all keys of decoder layer K - 1, before the rotary embedding",
    OWN_ATTENTION: "the last token's query and all keys of decoder layer K, computed before it runs",
    STATES: "hidden states entering decoder layer K",
    EARLIER_STATES: "hidden states entering decoder layer K - 1",
    EMBEDDINGS: "hidden states entering decoder layer 0",
    TOWER: "attention and keys of the vision tower's layer whose output the model uses",
}

#: Those of layer L - 1, which do not exist for L = 0.
OF_THE_LAYER_BEFORE = (ATTENTION, UNROTATED, EARLIER_STATES)


class Attention(NamedTuple):
    """The inputs of one layer's attention kernel, for the prompt's own columns.

    Parameters
    ----------
    query : Tensor
        (batch, heads, n, width), after the rotary embedding; in ``Signals.unrotated`` (batch, heads, 1, width), of the
        prompt's last token alone, and before it.
    key : Tensor
        (batch, kv_heads, n, width), like query.
    mask : Tensor or None
        As the kernel got it; see ``scorers.attention_rows``.
    scaling : float
        What the products are multiplied by.
    """

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scaling: float


class Tower(NamedTuple):
    """What the observed layer of the vision tower says of each visual token; merged alike where patches are merged.

    Parameters
    ----------
    attention : Tensor
        float32 (batch, n_visual): the attention that [CLS] pays to it, or, in towers without one, the mean attention it
        receives from its picture's patches; averaged over heads.
    keys : Tensor
        (batch, n_visual, width): the layer's keys, all heads side by side.
    has_cls : bool
        Whether the tower has a [CLS] token.
    heads : int
        How many heads the keys have.
    """

    attention: Tensor
    keys: Tensor
    has_cls: bool
    heads: int


@dataclass(frozen=True)
class Signals:
    """The signals that a method ``reads_at`` a cut; None for the others.

    Parameters
    ----------
    attention, unrotated : Attention or None
        Of layer L - 1.
    own_attention : Attention or None
        Of layer L, for what enters it; ``query`` is (batch, heads, 1, width), of the prompt's last token alone.
    states, earlier_states, embeddings : Tensor or None
        (batch, n, width): hidden states entering layer L (for L = 0 what the decoder is given), layer L - 1, layer 0.
    tower : Tower or None
        Of the vision tower.
    """

    attention: Attention | None = None
    unrotated: Attention | None = None
    own_attention: Attention | None = None
    states: Tensor | None = None
    earlier_states: Tensor | None = None
    embeddings: Tensor | None = None
    tower: Tower | None = None
