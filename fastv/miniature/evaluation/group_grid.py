"""The methods of one budget on thousands of questions of one group, of which the grid of methods asks too few.

    python -m fastv.miniature.evaluation.group_grid mini-13 OCR

The points are those of ``method_grid`` at the prefill FLOPs of FastV at K=2, R=50%, of FastV, its variants and its
controls; records have the same form and go into assets/measured/groups. The scenes are used by no other measurement and
not by training. The same command goes on where it was ended.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fastv.evidence.measurements import FOLDER
from fastv.evidence.method_records import GROUPS
from fastv.loading.load import load
from fastv.miniature.evaluation.dataset import of_tasks
from fastv.miniature.evaluation.method_grid import QUESTIONS, Setting, measure

FIRST_SCENE = 100_000  # the other measurements' lie below
R = 0.5
METHODS = ("fastv", "question_tokens", "random", "grid", "lower_resolution", "visionzip")
OUTPUT = FOLDER / "groups"


def wanted(setting: Setting) -> bool:
    """Whether a point of the grid is measured here too."""
    if setting.config.method not in METHODS or (setting.equal, setting.reference_r) != ("flops", R):
        return False
    return setting.config.k > 0 or setting.config.method not in ("random", "grid")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.evaluation.group_grid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a miniature's name, or a folder")
    parser.add_argument("group", choices=GROUPS, help="of tasks")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--dtype", default="float32", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="the record file")
    arguments = parser.parse_args()
    loaded = load(arguments.model, arguments.dtype, "cpu" if not torch.cuda.is_available() else "cuda")
    name = Path(arguments.model).name
    items = of_tasks(GROUPS[arguments.group], arguments.questions, first=FIRST_SCENE)
    path = arguments.output or OUTPUT / f"{name}-{arguments.group.lower()}.jsonl"
    measure(loaded, items, path, f"python -m fastv.miniature.evaluation.group_grid {name} {arguments.group}", wanted)


if __name__ == "__main__":
    main()
