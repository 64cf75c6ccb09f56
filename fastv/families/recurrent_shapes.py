"""Sizes of decoders in which some layers keep a state of what they read, in place of keys and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

from fastv.families.config_fields import size
from fastv.families.layer_kinds import RECURRENT
from fastv.families.shapes import DecoderShape

_CHUNK = 64  # tokens that kernels of the gated delta rule read at a time; the last chunk is filled up
_STATE_BYTES = 4  # of a number in the state, which stays float32 whatever the model is held in
_MOST_LAYERS = 10_000  # more than any model has: configs may be anyone's


@dataclass(frozen=True)
class RecurrentShape(DecoderShape):
    """A layer that keeps a state: what takes the place of attention in it."""

    @property
    def recurrent(self) -> bool:
        return True

    @property
    def own_parameters(self) -> int:
        """Weights outside the layer's matrices, its norms of the width and its experts."""
        return 0


@dataclass(frozen=True)
class LinearAttentionShape(RecurrentShape):
    """A layer of linear attention by the gated delta rule, behind a short convolution of each channel.

    Each value head keeps a state of ``key_width`` x ``value_width`` numbers, and several may share a key head.

    References
    ----------
    S. Yang, J. Kautz and A. Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta Rule", ICLR 2025.
    """

    key_heads: int = 0
    key_width: int = 0
    value_heads: int = 0
    value_width: int = 0
    kernel: int = 0

    @property
    def channels(self) -> int:
        """That the convolution reads: queries, keys and values."""
        return 2 * self.key_heads * self.key_width + self.value_heads * self.value_width

    @property
    def mixing_matrices(self) -> list[tuple[int, int]]:
        values = self.value_heads * self.value_width
        rows = (self.channels, values, self.value_heads, self.value_heads)  # the gate; how much to write, and to forget
        return [*((count, self.width) for count in rows), (self.width, values)]

    @property
    def own_parameters(self) -> int:
        """Those of convolution, decay and norm."""
        return self.channels * self.kernel + 2 * self.value_heads + self.value_width

    def recurrence_flops(self, tokens: float, paper: bool) -> float:
        """FLOPs of the layer's mixing, projections included. One token is read by the recurrence itself: three products
        of state and vector for each value head. More are read in chunks, whose tokens see each other by products of
        matrices (the triangular system that each chunk solves, some 0.1% of a layer, is not counted).
        """
        state = self.key_width * self.value_width * self.value_heads
        if paper:
            return 4.0 * tokens * self.width**2 + 3.0 * tokens * state
        linear = sum(rows * columns for rows, columns in self.mixing_matrices) + self.channels * self.kernel
        if tokens <= 1:
            return 2.0 * tokens * (linear + 3 * state)
        within = _CHUNK * self.value_heads * (2 * self.key_width + self.value_width)
        return 2.0 * (tokens * linear + ceil(tokens / _CHUNK) * _CHUNK * (3 * state + within))

    def state_bytes(self, element_bytes: int) -> int:
        state = self.key_width * self.value_width * self.value_heads
        return state * _STATE_BYTES + self.channels * self.kernel * element_bytes


@dataclass(frozen=True)
class ShortConvolutionShape(RecurrentShape):
    """A layer in which each channel is convolved over the last ``kernel`` tokens, between two gates, as in LFM2.

    convolution_bias: of the convolution and of the matrices around it.
    """

    kernel: int = 0
    convolution_bias: bool = False

    @property
    def mixing_matrices(self) -> list[tuple[int, int]]:
        return [(3 * self.width, self.width), (self.width, self.width)]

    @property
    def own_parameters(self) -> int:
        return self.kernel * self.width + 5 * self.width * self.convolution_bias

    def recurrence_flops(self, tokens: float, paper: bool) -> float:
        return (1.0 if paper else 2.0) * tokens * self.width * (4 * self.width + self.kernel)

    def state_bytes(self, element_bytes: int) -> int:
        return self.width * self.kernel * element_bytes


@dataclass(frozen=True)
class HybridDecoderShape(DecoderShape):
    """Layers that attend as the base class has them, and beside them layers that keep a state.

    recurring: which layers these are, over and over again. state_layer: one of them.
    """

    recurring: tuple[bool, ...] = (False,)
    state_layer: RecurrentShape | None = None

    @cached_property
    def kinds(self) -> tuple[DecoderShape, ...]:
        attending = DecoderShape(**_fields(self))
        return (attending,) if self.state_layer is None else (attending, self.state_layer)

    def kind_of(self, layer: int) -> int:
        return int(self.recurring[layer % len(self.recurring)])

    @property
    def other_parameters(self) -> int:
        attending = self.kinds[0]
        recurring = sum(self.kind_of(layer) for layer in range(self.layers))
        own = self.state_layer.own_parameters if self.state_layer else 0
        each = self.layer_norms * self.width + own + self.expert_parameters
        return replace(attending, layers=self.layers - recurring).other_parameters + recurring * each


def _fields(shape: DecoderShape) -> dict[str, Any]:
    """What every decoder has."""
    return {name: getattr(shape, name) for name in DecoderShape.__dataclass_fields__}


def hybrid(settings: Mapping[str, Any], plain: DecoderShape) -> HybridDecoderShape:
    """The decoder in a ``text_config`` of Qwen3.5's kind; plain: what its attending layers are."""
    listed = settings.get("layer_types")
    if isinstance(listed, list) and listed:
        recurring = tuple(kind in RECURRENT for kind in listed[:_MOST_LAYERS])
    else:
        interval = size(settings, "full_attention_interval", 4)
        recurring = tuple(bool((layer + 1) % interval) for layer in range(min(plain.layers, _MOST_LAYERS)))
    linear = LinearAttentionShape(
        **_fields(plain),
        key_heads=size(settings, "linear_num_key_heads", 16),
        key_width=size(settings, "linear_key_head_dim", 128),
        value_heads=size(settings, "linear_num_value_heads", 32),
        value_width=size(settings, "linear_value_head_dim", 128),
        kernel=size(settings, "linear_conv_kernel_dim", 4),
    )
    return HybridDecoderShape(**_fields(plain), recurring=recurring, state_layer=linear)


def convolving(settings: Mapping[str, Any], plain: DecoderShape) -> HybridDecoderShape:
    """The decoder in a ``text_config`` of LFM2's kind; plain: what its attending layers are."""
    listed = settings.get("layer_types")
    if isinstance(listed, list) and listed:
        recurring = tuple(kind in RECURRENT for kind in listed[:_MOST_LAYERS])
    else:
        layers, given = range(min(plain.layers, _MOST_LAYERS)), settings.get("full_attn_idxs")
        attending = given if isinstance(given, list) else layers  # as its config class has it
        recurring = tuple(layer not in attending for layer in layers)
    convolution = ShortConvolutionShape(
        **_fields(plain),
        kernel=size(settings, "conv_L_cache", 3),
        convolution_bias=bool(settings.get("conv_bias")),
    )
    return HybridDecoderShape(**_fields(plain), recurring=recurring, state_layer=convolution)
