"""How a miniature uses its picture layer by layer: attention shares, and answers without any visual tokens from a layer
on.

    python -m fastv.miniature.evaluation.layer_profile mini-7

Two readings of one question: how large a share of the last prompt token's attention goes to the picture in each layer,
and from which layer on all visual tokens can be dropped. They need not agree, which is why both are measured. Into
assets/measured/layers/<model>.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fastv.evidence.measurements import FOLDER, fingerprint, packed
from fastv.loading.load import LoadedModel, load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator
from fastv.miniature.evaluation.dataset import Item, benchmark
from fastv.miniature.evaluation.scoring import by_group, is_right, scores
from fastv.miniature.world.question_templates import TASKS
from fastv.pruning.config import PruningConfig

PARTS = ("system", "image", "question")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("--scenes", type=int, default=1000, help="one question about each")
    parser.add_argument("--attention-scenes", type=int, default=200, help="of them, those whose attention is read")
    parser.add_argument("--json", type=Path, help="write to this file in place of the model's own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    name = Path(loaded.entry.key).name
    items = benchmark(arguments.scenes, 1)
    shares = attention_shares(loaded, items[: arguments.attention_scenes])
    for layer, parts in enumerate(shares):
        print(f"layer {layer:2}: " + ", ".join(f"{part} {parts[part]:.3f}" for part in PARTS), flush=True)
    evaluator = BatchedEvaluator(loaded, items)
    withdrawn = []
    for k in (None, *range(1, len(shares))):
        point = withdrawal(evaluator, k)
        withdrawn.append(point)
        told = ", ".join(f"{group} {share:.1%}" for group, share in point["groups"].items())
        print(f"{'all layers' if k is None else f'layers 0 to {k - 1}'} with the picture: {told}", flush=True)
    record = {
        "model": name,
        "command": f"python -m fastv.miniature.evaluation.layer_profile {name} --scenes {arguments.scenes} "
        f"--attention-scenes {arguments.attention_scenes}",
        "weights": fingerprint(Path(loaded.entry.source)),
        "task_names": list(TASKS),
        "tasks": [TASKS.index(item.question.task) for item in items],
        "attention": shares,
        "withdrawn": withdrawn,
    }
    path = arguments.json or FOLDER / "layers" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


@torch.inference_mode()
def attention_shares(loaded: LoadedModel, items: Sequence[Item]) -> list[dict[str, float]]:
    """For each layer, the share of the last prompt token's attention that each part of the prompt gets.

    Parameters
    ----------
    items
        Questions; their prompts are read, not answered.

    Returns
    -------
    list of dict
        ``system`` (before the picture), ``image`` and ``question`` (after it), means over heads and items; each sums to
        1.
    """
    model = loaded.model
    kernel = model.config.text_config._attn_implementation
    model.set_attn_implementation({"text_config": "eager"})  # the only kernel that returns its weights
    try:
        sums: torch.Tensor | None = None
        for item in items:
            prompt = prompt_of(loaded, item.scene.picture, item.question.text, answer_tokens=1)
            places = prompt.visual.nonzero()
            first, last = int(places[0]), int(places[-1])
            attentions = model(**prompt.inputs, use_cache=False, output_attentions=True).attentions
            rows = torch.stack([layer[0, :, -1].float().mean(0).cpu() for layer in attentions])
            parts = torch.stack(
                [rows[:, :first].sum(1), rows[:, first : last + 1].sum(1), rows[:, last + 1 :].sum(1)], 1
            )
            sums = parts if sums is None else sums + parts
    finally:
        model.set_attn_implementation({"text_config": kernel})
    if sums is None:
        return []
    return [dict(zip(PARTS, (round(float(part), 4) for part in layer), strict=True)) for layer in sums / len(items)]


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
