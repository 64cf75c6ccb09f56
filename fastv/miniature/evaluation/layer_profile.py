"""How a miniature uses its picture layer by layer: attention, and answers without any visual tokens from a layer on.

    python -m fastv.miniature.evaluation.layer_profile mini-7

Two readings of one question: how large a share of the last prompt token's attention goes to the picture in each layer
(and which visual tokens a ranking by it keeps), and from which layer on all visual tokens can be dropped. They need not
agree, which is why both are measured. Into assets/measured/layers/<model>.json; the same command goes on where it was
ended.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fastv.evidence.measurements import FOLDER, fingerprint, packed
from fastv.loading.load import load
from fastv.miniature.evaluation.attention_profile import attention_profile
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.scoring import by_group, is_right, scores
from fastv.miniature.world.question_templates import TASKS
from fastv.pruning.config import PruningConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("--scenes", type=int, default=1000, help="one question about each")
    parser.add_argument("--attention-scenes", type=int, default=300, help="of them, those whose attention is read")
    parser.add_argument("--json", type=Path, help="write to this file in place of the model's own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    name = Path(loaded.entry.key).name
    items = benchmark(max(arguments.scenes, arguments.attention_scenes), 1)
    asked = items[: arguments.scenes]
    path = arguments.json or FOLDER / "layers" / f"{name}.json"
    record: dict[str, Any] = {
        "model": name,
        "command": f"python -m fastv.miniature.evaluation.layer_profile {name} --scenes {arguments.scenes} "
        f"--attention-scenes {arguments.attention_scenes}",
        "weights": fingerprint(Path(loaded.entry.source)),
        "task_names": list(TASKS),
        "tasks": [TASKS.index(item.question.task) for item in asked],
    }
    before = earlier(path, record)
    if before.get("attention_scenes") == arguments.attention_scenes:
        attention = {key: value for key, value in before.items() if key not in (*record, "withdrawn")}
    else:
        attention = attention_profile(loaded, items[: arguments.attention_scenes], _progress).record()
    for layer, shares in enumerate(attention["attention"]):
        print(f"layer {layer:2}: " + ", ".join(f"{part} {share:.3f}" for part, share in shares.items()), flush=True)
    record |= attention | {"withdrawn": before.get("withdrawn", [])}
    write(record, path)
    done = [point["k"] for point in record["withdrawn"]]
    missing = [k for k in (None, *range(1, len(attention["attention"]))) if k not in done]
    if not missing:
        return
    evaluator = BatchedEvaluator(loaded, asked)
    for k in missing:
        point = withdrawal(evaluator, k)
        record["withdrawn"].append(point)
        write(record, path)
        told = ", ".join(f"{group} {share:.1%}" for group, share in point["groups"].items())
        print(f"{'all layers' if k is None else f'layers 0 to {k - 1}'} with the picture: {told}", flush=True)


def _progress(done: int) -> None:
    if done % 50 == 0:
        print(f"attention of {done} scenes", flush=True)


def earlier(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What a file holds already of the same questions and weights; empty where it is of others, or not there."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = all(found.get(name) == record[name] for name in ("model", "weights", "task_names", "tasks"))
    return found if same else {}


def write(record: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


def withdrawal(evaluator: BatchedEvaluator, k: int | None) -> dict[str, Any]:
    """Answers without any visual tokens from layer ``k`` on (None: with all of them): shares per group, and each
    mark.
    """
    answers = evaluator.answers(None if k is None else PruningConfig(k=k, r=1.0))
    marks = [is_right(item.question, answer.text) for item, answer in zip(evaluator.items, answers, strict=True)]
    groups = by_group(scores(evaluator.items, marks))
    return {
        "k": k,
        "right": packed(marks),
        "groups": {group: round(score.share, 4) for group, score in groups.items()},
    }


if __name__ == "__main__":
    main()
