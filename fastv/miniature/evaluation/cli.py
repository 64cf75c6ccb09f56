"""How well a miniature answers, with and without FastV: the same fixed scenes every time, scores with intervals.

    python -m fastv.miniature.evaluation mini-7
    python -m fastv.miniature.evaluation mini-7 -k 2 -r 0.5 --scenes 300
    python -m fastv.miniature.evaluation mini-13 --grid --like mini-7
    python -m fastv.miniature.evaluation mini-13 --duel mini-7

With --grid every K of 0 to 4, R of 25, 50, 75 and 90% and method of --methods is measured, answers, FLOPs and time to
the first token, into assets/measured/<model>.jsonl. With --duel only the budgets are at which the model costs what the
smaller one costs, over 3,000 other scenes, into assets/measured/duels; of the smaller one itself, with its own name,
what it answers without FastV. The same command goes on where it was ended; with --times beside it (or in place of
--grid) only the times are taken anew, for which the machine should be doing nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from fastv.costs import configs
from fastv.evidence.measurements import FOLDER, Measured, MeasuredPoint, fingerprint, parsed
from fastv.formatting import percent
from fastv.loading.load import LoadedModel, load
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator, answers
from fastv.miniature.evaluation.caption_scores import caption_f1, cider
from fastv.miniature.evaluation.dataset import DUEL_SCENES, QUESTIONS_A_SCENE, SCENES, benchmark
from fastv.miniature.evaluation.grid import GRID_METHODS, grid, parity, retime, sweep
from fastv.miniature.evaluation.scoring import by_group, is_right, merged, scores
from fastv.miniature.world.question_templates import GROUP_OF, GROUPS, TASKS
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS, method_name


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", default="mini-7", help="a miniature's name, or a folder")
    parser.add_argument("-k", type=int, default=None, help="prune on entering this decoder layer (default: no FastV)")
    parser.add_argument("-r", type=float, default=0.5, help="fraction of visual tokens to drop")
    parser.add_argument("--method", "--rank", type=method_name, choices=METHODS, default="fastv")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--questions", type=int, help=f"about each scene (default: {QUESTIONS_A_SCENE}; 1 for a grid)")
    parser.add_argument("--grid", action="store_true", help="measure the whole grid")
    parser.add_argument(
        "--methods", nargs="+", type=method_name, choices=METHODS, default=list(GRID_METHODS), help="of the grid"
    )
    parser.add_argument("--like", help="also, for each K, where it costs what this smaller model costs without FastV")
    parser.add_argument("--duel", metavar="MODEL", help="measure only what costs what this smaller model costs")
    parser.add_argument("--times", action="store_true", help="of a grid that is there, take the times anew, no answers")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each point of the grid")
    parser.add_argument("--json", type=Path, help="also write the scores to this file; for a grid, in place of its own")
    arguments = parser.parse_args()
    loaded = load(arguments.model)
    (_duel if arguments.duel else _grid if arguments.grid or arguments.times else _single)(loaded, arguments)


def _single(loaded: LoadedModel, arguments: argparse.Namespace) -> None:
    budget = None if arguments.k is None else PruningConfig(arguments.method, arguments.k, arguments.r)
    parts, captions = [], []
    for first in range(0, arguments.scenes, SCENES):  # so many at a time: their pictures are held in memory
        some = min(SCENES, arguments.scenes - first)
        items = benchmark(some, arguments.questions or QUESTIONS_A_SCENE, first=first)
        said = answers(loaded, items, budget)
        parts.append(scores(items, [is_right(item.question, answer) for item, answer in zip(items, said, strict=True)]))
        captions += [
            (answer, item.question.answer)
            for item, answer in zip(items, said, strict=True)
            if item.question.task == "describe"
        ]
        if arguments.scenes > SCENES:
            print(f"scenes {first} to {first + some - 1}: {percent(parts[-1]['all'].share)}", flush=True)
    found = merged(parts)
    soft = _soft(captions)
    for name, value in soft.items():
        print(f"captions, {name}: {value}")
    for name, score in {**by_group(found), **found}.items():
        between = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
        print(f"{name:16} {100 * score.share:5.1f}%  ({between}, n={score.asked})")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        settings = {
            "model": Path(loaded.entry.key).name,
            "weights": fingerprint(Path(loaded.entry.source)),
            "k": arguments.k,
            "r": arguments.r if budget else 0.0,
            "method": arguments.method if budget else None,
            "scenes": arguments.scenes,
        }
        record = {**settings, "captions": soft, "scores": {name: asdict(score) for name, score in found.items()}}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def _soft(captions: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Means over (answer, truth) of descriptions, which an exact match judges too hard: F1 of their parts, and
    CIDEr.
    """
    if not captions:
        return {}
    said, truths = zip(*captions, strict=True)
    return {
        "f1": round(fmean(caption_f1(answer, truth) for answer, truth in captions), 4),
        "cider": round(fmean(cider(said, truths)), 3),
    }


