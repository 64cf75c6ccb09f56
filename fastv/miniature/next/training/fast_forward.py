"""Forward passes for training: the transformers models' own weights and results, with far fewer and larger operations.

Weights stay in float32 and are cast where they are used, so that one set of parameters serves bfloat16 training and
saving. The layer functions take tensors only: compiled once, they serve all layers of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, layer_norm, linear, rms_norm, scaled_dot_product_attention, silu

LayerFunction = Callable[..., Tensor]


@dataclass(frozen=True)
class Kernels:
    """The functions that compute one layer: plain or compiled."""

    decoder: LayerFunction
    tower: LayerFunction

    @classmethod
    def plain(cls) -> Kernels:
        return cls(decoder_layer, tower_layer)

    @classmethod
    def compiled(cls) -> Kernels:
        return cls(
            torch.compile(decoder_layer, fullgraph=True, dynamic=False),
            torch.compile(tower_layer, fullgraph=True, dynamic=False),
        )


def decoder_layer(
    hidden: Tensor,
    attention: tuple[Tensor, Tensor, Tensor, Tensor],
    feed_forward: tuple[Tensor, Tensor, Tensor],
    norms: tuple[Tensor, Tensor],
    rotary: tuple[Tensor, Tensor],
    visible: Tensor,
    head_dim: int,
    epsilon: float,
) -> Tensor:
    """One LLaMA layer over pictures with packed questions.

    Parameters
    ----------
    hidden : (batch, n, width)
        The first ``prefix`` tokens (opening and picture) attend causally; the others by ``visible``.
    attention, feed_forward, norms
        Weights: q, k, v, o; gate, up, down; before attention, before the feed-forward.
    rotary : cosines and sines, (batch, 1, n, head_dim) each
    visible : (batch, 1, n - prefix, n)
        Added to the scores: 0 where a token may look, else minus infinity.
    """
    kind, (batch, length, _) = hidden.dtype, hidden.shape
    prefix = length - visible.shape[2]
    q, k, v, o = (weight.to(kind) for weight in attention)
    gate, up, down = (weight.to(kind) for weight in feed_forward)
    before, after = (weight.to(kind) for weight in norms)
    normed = rms_norm(hidden, (hidden.shape[-1],), before, epsilon)
    heads = linear(normed, torch.cat([q, k, v])).view(batch, length, 3, -1, head_dim).permute(2, 0, 3, 1, 4)
    query, key, value = heads.unbind(0)
    query, key = rotated(query, *rotary), rotated(key, *rotary)
    picture = scaled_dot_product_attention(
        query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], is_causal=True
    )
    text = scaled_dot_product_attention(query[:, :, prefix:], key, value, attn_mask=visible)
    attended = torch.cat([picture, text], 2).transpose(1, 2).reshape(batch, length, -1)
    hidden = hidden + linear(attended, o)
    normed = rms_norm(hidden, (hidden.shape[-1],), after, epsilon)
    return hidden + linear(silu(linear(normed, gate)) * linear(normed, up), down)


def rotated(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Queries or keys (batch, heads, n, head_dim), turned by their positions."""
    first, second = heads.chunk(2, -1)
    return heads * cosine + torch.cat([-second, first], -1) * sine


def decoder_states(
    model: Any, hidden: Tensor, rotary: tuple[Tensor, Tensor], visible: Tensor, layer: LayerFunction
) -> Iterator[Tensor]:
    """The hidden states after each layer of a LlamaModel, then those after its last norm."""
    config = model.config
    for block in model.layers:
        attention, mlp = block.self_attn, block.mlp
        hidden = layer(
            hidden,
            (attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight, attention.o_proj.weight),
            (mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight),
            (block.input_layernorm.weight, block.post_attention_layernorm.weight),
            rotary,
            visible,
            config.head_dim,
            config.rms_norm_eps,
        )
        yield hidden
    yield rms_norm(hidden, (hidden.shape[-1],), model.norm.weight.to(hidden.dtype), config.rms_norm_eps)


def rotary_table(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """positions: int64 (batch, n) -> cosines and sines (batch, 1, n, head_dim)."""
    powers = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions[:, None, :, None].float() * theta**-powers
    angles = torch.cat([angles, angles], -1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def tower_layer(
    hidden: Tensor,
    attention: tuple[Tensor, ...],
    feed_forward: tuple[Tensor, ...],
    norms: tuple[Tensor, ...],
    heads: int,
    epsilon: float,
) -> Tensor:
    """One CLIP layer; weights each followed by its bias: q, k, v, out; first, second; before attention, before the
    MLP.
    """
    kind, (batch, length, width) = hidden.dtype, hidden.shape
    q, q_bias, k, k_bias, v, v_bias, out, out_bias = (weight.to(kind) for weight in attention)
    first, first_bias, second, second_bias = (weight.to(kind) for weight in feed_forward)
    before, before_bias, after, after_bias = (weight.to(kind) for weight in norms)
    normed = layer_norm(hidden, (width,), before, before_bias, epsilon)
    mixed = linear(normed, torch.cat([q, k, v]), torch.cat([q_bias, k_bias, v_bias]))
    query, key, value = mixed.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, length, width)
    hidden = hidden + linear(attended, out, out_bias)
    normed = linear(layer_norm(hidden, (width,), after, after_bias, epsilon), first, first_bias)
    return hidden + linear(normed * torch.sigmoid(1.702 * normed), second, second_bias)


def tower_states(tower: Any, pixels: Tensor, layer: LayerFunction) -> list[Tensor]:
    """Hidden states of a CLIP vision tower before its first and after each layer, (batch, 1 + patches, width)."""
    config, kind = tower.config, pixels.dtype
    embeddings = tower.embeddings
    patches = conv2d(pixels, embeddings.patch_embedding.weight.to(kind), stride=config.patch_size)
    patches = patches.flatten(2).transpose(1, 2)
    whole = embeddings.class_embedding.to(kind).expand(len(patches), 1, -1)
    hidden = torch.cat([whole, patches], 1) + embeddings.position_embedding.weight.to(kind)
    norm = tower.pre_layrnorm
    hidden = layer_norm(hidden, (hidden.shape[-1],), norm.weight.to(kind), norm.bias.to(kind), config.layer_norm_eps)
    states = [hidden]
    for block in tower.encoder.layers:
        attention, mlp = block.self_attn, block.mlp
        states.append(
            layer(
                states[-1],
                _with_bias(attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj),
                _with_bias(mlp.fc1, mlp.fc2),
                _with_bias(block.layer_norm1, block.layer_norm2),
                config.num_attention_heads,
                config.layer_norm_eps,
            )
        )
    return states


def _with_bias(*modules: Any) -> tuple[Tensor, ...]:
    return tuple(part for module in modules for part in (module.weight, module.bias))
