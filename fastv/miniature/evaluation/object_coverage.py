"""Whether the tokens that FastV keeps are those of the things in the picture, at each K and by each method.

    python -m fastv.miniature.evaluation.object_coverage mini-7

A question about each of the benchmark's first scenes; into assets/measured/things/<model>.json. No answer is judged:
that is what ``evaluate`` does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastv.evidence.measurements import fingerprint
from fastv.evidence.object_coverage import KeptThings, folder
from fastv.loading.load import LoadedModel, load
from fastv.measurement.prompt import Prompt, prompt_of
from fastv.miniature.evaluation.dataset import Item, benchmark
from fastv.miniature.evaluation.grid import GRID_METHODS, KS
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

_LOST = 0.1  # a thing of which no more than this share is kept is lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("-r", type=float, default=0.5, help="fraction of visual tokens to drop")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(GRID_METHODS))
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write to this file in place of the model's own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    name = Path(loaded.entry.key).name
    each = (PruningConfig(method, k, arguments.r) for k in KS if k for method in arguments.methods)
    budgets = list(dict.fromkeys(each))  # methods without a choice of K once
    points = kept_things(loaded, benchmark(arguments.scenes, 1), budgets)
    for point in points:
        print(
            f"K={point.k} R={point.r:.0%} {point.method:10} keeps {point.kept_share:6.1%} of {point.patches:,} patches "
            f"with things, loses {point.lost_share:6.1%} of {point.things:,} things"
        )
    command = (
        f"python -m fastv.miniature.evaluation.object_coverage {name} -r {arguments.r:g} --scenes {arguments.scenes}"
    )
    if tuple(arguments.methods) != GRID_METHODS:
        command += f" --methods {' '.join(arguments.methods)}"
    write(record(loaded, command, points), arguments.json or folder() / f"{name}.json")


def kept_things(loaded: LoadedModel, items: Sequence[Item], budgets: Sequence[PruningConfig]) -> list[KeptThings]:
    """One for each of ``budgets``, over all of ``items``; each prompt is read once for each, and not answered."""
    sums = np.zeros((len(budgets), 4), int)
    for number, item in enumerate(items):
        prompt = prompt_of(loaded, item.scene.picture, item.question.text, answer_tokens=1)
        for row, budget in zip(sums, budgets):
            row += _counts(item.scene.owners, kept_grid(loaded, prompt, replace(budget, seed=number)))
    return [KeptThings(budget.k, budget.r, budget.method, *map(int, row)) for budget, row in zip(budgets, sums)]


@torch.inference_mode()
def kept_grid(loaded: LoadedModel, prompt: Prompt, budget: PruningConfig) -> np.ndarray:
    """Boolean, shaped like the picture's grid of patches."""
    with budget.build()(loaded.model) as trace:
        loaded.model(**prompt.inputs, use_cache=False)
    assert trace.kept is not None
    kept: Any = prompt.seen(trace.kept[0].cpu())[0].kept
    return np.array(kept)


def _counts(owners: np.ndarray, kept: np.ndarray) -> tuple[int, int, int, int]:
    """Patches with things, those kept, things, those lost. owners: see ``Scene``, where a thing may have no patch."""
    sizes = np.bincount(owners[owners >= 0])
    seen = np.bincount(owners[(owners >= 0) & kept], minlength=len(sizes))
    lost = (sizes > 0) & (seen <= _LOST * sizes)
    return int(sizes.sum()), int(seen.sum()), int(np.count_nonzero(sizes)), int(np.count_nonzero(lost))


def record(loaded: LoadedModel, command: str, points: Sequence[KeptThings]) -> dict[str, Any]:
    return {
        "model": Path(loaded.entry.key).name,
        "command": command,
        "weights": fingerprint(Path(loaded.entry.source)),
        "points": [asdict(point) for point in points],
    }


def write(made: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