def _duel(loaded: LoadedModel, arguments: argparse.Namespace) -> None:
    name = Path(arguments.model).name
    print("Reading the pictures", flush=True)
    evaluator = BatchedEvaluator(loaded, benchmark(DUEL_SCENES, 1, first=SCENES))
    points = [None, *parity(loaded.model.config, configs.shape_of(arguments.duel), evaluator)]
    command = f"python -m fastv.miniature.evaluation {name} --duel {arguments.duel} --repeats {arguments.repeats}"
    _measure(evaluator, points, arguments.json or FOLDER / "duels" / f"{name}.jsonl", command, arguments)


def _grid(loaded: LoadedModel, arguments: argparse.Namespace) -> None:
    name, questions = Path(arguments.model).name, arguments.questions or 1
    print("Reading the pictures", flush=True)
    evaluator = BatchedEvaluator(loaded, benchmark(arguments.scenes, questions))
    points = grid(methods=arguments.methods)
    command = (
        f"python -m fastv.miniature.evaluation {name} --grid --scenes {arguments.scenes} --questions {questions} "
        f"--repeats {arguments.repeats}"
    )
    if tuple(arguments.methods) != GRID_METHODS:
        command += f" --methods {' '.join(arguments.methods)}"
    if arguments.like:
        points += parity(loaded.model.config, configs.shape_of(arguments.like), evaluator)
        command += f" --like {arguments.like}"
    _measure(evaluator, points, arguments.json or FOLDER / f"{name}.jsonl", command, arguments)


def _measure(
    evaluator: BatchedEvaluator,
    points: list[PruningConfig | None],
    path: Path,
    command: str,
    arguments: argparse.Namespace,
) -> None:
    print(f"{len(evaluator.items)} questions, {len(points)} points", flush=True)

    def tell(record: dict[str, Any]) -> None:
        print(_line(parsed(record)), flush=True)

    if arguments.times:
        retime(evaluator, path, repeats=arguments.repeats, tell=tell)
        return
    found = parsed(sweep(evaluator, points, path, command=command, repeats=arguments.repeats, tell=tell))
    print("\n" + _by_task(found))


def _line(found: Measured) -> str:
    """The latest point in words."""
    point = found.points[-1]
    score = found.score(point)
    share = f"{percent(score.share):>6} ({percent(score.low)} to {percent(score.high)})"
    if point.k is None:
        return f"{_name(point):28} {share}"
    change = found.change(point)
    return (
        f"{_name(point):28} {share}  change {100 * change.share:+.1f} ({100 * change.low:+.1f} to "
        f"{100 * change.high:+.1f}) points, p={change.p:.2g}  "
        f"{percent(point.total_flops / found.unpruned.total_flops)} of the FLOPs, {percent(point.time_ratio)} of "
        "the first-token time"
    )


def _name(point: MeasuredPoint) -> str:
    return "no FastV" if point.k is None else f"K={point.k} R={percent(point.r)} {point.method}"


def _by_task(found: Measured) -> str:
    """All points as a table of shares per group of tasks and per task, with the changes that are clear marked."""
    asked: dict[str, str | tuple[str, ...]] = {}
    for group in GROUPS:
        tasks = tuple(task for task in TASKS if GROUP_OF[task] == group and task in found.tasks)
        if tasks:
            asked[group] = tasks
    asked |= {task: task for task in TASKS if task in found.tasks}
    lines = [
        "Right per task and group of tasks, in percent; * marks a significant change from no FastV (95%, uncorrected)",
        " ".join([f"{'':24}", *(f"{name[:9]:>10}" for name in asked)]),
    ]
    for point in found.points:
        cells = [
            f"{100 * found.score(point, tasks).share:9.1f}{'*' if found.change(point, tasks).is_clear else ' '}"
            for tasks in asked.values()
        ]
        lines.append(" ".join([f"{_name(point):24}", *cells]))
    return "\n".join(lines)
