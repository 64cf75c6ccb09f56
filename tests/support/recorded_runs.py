"""Records as a sweep writes them, of a made-up model, for tests of what reads them. The numbers mean nothing."""

from __future__ import annotations

import random
from typing import Any

from fastv.evidence.measurements import packed

TASKS = ("exists", "where", "count")


def record(
    model: str,
    *,
    questions: int = 200,
    right: float = 0.8,
    lost: dict[tuple, float] | None = None,
    layers: int = 8,
    rs: tuple[float, ...] = (0.5, 0.9),
    device: str = "a processor",
) -> dict[str, Any]:
    """lost: (K, R, ranking) -> the share of the right answers lost there; 0 elsewhere."""
    rng = random.Random(model)
    unpruned = [rng.random() < right for _ in range(questions)]
    points = [_point(None, 0.0, None, unpruned, layers)]
    for k in (0, 1, 2):
        for r in rs:
            for method in ("fastv", "fastv_mean", "random") if k else ("random",):
                share = (lost or {}).get((k, r, method), 0.0)
                marks = [mark and index % 100 >= 100 * share for index, mark in enumerate(unpruned)]
                points.append(_point(k, r, method, marks, layers))
    return {
        "model": model,
        "command": "made up",
        "weights": "none",
        "machine": {"device": device, "threads": 1},
        "dtype": "float32",
        "layers": layers,
        "task_names": list(TASKS),
        "tasks": "".join(str(index % len(TASKS)) for index in range(questions)),
        "visual_tokens": 576,
        "text_tokens": 24.0,
        "repeats": 3,
        "points": points,
    }


def _point(k: int | None, r: float, method: str | None, marks: list[bool], layers: int) -> dict[str, Any]:
    """FLOPs and seconds fall in proportion to the tokens that the layers read."""
    share = 1.0 if k is None else (k + (layers - k) * (1 - r)) / layers
    flops = round(1e9 * layers * share)
    return {
        "k": k,
        "r": r,
        "method": method,
        "answer_tokens": 2.0,
        "prefill_flops": flops + 10**9,
        "total_flops": flops + 2 * 10**9,
        "paper_prefill_flops": flops,
        "paper_total_flops": flops + 10**9,
        "seconds": [0.01 * layers * share] * 3,
        "unpruned_seconds": [0.01 * layers] * 3,
        "right": packed(marks),
    }
