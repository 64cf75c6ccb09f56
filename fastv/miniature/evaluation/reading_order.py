"""Which things of a picture a ranking keeps when the picture is to be described: all alike, or those named first.

    python -m fastv.miniature.evaluation.reading_order mini-7

Scenes of six things that no other measurement uses; into assets/measured/reading_order/<model>.json. No answer is
judged: that is what ``evaluate`` does.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastv.evidence.measurements import fingerprint
from fastv.evidence.reading_order import THINGS, KeptInOrder, folder
from fastv.loading.load import LoadedModel, load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.evaluation.object_coverage import kept_grid
from fastv.miniature.world.questions import Question, ask
from fastv.miniature.world.scenes import Scene, scene
from fastv.pruning.config import PruningConfig

FIRST_SCENE = 30_000
SETTINGS = tuple(PruningConfig("fastv", k, 0.5) for k in (1, 2, 3, 4)) + tuple(
    PruningConfig(method, 2, 0.5) for method in ("question_tokens", "random")
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write to this file in place of the model's own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    name = Path(loaded.entry.key).name
    points = kept_in_order(loaded, described(arguments.scenes), SETTINGS)
    for point in points:
        shares = " ".join(f"{share:5.1%}" for share in point.shares)
        print(f"K={point.k} R={point.r:.0%} {point.method:15} keeps {shares} of the things in reading order")
    made = {
        "model": name,
        "command": f"python -m fastv.miniature.evaluation.reading_order {name} --scenes {arguments.scenes}",
        "weights": fingerprint(Path(loaded.entry.source)),
        "points": [asdict(point) for point in points],
    }
    path = arguments.json or folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def described(scenes: int) -> list[tuple[Scene, Question]]:
    """So many scenes of six things that all show a patch, each with a question for its description."""
    found: list[tuple[Scene, Question]] = []
    seed = FIRST_SCENE
    while len(found) < scenes:
        made = scene(seed)
        shown = set(made.owners[made.owners >= 0].tolist())
        question = ask(made, "describe", random.Random(f"reading order {seed}"))
        if len(made.things) == len(shown) == THINGS and question is not None:
            found.append((made, question))
        seed += 1
    return found


def kept_in_order(
    loaded: LoadedModel, asked: Sequence[tuple[Scene, Question]], settings: Sequence[PruningConfig]
) -> list[KeptInOrder]:
    """One for each of ``settings``; each prompt is read once for each, and not answered."""
    shares = np.zeros((len(settings), len(asked), THINGS))
    for number, (made, question) in enumerate(asked):
        prompt = prompt_of(loaded, made.picture, question.text, answer_tokens=1)
        sizes = np.bincount(made.owners[made.owners >= 0], minlength=THINGS)
        for row, setting in enumerate(settings):
            kept = kept_grid(loaded, prompt, replace(setting, seed=number))
            shares[row, number] = _kept_of_each(made.owners, kept) / sizes
    return [_point(setting, found) for setting, found in zip(settings, shares, strict=True)]


def _kept_of_each(owners: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Patches kept of each thing. owners: see ``Scene``."""
    return np.bincount(owners[(owners >= 0) & kept], minlength=THINGS)


def _point(setting: PruningConfig, shares: np.ndarray) -> KeptInOrder:
    mean, deviation = shares.mean(0), shares.std(0, ddof=1) if len(shares) > 1 else np.zeros(THINGS)
    made: dict[str, Any] = {
        "scenes": len(shares),
        "shares": tuple(round(float(share), 4) for share in mean),
        "deviations": tuple(round(float(share), 4) for share in deviation),
    }
    return KeptInOrder(setting.k, setting.r, setting.method, **made)


if __name__ == "__main__":
    main()
