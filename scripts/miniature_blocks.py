"""Blocks on the miniatures: how often they are right, how they compare, what was found on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastv.costs import configs
from fastv.costs.flops import prefill_flops
from fastv.evidence.findings import findings
from fastv.evidence.layer_findings import layer_findings
from fastv.evidence.measurements import measured
from fastv.families.catalogue import find
from fastv.formatting import percent, points
from scripts.block_parts import table, wrapped

PAIR = ("mini-7", "mini-13")


def _scores(model: str) -> dict[str, dict[str, float]]:
    return json.loads((Path(find(model).source) / "scores.json").read_text(encoding="utf-8"))["scores"]


def miniature_scores() -> str:
    """How often each miniature is right, without pruning, by task."""
    scores = [_scores(model) for model in PAIR]

    def cells(score: dict[str, float]) -> list[str]:
        return [f"{score['share']:.1%}", f"{score['low']:.1%} to {score['high']:.1%}"]

    rows = [[task, *(cell for one in scores for cell in cells(one[task]))] for task in scores[0]]
    return table(["task", PAIR[0], "95% interval", PAIR[1], "95% interval"], rows)


def miniature_accuracy() -> str:
    """``94.5% (mini-7) and 95.5% (mini-13) of 12,000 questions``"""
    scores = [_scores(model)["all"] for model in PAIR]
    told = " and ".join(f"{score['share']:.1%} ({model})" for model, score in zip(PAIR, scores, strict=True))
    return f"{told} of {scores[0]['asked']:,} questions"


def _flops_ratio(**prompt: Any) -> str:
    small, large = (prefill_flops(configs.shape_of(model), r=0.0, **prompt) for model in PAIR)
    return f"{large / small:.2f}"


def paper_pair_ratio() -> str:
    """The 13B at K=2, R=50%, beside the 7B: in total, by the paper's formula."""
    large, small = configs.shape_of("llava-1.5-13b"), configs.shape_of("llava-1.5-7b")
    return percent(prefill_flops(large, k=2, r=0.5) / prefill_flops(small, r=0.0))


def measured_findings() -> str:
    """One bullet for each finding."""
    return "\n".join(wrapped(f"- **{one.question}** {one.sentence}", "  ") for one in findings())


def layer_sentences() -> str:
    """One bullet for each finding about layers."""
    return "\n".join(wrapped(f"- **{one.question}** {one.sentence}", "  ") for one in layer_findings())


def finding_details() -> str:
    """The numbers behind the findings."""
    return "\n".join(wrapped(f"- *{one.question}* {one.detail}", "  ") for one in findings() if one.detail)


def describe_change() -> str:
    """What K=2, R=50% changes in descriptions."""
    told = []
    for model in PAIR:
        record = measured(model)
        assert record is not None
        point = record.point(2, 0.5)
        assert point is not None
        told.append(f"{points(record.change(point, 'describe').share)} points on {model}")
    return " and ".join(told)


BLOCKS: dict[str, Callable[[], str]] = {
    "miniature-scores": miniature_scores,
    "miniature-accuracy": miniature_accuracy,
    "miniature-layer-ratio": lambda: _flops_ratio(text_tokens=1, visual_tokens=0),
    "miniature-prompt-ratio": _flops_ratio,
    "paper-pair-ratio": paper_pair_ratio,
    "findings": measured_findings,
    "finding-details": finding_details,
    "layer-findings": layer_sentences,
    "describe-change": describe_change,
}
