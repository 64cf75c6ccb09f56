"""FLOPs of one decoder layer, in either convention (see ``flops``)."""

from __future__ import annotations

from fastv.families.shapes import DecoderShape


def attention_flops(decoder: DecoderShape, queries: float, keys: float, paper: bool) -> float:
    """One layer's attention, projections included: ``queries`` new tokens, each attending to ``keys`` positions; of a
    layer that keeps a state instead, what takes the place of attention.
    """
    if decoder.recurrent:
        return decoder.recurrence_flops(queries, paper)
    if paper:
        return 4.0 * queries * decoder.width**2 + 2.0 * queries * keys * decoder.width
    heads, kv = decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    rows = (2 + decoder.gated) * heads + decoder.kv_matrices * kv
    return 2.0 * queries * decoder.width * rows + 4.0 * queries * keys * heads


def mean_keys(length: float, steps: int, window: int) -> float:
    """How many positions decode steps attend to on average (with no steps: the first one) after a prompt of ``length``:
    one more at each step, up to a window.
    """
    steps = max(steps, 1)
    if not window:
        return length + (1 + steps) / 2
    growing = min(max(int(window - length), 0), steps)
    return (growing * (length + (1 + growing) / 2) + (steps - growing) * window) / steps


def ffn_flops(decoder: DecoderShape, tokens: float, paper: bool) -> float:
    if paper:
        return 2.0 * tokens * decoder.width * decoder.ffn_width * decoder.working_ffns
    width = decoder.ffn_width * decoder.ffn_matrices * decoder.working_ffns + decoder.experts  # a row for each expert
    width += decoder.dense_width * decoder.ffn_matrices + decoder.gated_dense + 2 * decoder.side_width
    return 2.0 * tokens * decoder.width * width


def layer_flops(decoder: DecoderShape, length: float, paper: bool) -> tuple[float, float]:
    """Of attention and FFN of a layer that reads a prompt of ``length`` tokens."""
    queries = length if decoder.kv_matrices or paper else 1.0
    return attention_flops(decoder, queries, length, paper), ffn_flops(decoder, queries, paper)
