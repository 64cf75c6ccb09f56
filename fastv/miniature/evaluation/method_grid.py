"""Every method on a miniature at the same cost: which questions it answers right.

    python -m fastv.miniature.evaluation.method_grid mini-7
    python -m fastv.miniature.evaluation.method_grid mini-7 --times

For each R of 50, 75 and 90% every method keeps as many visual tokens as make its prefill as cheap as that of FastV at
K=2 and this R ("flops"), and, where that is another number, as many as FastV ("tokens"). The questions are about scenes
that neither the other measurements nor training use. Points are written as they are measured, into
assets/measured/methods/<model>.jsonl, and the same command goes on where it was ended, on another machine too: such
points name their device. With --times the seconds to the
first token are measured, into a file of their own; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from fastv.costs.solver import Workload
from fastv.errors import FastVError
from fastv.evidence.measurements import FOLDER, fingerprint, packed
from fastv.families.config_reader import read_shape
from fastv.loading.load import LoadedModel, load
from fastv.measurement.machine import Machine
from fastv.measurement.method_clock import MethodClock
from fastv.measurement.prompt import Prompt, prompt_of
from fastv.measurement.records import RecordFile, read
from fastv.measurement.results import layer_count
from fastv.measurement.timing import generate
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator, PixelEvaluator
from fastv.miniature.evaluation.caption_scores import caption_f1
from fastv.miniature.evaluation.dataset import Item, benchmark
from fastv.miniature.evaluation.scoring import is_right
from fastv.miniature.world.question_templates import TASKS
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.pruner import pruned
from fastv.pruning.signals import TOWER

QUESTIONS = 3000
FIRST_SCENE = 10_000  # the other measurements' lie below
REFERENCE_K, RS = 2, (0.5, 0.75, 0.9)
#: Also measured where kept tokens stand for the dropped ones.
PROPORTIONAL = ("fastv", "question_tokens")
#: Also measured before layer 0, as what to compare methods with that drop tokens there.
ALSO_AT_LAYER_0 = ("random", "grid")
#: FastV is also measured at these K at equal cost: later layers rank better, and cost more tokens.
OTHER_KS = (1, 3, 4)
OUTPUT = FOLDER / "methods"
_FREE = ("command", "machine")


@dataclass(frozen=True)
class Setting:
    """A method with its amount.

    Attributes
    ----------
    config : PruningConfig
    proportional : bool
        Whether kept tokens stand for the dropped ones.
    equal : str
        "flops" or "tokens": what it has in common with FastV at K=2 and ``reference_r``.
    reference_r : float
    """

    config: PruningConfig
    proportional: bool
    equal: str
    reference_r: float

    def build(self) -> Method:
        return replace(self.config.build(), proportional=self.proportional)

    def to_dict(self) -> dict[str, Any]:
        config = self.config
        return {
            "method": config.method,
            "k": config.k,
            "r": config.r,
            "seed": config.seed,
            "proportional": self.proportional,
            "equal": self.equal,
            "reference_r": self.reference_r,
        }


def settings(config: Any, workload: Workload) -> Iterator[Setting]:
    """All points of a model but the one without pruning: at equal cost first, and the dearest R first.

    Parameters
    ----------
    config
        Of the model.
    workload
        A prompt of the mean length.
    """
    kinds = [(name, cls.default_k, False) for name, cls in METHODS.items() if not cls.videos_alone]
    kinds += [(name, METHODS[name].default_k, True) for name in PROPORTIONAL]
    kinds += [(name, 0, False) for name in ALSO_AT_LAYER_0]
    kinds += [("fastv", k, False) for k in OTHER_KS]
    visual, of_equal_tokens = workload.visual_tokens, []
    for r in RS:
        reference = PruningConfig("fastv", REFERENCE_K, r)
        target, same = _prefill(config, workload, reference), reference.build().kept_of(visual)
        for name, k, proportional in kinds:
            kept = count_of_equal_cost(config, workload, name, k, target)
            if kept:
                yield Setting(of_count(name, k, kept, visual), proportional, "flops", r)
            if abs(kept - same) > 2 and not (name == "fastv" and k in OTHER_KS):
                of_equal_tokens.append(Setting(of_count(name, k, same, visual), proportional, "tokens", r))
    yield from of_equal_tokens


def of_count(name: str, k: int, kept: int, visual: int) -> PruningConfig:
    """The config by which ``kept`` of ``visual`` tokens are left."""
    return PruningConfig(name, k, 1 - kept / visual)


def count_of_equal_cost(config: Any, workload: Workload, name: str, k: int, flops: float) -> int:
    """How many visual tokens a method keeps so that the prefill costs closest to ``flops`` (exact convention).

    0 where even a single one costs more.
    """
    visual = workload.visual_tokens
    low, high = 0, visual  # cost rises with the number kept
    while low < high:
        middle = (low + high) // 2
        if _prefill(config, workload, of_count(name, k, middle, visual)) < flops:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return min(
        (low - 1, low), key=lambda kept: abs(_prefill(config, workload, of_count(name, k, kept, visual)) - flops)
    )


def _prefill(config: Any, workload: Workload, pruning: PruningConfig) -> float:
    arguments = pruning.cost_arguments(read_shape(config), workload.text_tokens, workload.visual_tokens)
    return float(workload.cost(config, convention="exact", **arguments).prefill_flops)


def measure(
    loaded: LoadedModel,
    items: Sequence[Item],
    path: Path,
    command: str,
    wanted: Callable[[Setting], bool] | None = None,
) -> None:
    """Measure the points that the record file does not hold yet: all, or those that are wanted."""
    pixels = PixelEvaluator(loaded, items)
    whole = BatchedEvaluator(loaded, items, pixels=pixels)
    workload = _workload(whole)
    machine = Machine.here(loaded.device)
    header = {
        "model": Path(loaded.entry.key).name,
        "command": command,
        "weights": fingerprint(Path(loaded.entry.source)),
        "machine": asdict(machine),
        "dtype": loaded.dtype,
        "layers": layer_count(loaded),
        "first_scene": items[0].scene.seed,
        "task_names": list(TASKS),
        "tasks": "".join("0123456789abcdefghijklmnopqrstuvwxyz"[TASKS.index(item.question.task)] for item in items),
        "visual_tokens": workload.visual_tokens,
        "text_tokens": workload.text_tokens,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordFile.open(path, header, free=_FREE) as file:
        elsewhere = {} if file.header["machine"]["device"] == machine.device else {"device": machine.device}
        done = [{name: value for name, value in one.items() if name in _NAMES} for one in file.records]
        for setting in [None, *filter(wanted, settings(loaded.model.config, workload))]:
            named = setting.to_dict() if setting else {"method": None, "k": None, "r": 0.0}
            if named in done:
                continue
            evaluator = pixels if setting and needs_pixels(setting.build()) else whole
            file.add(named | _answered(evaluator, setting, workload) | elsewhere)
            print(named, f"{_share(file.records[-1], len(items)):.1%}", flush=True)


_NAMES = ("method", "k", "r", "seed", "proportional", "equal", "reference_r")


def needs_pixels(method: Method) -> bool:
    """Whether a method looks at the vision tower or has it read other pictures, so that features do not do."""
    return TOWER in method.signals or method.encodes_kept_alone


def _answered(evaluator: BatchedEvaluator, setting: Setting | None, workload: Workload) -> dict[str, Any]:
    try:
        answers = evaluator.answers(setting.build() if setting else None)
    except FastVError as error:
        return {"refused": str(error)}
    items, config = evaluator.items, evaluator.loaded.model.config
    marks = [is_right(item.question, answer.text) for item, answer in zip(items, answers)]
    captions = [
        round(100 * caption_f1(answer.text, item.question.answer))
        for item, answer in zip(items, answers)
        if item.question.task == "describe"
    ]
    pruning = setting.config if setting else None
    trace = evaluator.trace
    return {
        "kept_after_each_cut": [[layer, counts[0]] for layer, counts in trace.kept_after_each_cut] if trace else [],
        "average_tokens": round(trace.average_tokens, 2) if trace else workload.visual_tokens,
        "prefill_flops": round(
            _prefill(config, workload, pruning) if pruning else workload.cost(config, None, 0.0, "exact").prefill_flops
        ),
        "answer_tokens": round(fmean(answer.tokens for answer in answers), 3),
        "right": packed(marks),
        "caption_f1_percent": captions,
    }


def _share(record: dict[str, Any], asked: int) -> float:
    return 0.0 if "refused" in record else int(record["right"], 16).bit_count() / asked


def _workload(evaluator: BatchedEvaluator) -> Workload:
    visual = evaluator.visual_tokens
    return Workload(round(fmean(evaluator.prompt_lengths)) - visual, visual)


def time_points(loaded: LoadedModel, items: Sequence[Item], path: Path, command: str, repeats: int) -> None:
    """Measure seconds to the first token at all points of a record file, and the method's own part of them.

    The points take turns, in each round beginning with another one.
    """
    _, records = read(path)
    points = [record for record in records if "refused" not in record]
    middle = sorted(items[:100], key=lambda item: len(item.question.text))[50]
    prompt = prompt_of(loaded, middle.scene.picture, middle.question.text, answer_tokens=1)
    seconds: list[list[float]] = [[] for _ in points]
    own: list[list[float]] = [[] for _ in points]
    for turn in range(-1, repeats):
        for step in range(len(points)):
            index = (step + turn) % len(points)
            first, chosen = _first_token(loaded, prompt, points[index])
            if turn >= 0:  # the first passes of a process are slow
                seconds[index].append(first)
                own[index].append(chosen)
    document = {
        "command": command,
        "machine": asdict(Machine.here(loaded.device)),
        "dtype": loaded.dtype,
        "repeats": repeats,
        "points": [
            {name: point[name] for name in _NAMES if name in point}
            | {"seconds": round(median(first), 6), "own_seconds": round(median(chosen), 6)}
            for point, first, chosen in zip(points, seconds, own)
        ],
    }
    path.with_name(f"{path.stem}-times.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _first_token(loaded: LoadedModel, prompt: Prompt, point: dict[str, Any]) -> tuple[float, float]:
    pruning = PruningConfig.from_dict(point)
    if pruning is None:
        return generate(loaded.model, prompt.inputs, max_new_tokens=1).prefill_seconds, 0.0
    clock = MethodClock(loaded.device)
    with pruned(loaded.model, clock.of(replace(pruning.build(), proportional=point["proportional"]))):
        answer = generate(loaded.model, prompt.inputs, max_new_tokens=1)
    return answer.prefill_seconds, clock.seconds()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.evaluation.method_grid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a miniature's name, or a folder")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--dtype", default="bfloat16", help="default: %(default)s")
    parser.add_argument("--times", action="store_true", help="measure seconds, no answers")
    parser.add_argument("--repeats", type=int, default=9, help="timed runs of each point")
    parser.add_argument("--output", type=Path, help="the record file")
    arguments = parser.parse_args()
    loaded = load(arguments.model, arguments.dtype, "cpu" if not torch.cuda.is_available() else "cuda")
    name = Path(arguments.model).name
    path = arguments.output or OUTPUT / f"{name}.jsonl"
    command = f"python -m fastv.miniature.evaluation.method_grid {name}"
    if arguments.times:
        items = benchmark(100, 1, first=FIRST_SCENE)
        command += f" --times --dtype {arguments.dtype} --repeats {arguments.repeats}"
        return time_points(loaded, items, path, command, arguments.repeats)
    return measure(loaded, benchmark(arguments.questions, 1, first=FIRST_SCENE), path, command)


if __name__ == "__main__":
    main()
