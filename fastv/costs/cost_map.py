"""The plane of all (K, R): what each point costs, where it meets another model's cost, and where FLOPs go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fastv.costs.decoder_layers import layer_flops
from fastv.costs.roofline import memory_bytes
from fastv.costs.solver import Workload
from fastv.errors import InvalidBudgetError
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape


@dataclass(frozen=True)
class Measure:
    """Something that can be mapped. ``convention`` is None for bytes, ``unit`` "FLOPs" or "bytes"."""

    title: str
    unit: str
    convention: str | None = None


MEASURES = {
    "prefill-paper": Measure("Prefill FLOPs, paper's formula", "FLOPs", "paper"),
    "prefill-exact": Measure("Prefill FLOPs, exact", "FLOPs", "exact"),
    "answer": Measure("FLOPs of prompt and answer, exact", "FLOPs", "exact"),
    "kv-cache": Measure("KV cache", "bytes"),
    "memory": Measure("Memory, estimated", "bytes"),
}
ROWS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 36)
COLUMNS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)


def amount(config: Any, workload: Workload, measure: str, k: int | None, r: float) -> float:
    """FLOPs or bytes of one point. Raises InvalidBudgetError."""
    if measure not in MEASURES:
        raise InvalidBudgetError(f"A map shows one of {', '.join(MEASURES)}, not {measure!r}.")
    shape = read_shape(config)
    figures = workload.cost(shape, k, r, MEASURES[measure].convention or "exact")
    if measure == "memory":
        return float(memory_bytes(shape, workload, figures))
    return float(
        {
            "prefill-paper": figures.prefill_flops,
            "prefill-exact": figures.prefill_flops,
            "answer": figures.total_flops,
            "kv-cache": figures.kv_cache_bytes,
        }[measure]
    )


@dataclass(frozen=True)
class Grid:
    """``values[i][j]`` belongs to ``rows[i]`` (K) and ``columns[j]`` (R); None where nothing is known."""

    rows: tuple[int, ...]
    columns: tuple[float, ...]
    values: tuple[tuple[float | None, ...], ...]


def rows_for(shape: ModelShape) -> tuple[int, ...]:
    """The K of a map: every layer at first, where it matters most, then wider apart."""
    return tuple(k for k in ROWS if k < shape.decoder.layers)


@lru_cache(maxsize=64)
def cost_grid(shape: ModelShape, workload: Workload, measure: str) -> Grid:
    """FLOPs or bytes of the whole map."""
    rows = rows_for(shape)
    return Grid(rows, COLUMNS, tuple(tuple(amount(shape, workload, measure, k, r) for r in COLUMNS) for k in rows))


def contour(grid: Grid, level: float) -> tuple[tuple[int, float], ...]:
    """(K, R) where each row of the map crosses ``level``, straight between columns; rows that never do are left out."""
    crossings = []
    for k, values in zip(grid.rows, grid.values):
        for index in range(len(values) - 1):
            here, there = values[index], values[index + 1]
            if here is not None and there is not None and here >= level > there:
                share = (here - level) / (here - there)
                crossings.append((k, grid.columns[index] + share * (grid.columns[index + 1] - grid.columns[index])))
                break
    return tuple(crossings)


@dataclass(frozen=True)
class Part:
    """One part of a run and its FLOPs (``exact``) without and with FastV."""

    name: str
    baseline_flops: float
    fastv_flops: float


def breakdown(config: Any, workload: Workload, k: int, r: float) -> tuple[Part, ...]:
    """Where the FLOPs of prompt and answer go. The parts add up to ``total_flops`` of either run."""
    before = workload.cost(config, None, 0.0, "exact")
    after = workload.cost(config, k, r, "exact")
    # The layers before K read the same prompt in both runs.
    decoder, tokens = read_shape(config).decoder, workload.text_tokens + workload.visual_tokens
    each = [layer_flops(kind, tokens, False)[0] for kind in decoder.kinds]
    early_attention = workload.batch * sum(each[decoder.kind_of(layer)] for layer in range(k))
    early_ffn = sum(before.layer_flops[:k]) - early_attention
    return (
        Part("Vision tower", before.vision_tower_flops, after.vision_tower_flops),
        Part("Projector", before.projector_flops, after.projector_flops),
        Part("Layers before K: attention", early_attention, early_attention),
        Part("Layers before K: FFN", early_ffn, early_ffn),
        Part(
            "Layers from K on: attention",
            before.attention_flops - early_attention,
            after.attention_flops - early_attention,
        ),
        Part("Layers from K on: FFN", before.ffn_flops - early_ffn, after.ffn_flops - early_ffn),
        Part("lm_head", before.lm_head_flops, after.lm_head_flops),
        Part("Decode steps", before.decode_flops, after.decode_flops),
    )
