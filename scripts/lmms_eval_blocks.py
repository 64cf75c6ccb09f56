"""The generated blocks of docs/lmms-eval.md: a recorded run, and the paper's numbers beside commands."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastv.evidence import published

ROOT = Path(__file__).resolve().parents[1]
#: The paper's benchmarks in lmms-eval: label, task, and the score column of its Table 1.
TASKS = (
    ("Nocaps, CIDEr", "nocaps_val", "nocaps_cider"),
    ("Flickr30k, CIDEr", "flickr30k_test", "flickr30k_cider"),
    ("MMMU, accuracy", "mmmu_val", "mmmu_acc"),
)
#: Benchmarks of the official README's table -> task.
README_TASKS = {
    "Nocaps": "nocaps_val",
    "COCO-2014": "coco2014_cap_val",
    "COCO-2017": "coco2017_cap_val",
    "Flickr30k": "flickr30k_test",
    "GQA": "gqa",
    "SEED-image": "seedbench",
    "MMMU": "mmmu_val",
    "MME-cognition": "mme",
    "MME-perception": "mme",
}
_MODEL = "llava-1.5-7b"


@lru_cache
def _record() -> dict[str, Any]:
    return json.loads((ROOT / "benchmarks" / "measured" / "lmms_eval.json").read_text(encoding="utf-8"))


def _rows(headings: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def setting() -> str:
    """What was run, and where."""
    record = _record()
    return (
        f"Recorded on {record['date']} with lmms-eval {record['lmms_eval']} on {record['machine']['device']}: "
        f"{record['scenes']} drawn scenes and one question, answered by mini-7.\n`{record['command']}`"
    )


def printed() -> str:
    """One of the runs as lmms-eval printed it."""
    one = _record()["runs"][1]
    return f"```text\n$ {one['command']}\n…\n{one['printed']}\n```"


def runs() -> str:
    """All of the runs."""
    return _rows(
        ["`--model_args pretrained=mini-7,…`", "right", "visual tokens kept", "first token", "each further token"],
        [
            [
                f"`{one['model_args']}`",
                f"{one['scores']['right,none']:.0%}",
                f"{one['throughput']['avg_kept_visual_tokens']:g} of {one['throughput']['avg_visual_tokens']:g}",
                f"{1000 * one['throughput']['avg_ttft']:.1f} ms",
                f"{1000 * one['throughput']['avg_tpot']:.1f} ms",
            ]
            for one in _record()["runs"]
        ],
    )


def table1() -> str:
    """The paper's Table 1 for LLaVA-1.5-7B."""
    rows = [row for row in published.table1() if row.model == _MODEL]
    return _rows(
        ["`method=fastv,…`", *(f"{label} (`{task}`)" for label, task, _ in TASKS), "A-OKVQA, accuracy"],
        [
            [
                "`method=none`" if row.k is None else f"`k={row.k},r={row.r:g}`",
                *(f"{getattr(row, column):g}" for _, _, column in TASKS),
                f"{row.aokvqa_acc:g}",
            ]
            for row in rows
        ],
    )


def readme_table() -> str:
    """What FastV's README reports from lmms-eval."""
    return _rows(
        ["benchmark", "task", "no pruning", "K=3, R=50%"],
        [
            [row.benchmark, f"`{README_TASKS[row.benchmark]}`", f"{row.baseline_score:g}", f"{row.fastv_score:g}"]
            for row in published.lmms_eval()
        ],
    )


BLOCKS = {
    "lmms-eval-setting": setting,
    "lmms-eval-printed": printed,
    "lmms-eval-runs": runs,
    "lmms-eval-table1": table1,
    "lmms-eval-readme": readme_table,
}
