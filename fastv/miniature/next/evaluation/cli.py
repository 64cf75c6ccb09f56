"""Measure kept weights: every group of questions under many prunings, into exhibit-<twin>.json and questions.json.

    python -m fastv.miniature.next.evaluation.cli runs/next --device cuda --output assets/next/trial-2
    python -m fastv.miniature.next.evaluation.report assets/next/trial-2

Prunings come in the order of their weight; with --seconds those are left out for which no time is left.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch

from fastv.costs.solver import Solution, Target, Workload, solve_all
from fastv.miniature.next.evaluation.exhibit import Exhibit, measure
from fastv.miniature.next.evaluation.probe import VISUAL, Pruning
from fastv.miniature.next.model.architecture import DECODERS, llava_config, tower_config
from fastv.miniature.next.model.tokenizer import build_processor
from fastv.miniature.next.training.runs import kept_model, kept_tower

RANKINGS = ("last", "random", "question", "lattice")
_TEXT_TOKENS = 30  # of a prompt of middling length, for costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="a folder with tower.pt and <twin>.pt")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--twins", nargs="+", choices=sorted(DECODERS), default=sorted(DECODERS, reverse=True))
    parser.add_argument("--count", type=int, default=3000, help="questions a group")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=math.inf, help="for each twin's prunings")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    arguments.output.mkdir(parents=True, exist_ok=True)
    tokenizer, tower = build_processor().tokenizer, kept_tower(arguments.runs / "tower.pt")
    exhibit = Exhibit(tokenizer, arguments.count)
    (arguments.output / "questions.json").write_text(json.dumps(exhibit.questions()), encoding="utf-8")
    for twin in arguments.twins:
        model = kept_model(twin, arguments.runs / f"{twin}.pt", tower, tokenizer).to(arguments.device)
        points, soft = prunings(twin)
        until = time.perf_counter() + arguments.seconds
        record = measure(exhibit, model, points, soft=soft, until=until, batch=arguments.batch)
        captions = exhibit.probers(model, arguments.batch)["captions"]
        record["order"] = {"last": exhibit.reading_order(captions, Pruning(2, 0.5))}
        record["kept"] = {
            ranking: exhibit.kept_by_content(captions, Pruning(2, 0.5, ranking)) for ranking in RANKINGS[:2]
        }
        (arguments.output / f"exhibit-{twin}.json").write_text(json.dumps(record), encoding="utf-8")
        for point in record["points"]:
            print(twin, point["pruning"], point["share"], flush=True)


def prunings(twin: str) -> tuple[list[Pruning | None], list[Pruning | None]]:
    """What a twin is measured at, the weightiest first, and at which of these captions get soft scores too."""
    layers = DECODERS[twin].layers
    equal = parity(twin) if twin == "mini-13" else []
    plain = [Pruning(2, 0.5, ranking) for ranking in RANKINGS]
    points: list[Pruning | None] = [None, *plain, *equal]
    points += [Pruning(k, 1.0) for k in range(1, layers, 2)]
    points += [Pruning(2, 0.75, ranking) for ranking in RANKINGS[1:]]
    points += [Pruning(2, 0.5, "random", seed=seed) for seed in (1, 2)]
    points += [Pruning(2, 0.5, "max"), Pruning(2, 0.5, "last", proportional=True)]
    points += [Pruning(k, r) for k in (2, 3, 1, 5, 8) for r in (0.75, 0.9, 0.5, 0.25)]
    unique = list(dict.fromkeys(points))
    return unique, [None, *plain, *equal[: len(RANKINGS)]]


def parity(twin: str, reference: str = "mini-7") -> list[Pruning]:
    """At each K, the R at which the decoder costs what the reference's costs (paper's formula), K=2 first and by each
    ranking.
    """
    tower = tower_config()
    configs = [
        llava_config(DECODERS[name], tower, vocabulary=1024, image_token=3, bos=1, eos=2, pad=0)
        for name in (twin, reference)
    ]
    workload = Workload(text_tokens=_TEXT_TOKENS, visual_tokens=VISUAL)
    target = Target.of_model(configs[1], workload, "decoder_prefill_flops")
    found = [one for one in solve_all(configs[0], workload, target, (2, 1, 3, 4, 5, 8)) if isinstance(one, Solution)]
    found.sort(key=lambda solution: solution.k != 2)
    return [
        Pruning(solution.k, round(solution.r, 4), ranking)
        for solution in found
        for ranking in (RANKINGS if solution.k == 2 else RANKINGS[:1])
    ]


if __name__ == "__main__":
    main()
