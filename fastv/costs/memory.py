"""Bytes by arithmetic: what a model's weights and its KV cache take in memory. Loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from fastv.errors import InvalidBudgetError
from fastv.families.shapes import DecoderShape, ModelShape

DTYPES = ("float32", "bfloat16", "float16", "8bit", "4bit")

_SCALE_BYTES = 4  # quantization scales and the 4-bit code table are stored in float32
_NF4_BLOCK, _NF4_CODES = 64, 16


def kv_cache_bytes(decoder: DecoderShape, lengths: tuple[int, ...], dtype: str) -> int:
    """Bytes of keys and values when layer i holds ``lengths[i]`` positions of one sequence, and of the states of layers
    that keep one instead.
    """
    element = _element_bytes(dtype)
    keys = [0 if kind.recurrent or not kind.kv_matrices else kind.kv_heads * kind.head_dim for kind in decoder.kinds]
    states = [kind.state_bytes(element) for kind in decoder.kinds]
    kinds = [decoder.kind_of(layer) for layer in range(len(lengths))]
    return sum(2 * length * keys[kind] * element + states[kind] for length, kind in zip(lengths, kinds))


def parameter_bytes(shape: ModelShape, dtype: str) -> int:
    """Bytes of the weights in ``dtype``, one of DTYPES.

    "8bit" (int8, one float32 scale per output row) and "4bit" (NF4, one float32 scale per block of 64, scales not
    quantized again) apply to the linear layers inside the decoder's layers; embeddings, norms, lm_head, projector and
    vision tower stay at 16 bits.
    """
    decoder = shape.decoder
    unquantized = shape.parameters - decoder.linear_parameters
    of_kinds = [_linear_bytes(kind.layer_matrices, dtype) for kind in decoder.kinds]
    linear = sum(of_kinds[decoder.kind_of(layer)] for layer in range(decoder.layers))
    return linear + unquantized * _element_bytes(dtype)


def _linear_bytes(matrices: Sequence[tuple[int, int]], dtype: str) -> int:
    """Of the linear layers inside one layer."""
    if dtype == "8bit":
        return sum(rows * columns + _SCALE_BYTES * rows for rows, columns in matrices)
    if dtype == "4bit":
        return sum(
            ceil(rows * columns / 2) + _SCALE_BYTES * (ceil(rows * columns / _NF4_BLOCK) + _NF4_CODES)
            for rows, columns in matrices
        )
    return sum(rows * columns for rows, columns in matrices) * _element_bytes(dtype)


@dataclass(frozen=True)
class WeightCount:
    """How many numbers a model's weights are, where its parts are not known one by one.

    Attributes
    ----------
    linear
        Those of the linear layers inside the decoder's layers, which 8bit and 4bit apply to.
    other
        All others.
    """

    linear: int
    other: int

    def bytes_in(self, dtype: str) -> int:
        """As ``parameter_bytes``, without the scales of 8bit's rows and 4bit's code tables: at most 0.1% less."""
        bits = {"8bit": 8, "4bit": 4 + 8 * _SCALE_BYTES / _NF4_BLOCK}.get(dtype, 8 * _element_bytes(dtype))
        return ceil(self.linear * bits / 8) + self.other * _element_bytes(dtype)


def _element_bytes(dtype: str) -> int:
    """Bytes of one number that is not quantized: 16-bit models keep those at 16 bits, and so do quantized ones."""
    if dtype not in DTYPES:
        raise InvalidBudgetError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}.")
    return 4 if dtype == "float32" else 2
