"""Records what a miniature says about the page's example scenes, step by step of R, and which tokens it keeps.

    python -m fastv.miniature.evaluation.example_answers mini-7

One question about each scene, every K, R and method below, one pass each, nothing timed; into
assets/measured/examples/<model>.json, which ``fastv.evidence.example_answers`` reads. It takes some minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastv.evidence.example_answers import folder, packed_levels
from fastv.evidence.measurements import fingerprint
from fastv.loading.load import LoadedModel, load
from fastv.measurement.prompt import Prompt, prompt_of
from fastv.measurement.results import Side
from fastv.measurement.single_pass import SinglePass, single_pass
from fastv.miniature.world.gallery import GALLERY_SEEDS, gallery_scene
from fastv.pruning.config import PruningConfig

QUESTION = "Describe the picture."
KS = (1, 2, 3, 4)
RS = tuple(step / 20 for step in range(20))
METHODS = ("fastv", "random")
LONGEST_ANSWER = 64  # tokens, as on the page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("--output", type=Path, help="write to this file in place of the model's own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    name = Path(loaded.entry.key).name
    made = record(loaded, f"python -m fastv.miniature.evaluation.example_answers {name}")
    path = arguments.output or folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes")


def record(
    loaded: LoadedModel,
    command: str,
    seeds: Sequence[int] = GALLERY_SEEDS,
    ks: Sequence[int] = KS,
    rs: Sequence[float] = RS,
    methods: Sequence[str] = METHODS,
) -> dict[str, Any]:
    """All answers as ``fastv.evidence.example_answers.parsed`` takes them."""
    scenes = {}
    for seed in seeds:
        prompt = _prompt(loaded, seed)
        said: dict[str, int] = {}  # distinct answers, numbered as they come
        whole = single_pass(Side(loaded), prompt, max_new_tokens=LONGEST_ANSWER)
        said[whole.answer] = 0
        runs = {}
        for method in methods:
            for k in ks:
                passes = [whole, *_passes(loaded, prompt, method, k, rs[1:])]
                runs[f"{method} {k}"] = {
                    "said": [said.setdefault(one.answer, len(said)) for one in passes],
                    "levels": packed_levels([_kept(one) for one in passes]),
                }
        scenes[str(seed)] = {"answers": list(said), "runs": runs}
        print(f"scene {seed}: {len(said)} different answers", flush=True)
    return {
        "model": Path(loaded.entry.key).name,
        "command": command,
        "weights": fingerprint(Path(loaded.entry.source)),
        "date": datetime.now(UTC).date().isoformat(),
        "question": QUESTION,
        "text_tokens": prompt.tokens - prompt.visual_tokens,
        "grid": list(prompt.places[0].grid),
        "rs": list(rs),
        "scenes": scenes,
    }


def _prompt(loaded: LoadedModel, seed: int) -> Prompt:
    return prompt_of(loaded, gallery_scene(seed).picture, QUESTION, answer_tokens=LONGEST_ANSWER)


def _passes(loaded: LoadedModel, prompt: Prompt, method: str, k: int, rs: Sequence[float]) -> Iterator[SinglePass]:
    for r in rs:
        yield single_pass(Side(loaded, PruningConfig(method, k, r)), prompt, max_new_tokens=LONGEST_ANSWER)


def _kept(one: SinglePass) -> list[bool]:
    return [kept for row in one.seen[0].kept for kept in row]


if __name__ == "__main__":
    main()
