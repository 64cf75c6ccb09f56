"""The blocks about prefill on a GPU at the sizes of real models, from what ``benchmarks/gpu.py`` recorded."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastv.formatting import percent

_FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "measured"
_RUNS = ("gpu", "gpu-qwen3-vl")


def _record(run: str) -> dict[str, Any]:
    return json.loads((_FOLDER / f"{run}.json").read_text(encoding="utf-8"))


def _prefills(run: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A kernel's name where only one was allowed, and the result of each part that timed prefill."""
    for part in _record(run)["parts"]:
        if part["part"].startswith("prefill ") and part.get("result"):
            yield (", flash kernel" if part["part"].endswith("flash kernel") else ""), part["result"]


def gpu_prefill() -> str:
    """Side by side."""
    headings = ["model", "batch", "setting", "prefill", "speed-up", "of the GPU's busy time", "by FLOPs"]
    lines = [headings, ["---"] * len(headings)]
    for kernel, part in (found for run in _RUNS for found in _prefills(run)):
        for side in part["sides"]:
            if side["k"] is not None and side["r"] < 0.01:
                continue  # all but nothing dropped: the cost of the hooks alone
            name = "no pruning" if side["k"] is None else f"K={side['k']}, R={percent(side['r'])}"
            batch = f"{part['batch']}, padded" if part["padding"] else str(part["batch"])
            ratios = (side["speedup"], side["device_busy_speedup"], side["speedup_by_flops"])
            milliseconds = f"{side['prefill_seconds']['median'] * 1e3:.1f} ms"
            lines.append([part["model"] + kernel, batch, name, milliseconds, *(f"{ratio:.2f}x" for ratio in ratios)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def gpu_setting() -> str:
    """How benchmarks/gpu.py was run."""
    machine = _record(_RUNS[0])["machine"]
    rounds = sorted({len(part["sides"][0]["prefill_seconds"]["runs"]) for run in _RUNS for _, part in _prefills(run)})
    texts, visual = zip(*{(part["text_tokens"], part["visual_tokens"]) for run in _RUNS for _, part in _prefills(run)})
    commands = " and ".join(f"`{_record(run)['command']}`" for run in _RUNS)
    return textwrap.fill(
        f"{machine['device']}, torch {machine['torch']}, transformers {machine['transformers']}, random weights in "
        f"bfloat16, {_range(texts)} text and {_range(visual)} visual tokens; medians of {rounds[-1]} rounds (batch 1) "
        f"and {rounds[0]} rounds in which the sides alternate ({commands}).",
        118,
        break_long_words=False,
        break_on_hyphens=False,
    )


def gpu_summary() -> str:
    """One sentence for README: the usual setting at each batch size without padding."""
    told = []
    for kernel, part in _prefills(_RUNS[0]):
        if not part["padding"] and not kernel:
            (side,) = [side for side in part["sides"] if (side["k"], side["r"]) == (2, 0.5)]
            told.append(f"{side['speedup']:.2f} times as fast at batch {part['batch']} ({part['model']})")
    return f"On {_record(_RUNS[0])['machine']['device']}, prefill at K=2, R=50% was {' and '.join(told)}"


def _range(numbers: tuple[int, ...]) -> str:
    return f"{min(numbers):,}" if len(set(numbers)) == 1 else f"{min(numbers):,} to {max(numbers):,}"


BLOCKS: dict[str, Callable[[], str]] = {
    "gpu-prefill": gpu_prefill,
    "gpu-setting": gpu_setting,
    "gpu-summary": gpu_summary,
}
