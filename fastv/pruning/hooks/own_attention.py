"""What a decoder layer's last query and keys will be, computed from what enters it, before the layer runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.pruning.hooks.reused_keys import ProjectedKeys
from fastv.pruning.hooks.rotation import rotation_of
from fastv.pruning.signals import Attention


@torch.no_grad()
def own_attention(
    layer: nn.Module, attention: nn.Module | None, hidden_states: Tensor, kwargs: Mapping[str, Any]
) -> tuple[Attention, ProjectedKeys]:
    """The last position's query and all keys of a layer, by its own norm, projections and rotary embedding.

    Parameters
    ----------
    layer, attention : nn.Module
        A decoder layer and its attention module.
    hidden_states : Tensor
        (batch, n, width), as they enter the layer; the columns after the prompt, if there are any, left out.
    kwargs : mapping
        The layer's other arguments, for these columns or more.

    Returns
    -------
    Attention
        With ``query`` (batch, heads, 1, width).
    ProjectedKeys
        What its keys were made of, which the layer itself would compute again.

    Raises
    ------
    UnsupportedModelError
        For layers that are not built of ``input_layernorm``, ``q_proj`` and ``k_proj``.
    """
    if attention is None:
        raise InvalidBudgetError(
            "This method ranks tokens by the attention of the layers at which it cuts, and one of them does not attend "
            "in this model. Choose a method that ranks by a layer before, such as fastv."
        )
    parts: list[Any] = [
        getattr(layer, "input_layernorm", None),
        *(getattr(attention, n, None) for n in ("q_proj", "k_proj")),
    ]
    rotate = rotation_of(attention)
    rotation, width = kwargs.get("position_embeddings"), getattr(attention, "head_dim", None)
    if None in parts or rotate is None or width is None or not isinstance(rotation, tuple) or len(rotation) != 2:
        raise UnsupportedModelError(
            f"How {type(layer).__name__} computes queries and keys is not known, so tokens cannot be ranked by them "
            "before it runs. Use a method that ranks by the layer before, such as fastv."
        )
    norm: Any = parts[0]
    length = hidden_states.shape[1]
    entering = norm(hidden_states)
    cos, sin = (part[..., :length, :] for part in rotation)
    query = parts[1](entering[:, -1:])
    if _gated(attention):
        query = query.unflatten(-1, (-1, 2 * width))[..., :width].flatten(-2)
    query = _heads(query, getattr(attention, "q_norm", None), width)
    projected = ProjectedKeys(norm, parts[2], parts[2](entering))
    key = _heads(projected.keys, getattr(attention, "k_norm", None), width)
    # The function turns both, of which one is wanted at a time: the other has no heads.
    query = rotate(query, query[:, :0], cos[..., -1:, :], sin[..., -1:, :])[0]
    key = rotate(key[:, :0], key, cos, sin)[1]
    mask = kwargs.get("attention_mask")
    if mask is not None:
        mask = mask[..., :length] if mask.dim() == 2 else mask[..., :length, :length]
    return Attention(query, key, mask, getattr(attention, "scaling", width**-0.5)), projected


def _gated(attention: Any) -> bool:
    """Whether what makes queries also makes, behind each head's, a gate for what the head brings."""
    out = getattr(attention, "o_proj", None)
    return out is not None and attention.q_proj.out_features == 2 * out.in_features


def _heads(projected: Tensor, norm: Any, width: int) -> Tensor:
    """(batch, heads, n, width): normed where the module does, each head or all of them together."""
    per_head = norm is not None and norm.weight.shape[-1] == width
    if norm is not None and not per_head:
        projected = norm(projected)
    heads = projected.unflatten(-1, (-1, width))
    return (norm(heads) if per_head else heads).transpose(1, 2)
