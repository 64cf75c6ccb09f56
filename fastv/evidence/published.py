"""The literature's numbers, as typed rows read from assets/published/ (its README names the sources and the columns).

Nothing measured by this project goes in here. ``k`` is None in the rows of models without FastV.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import TypeVar, get_type_hints

from fastv.paths import ASSETS

FOLDER = ASSETS / "published"

#: Score columns of ``TableOneRow`` and the benchmark and unit each stands for.
TABLE1_BENCHMARKS = {
    "nocaps_cider": "Nocaps (CIDEr)",
    "flickr30k_cider": "Flickr30k (CIDEr)",
    "aokvqa_acc": "A-OKVQA (accuracy, %)",
    "mmmu_acc": "MMMU (accuracy, %)",
    "average": "Average of the four (Nocaps, Flickr30k, A-OKVQA, MMMU)",
}
#: Score columns of ``VideoRow``; fractions, as printed.
VIDEO_BENCHMARKS = {
    "tgif_acc": "TGIF (accuracy, fraction)",
    "msvd_acc": "MSVD (accuracy, fraction)",
    "msrvtt_acc": "MSRVTT (accuracy, fraction)",
    "average": "Average of the three (TGIF, MSVD, MSRVTT)",
}

Row = TypeVar("Row")


@dataclass(frozen=True)
class TableOneRow:
    """The paper's Table 1. ``flops_per_layer_b``: billions, the paper's formula, average of one decoder layer."""

    model: str
    k: int | None
    r: float
    flops_per_layer_b: float
    flops_ratio: float
    nocaps_cider: float
    flickr30k_cider: float
    aokvqa_acc: float
    mmmu_acc: float
    average: float


@dataclass(frozen=True)
class LatencyRow:
    """Seconds to the first token, and GPU memory in the source's GB, on A-OKVQA (accuracy in percent)."""

    source: str
    device: str
    model: str
    precision: str
    k: int | None
    r: float
    aokvqa_acc: float
    first_token_seconds: float
    gpu_memory_gb: float


@dataclass(frozen=True)
class VideoRow:
    """The paper's video question answering; accuracies are fractions."""

    model: str
    visual_tokens: int
    k: int | None
    r: float
    flops_ratio: float
    tgif_acc: float
    msvd_acc: float
    msrvtt_acc: float
    average: float


@dataclass(frozen=True)
class LmmsEvalRow:
    """One benchmark under lmms-eval without and with FastV, in the benchmark's own unit."""

    source: str
    model: str
    k: int | None
    r: float
    benchmark: str
    baseline_score: float
    fastv_score: float


@dataclass(frozen=True)
class AttentionRow:
    """The paper's Fig. 3: shares of the attention that the answer's tokens pay to each part, means over layers.

    ``layers`` is "first 2" or "others"; ``question`` is the paper's instruction, ``answer`` its output.
    """

    model: str
    samples: int
    layers: str
    system: float
    image: float
    question: float
    answer: float


def table1() -> tuple[TableOneRow, ...]:
    return _read("fastv_table1.csv", TableOneRow)


def latency() -> tuple[LatencyRow, ...]:
    return _read("fastv_latency.csv", LatencyRow)


def video() -> tuple[VideoRow, ...]:
    return _read("fastv_video.csv", VideoRow)


def lmms_eval() -> tuple[LmmsEvalRow, ...]:
    return _read("fastv_lmms_eval.csv", LmmsEvalRow)


def attention_shares() -> tuple[AttentionRow, ...]:
    return _read("fastv_attention.csv", AttentionRow)


@cache
def _read(name: str, row_type: type[Row]) -> tuple[Row, ...]:
    """Rows of one file. Raises ValueError, naming file and line, where columns or values are not the row type's."""
    kinds = get_type_hints(row_type)
    expected = list(kinds)  # a dataclass's fields, in their order
    with open(FOLDER / name, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if table.fieldnames != expected:
            raise ValueError(f"{name}: columns are {table.fieldnames}, expected {expected}.")
        rows = []
        for record in table:
            try:
                rows.append(row_type(**{column: _value(text, kinds[column]) for column, text in record.items()}))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{name}, line {table.line_num}: {error}") from error
    return tuple(rows)


def _value(text: str, kind: type) -> str | int | float | None:
    if kind == int | None:
        return int(text) if text else None
    return kind(text)
