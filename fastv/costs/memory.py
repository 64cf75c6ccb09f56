"""Bytes by arithmetic: what a model's weights and its KV cache take in memory. Loads nothing."""

from __future__ import annotations

from math import ceil

from fastv.costs.vision import projector_parameters, tower_parameters
from fastv.errors import InvalidBudgetError
from fastv.families.shapes import DecoderShape, Shape

DTYPES = ("float32", "bfloat16", "float16", "8bit", "4bit")

_SCALE_BYTES = 4  # quantization scales and the 4-bit code table are stored in float32
_NF4_BLOCK, _NF4_CODES = 64, 16


def kv_cache_bytes(decoder: DecoderShape, lengths: tuple[int, ...], dtype: str) -> int:
    """Bytes of keys and values when layer i holds ``lengths[i]`` positions of one sequence."""
    return 2 * sum(lengths) * decoder.kv_heads * decoder.head_dim * _element_bytes(dtype)


def parameter_count(shape: Shape) -> int:
    """Number of weights of the whole model, tied ones once."""
    layer = sum(rows * columns for rows, columns in _matrices(shape.decoder))
    return shape.decoder.layers * layer + _unquantized(shape)


def parameter_bytes(shape: Shape, dtype: str) -> int:
    """Bytes of the weights in ``dtype``, one of DTYPES.

    "8bit" (int8, one float32 scale per output row) and "4bit" (NF4, one float32 scale per block of 64, scales not
    quantized again) apply to the linear layers inside the decoder's layers; embeddings, norms, lm_head, projector and
    vision tower stay at 16 bits.
    """
    matrices = _matrices(shape.decoder)
    if dtype == "8bit":
        linear = sum(rows * columns + _SCALE_BYTES * rows for rows, columns in matrices)
    elif dtype == "4bit":
        linear = sum(
            ceil(rows * columns / 2) + _SCALE_BYTES * (ceil(rows * columns / _NF4_BLOCK) + _NF4_CODES)
            for rows, columns in matrices
        )
    else:
        linear = sum(rows * columns for rows, columns in matrices) * _element_bytes(dtype)
    return shape.decoder.layers * linear + _unquantized(shape) * _element_bytes(dtype)


def _element_bytes(dtype: str) -> int:
    """Bytes of one number that is not quantized: 16-bit models keep those at 16 bits, and so do quantized ones."""
    if dtype not in DTYPES:
        raise InvalidBudgetError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}.")
    return 4 if dtype == "float32" else 2


def _matrices(decoder: DecoderShape) -> list[tuple[int, int]]:
    """(output, input) sizes of the linear layers inside one decoder layer: the weights that may be quantized."""
    width, attention, kv = decoder.width, decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    projections = [(attention, width), (kv, width), (kv, width), (width, attention)]
    return projections + [(decoder.ffn_width, width)] * (decoder.ffn_matrices - 1) + [(width, decoder.ffn_width)]


def _unquantized(shape: Shape) -> int:
    """Weights outside those linear layers: embeddings, lm_head, norms, biases, projector, vision tower."""
    decoder = shape.decoder
    embeddings = decoder.vocabulary * decoder.width * (1 if decoder.tied_embeddings else 2)
    norms = (2 * decoder.layers + 1) * decoder.width
    biases = 0
    if decoder.attention_bias:
        biases += (decoder.heads + 2 * decoder.kv_heads) * decoder.head_dim
    if decoder.output_bias:
        biases += decoder.width
    if decoder.ffn_bias:
        biases += (decoder.ffn_matrices - 1) * decoder.ffn_width + decoder.width
    return (
        embeddings
        + norms
        + decoder.layers * biases
        + (tower_parameters(shape.vision) if shape.vision else 0)
        + (projector_parameters(shape.projector, decoder.width) if shape.projector else 0)
    )
