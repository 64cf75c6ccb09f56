"""What a sweep's answers cost where cells share their work and questions are batched, against passes by themselves.

    python benchmarks/sweep_sharing.py --record benchmarks/measured/sweep_sharing.json

A grid of (K, R) over drawn scenes with one question each: every cell by itself; branching off one pass;
that with the answer without pruning as a guess; and that in batches. The ways take turns, in
alternating order; each is given by wall clock and by the process's own processor time, which other
processes disturb less. Answers are compared with those of the passes by themselves. Beside them stands what arithmetic
leaves of the FLOPs: what branches share, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastv.loading.load import LoadedModel, load
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.machine import Machine
from fastv.measurement.prompt import answer_text
from fastv.measurement.system_load import watch_load
from fastv.measurement.timing import generate
from fastv.miniature.evaluation.dataset import benchmark
from fastv.pruning.config import PruningConfig
from fastv.pruning.pruner import pruned
from fastv.sweep.cells import for_sample, sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.quality_pass import answers_to, prompt_for

Questions = list[tuple[Sample, str]]
Answers = dict[str, list[tuple[str, int]]]  # question -> each cell's answer and its tokens


def by_themselves(loaded: LoadedModel, questions: Questions, configs: list[PruningConfig], tokens: int) -> Answers:
    """Each cell anew, the vision tower included; the prompt alone, with its picture's preparation, is made once."""
    found: Answers = {}
    for sample, identity in questions:
        prompt = prompt_for(loaded, sample, tokens)
        for config in (None, *configs):
            if config is None:
                said = generate(loaded.model, prompt.inputs, max_new_tokens=tokens).tokens
            else:
                with pruned(loaded.model, for_sample(config, identity).build()):
                    said = generate(loaded.model, prompt.inputs, max_new_tokens=tokens).tokens
            answer_cost(loaded, prompt, len(said), config)
            found.setdefault(identity, []).append((answer_text(loaded, said), len(said)))
    return found


def shared(
    loaded: LoadedModel, questions: Questions, configs: list[PruningConfig], tokens: int, batch: int, drafted: bool
) -> Answers:
    """As a sweep asks them."""
    return {
        one.identity: [(answer.answer, answer.answer_tokens) for answer in one.answers]
        for one in answers_to(loaded, questions, configs, answer_tokens=tokens, batch=batch, drafted=drafted)
    }


def flops_share(loaded: LoadedModel, questions: Questions, configs: list[PruningConfig], tokens: int) -> float:
    """FLOPs where cells branch off one pass, as a share of those of passes by themselves.

    tokens: of each answer. A branch takes over the vision tower, the projector, and the layers before its cut.
    """
    apart = together = 0.0
    for sample, _ in questions:
        prompt = prompt_for(loaded, sample, tokens)
        for config in (None, *configs):
            cost = answer_cost(loaded, prompt, tokens, config)
            if cost is None:
                raise SystemExit(f"The FLOPs of {loaded.entry.key} are not known.")
            apart += cost.total_flops
            cut = config.build().schedule(len(cost.layer_flops))[0] if config else 0
            seen = cost.vision_tower_flops + cost.projector_flops if config else 0.0
            together += cost.total_flops - seen - sum(cost.layer_flops[:cut])
    return together / apart


def preparation(loaded: LoadedModel, questions: Questions, tokens: int) -> tuple[float, float]:
    """Wall and processor seconds of making all prompts once, pictures included."""
    begun = time.perf_counter(), time.process_time()
    for sample, _ in questions:
        prompt_for(loaded, sample, tokens)
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def main() -> None:
    settings = arguments()
    loaded = load(settings.model)
    configs = [PruningConfig("fastv" if k else "random", k, r) for k in settings.ks for r in settings.rs]
    with tempfile.TemporaryDirectory() as folder, watch_load() as others:
        questions = drawn(Path(folder), settings.pictures)
        ways: dict[str, Callable[[Questions], Answers]] = {
            "by_themselves": lambda some: by_themselves(loaded, some, configs, settings.answer_tokens),
            "shared": lambda some: shared(loaded, some, configs, settings.answer_tokens, 1, False),
            "shared_and_guessed": lambda some: shared(loaded, some, configs, settings.answer_tokens, 1, True),
            "shared_guessed_and_batched": lambda some: shared(
                loaded, some, configs, settings.answer_tokens, settings.batch, True
            ),
        }
        for way in ways.values():
            way(questions[:1])
        wall, cpu = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
        prepared = [0.0, 0.0]
        answers: dict[str, Answers] = {name: {} for name in ways}
        for turn in range(settings.rounds):
            for name in ways if turn % 2 == 0 else reversed(ways):
                begun = time.perf_counter(), time.process_time()
                answers[name] = ways[name](questions)
                wall[name] += time.perf_counter() - begun[0]
                cpu[name] += time.process_time() - begun[1]
            prepared = [sum(both) for both in zip(prepared, preparation(loaded, questions, settings.answer_tokens))]
        alone = answers["by_themselves"]
        tokens = [count for cells in alone.values() for _, count in cells]
        share = flops_share(loaded, questions, configs, round(sum(tokens) / len(tokens)))
    found = {
        "machine": asdict(Machine.here(loaded.device, others)),
        "settings": {name: value for name, value in vars(settings).items() if name != "record"},
        "answers": len(tokens),
        "mean_answer_tokens": sum(tokens) / len(tokens),
        "flops_share": share,
        "preparation": {"seconds": prepared[0], "cpu_seconds": prepared[1]},
        "ways": {
            name: {
                "seconds": wall[name],
                "cpu_seconds": cpu[name],
                "ratio": wall[name] / wall["by_themselves"],
                "cpu_ratio": cpu[name] / cpu["by_themselves"],
                "different_answers": sum(
                    one != other for identity in alone for one, other in zip(alone[identity], answers[name][identity])
                ),
            }
            for name in ways
        },
    }
    print(json.dumps(found, indent=1))
    if settings.record:
        settings.record.write_text(json.dumps(found, indent=1) + "\n")


def drawn(folder: Path, pictures: int) -> Questions:
    """Scenes that the miniatures' evaluation knows, each with its first question."""
    made = []
    for number, item in enumerate(benchmark(pictures, 1)):
        item.scene.picture.save(folder / f"{number}.png")
        made.append(Sample(folder / f"{number}.png", item.question.text))
    return [(sample, sample_id(sample)) for sample in made]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini-7")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--ks", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rs", type=float, nargs="+", default=[0.25, 0.5, 0.75, 0.9])
    parser.add_argument("--answer-tokens", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2, help="each in the reverse order of the one before")
    parser.add_argument("--record", type=Path, help="write the result to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
