"""A miniature over a grid of (K, R, method): which questions it answers right, what that costs, how long it takes.

Each point is written when it is measured, so that an interrupted run goes on where it was.
``fastv.evidence.measurements`` reads the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from fastv.costs.solver import Solution, Target, Workload, solve_all
from fastv.errors import InvalidInputError
from fastv.evidence.measurements import fingerprint, packed
from fastv.families.config_reader import read_shape
from fastv.measurement import records
from fastv.measurement.machine import Machine
from fastv.measurement.prompt import prompt_of
from fastv.measurement.records import RecordFile
from fastv.measurement.results import layer_count
from fastv.measurement.timing import Pass, generate, interleaved
from fastv.miniature.evaluation.batched_generation import Answer, BatchedEvaluator
from fastv.miniature.evaluation.scoring import is_right
from fastv.miniature.world.question_templates import TASKS
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import with_method

_FREE = ("command",)  # fields of a header that may differ
KS, RS = (0, 1, 2, 3, 4), (0.25, 0.5, 0.75, 0.9)
#: FastV as its code and as its paper has it, and its opponent: each further method makes the grid a third longer.
GRID_METHODS = ("fastv", "fastv_mean", "random")


def grid(
    ks: Iterable[int] = KS, rs: Iterable[float] = RS, methods: Sequence[str] = GRID_METHODS
) -> list[PruningConfig | None]:
    """The points: no FastV first, then every K and R with every method.

    A method that can only draw at random at K = 0 is left out there, and one without a choice of K has one point for
    each R.
    """
    rs = tuple(rs)
    points = [PruningConfig(method, k, r) for k in ks for r in rs for method in methods]
    return [None, *dict.fromkeys(point for point in points if point.k or point.chosen_by == point.method)]


def parity(config: Any, reference: Any, evaluator: BatchedEvaluator, ks: Iterable[int] = KS) -> list[PruningConfig]:
    """For each K the R at which ``config`` costs what ``reference`` costs without FastV, where there is one.

    Cost: all decoder layers together by the paper's formula, as in the preset "7B-equivalent (total)".
    """
    visual = evaluator.visual_tokens
    workload = Workload(text_tokens=round(fmean(evaluator.prompt_lengths)) - visual, visual_tokens=visual)
    target = Target.of_model(reference, workload, "decoder_prefill_flops")
    found = [one for one in solve_all(config, workload, target, ks) if isinstance(one, Solution) and one.r > 0]
    # Four digits say R to the token.
    return [PruningConfig("fastv" if one.k else "random", one.k, round(one.r, 4)) for one in found]


def sweep(
    evaluator: BatchedEvaluator,
    points: Iterable[PruningConfig | None],
    path: Path,
    *,
    command: str,
    repeats: int = 5,
    tell: Callable[[dict[str, Any]], None] = lambda record: None,
) -> dict[str, Any]:
    """Measure the points that a record file does not hold yet.

    Parameters
    ----------
    evaluator
        The model and the questions.
    points
        Pruning configs; None for no pruning.
    path
        The record file, see ``fastv.measurement.records``.
    command
        What makes the file again, for its header.
    repeats
        Timed runs of each point.
    tell
        Called after each new point with all that the file holds.

    Returns
    -------
    dict
        The file's header, and its records as ``points``.

    Raises
    ------
    InvalidInputError
        Where the file is of other weights, questions, versions or another machine: its points would not belong together
        with new ones.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordFile.open(path, _header(evaluator, command, repeats), free=_FREE) as file:
        done = {(point["k"], point["r"], point["method"]) for point in map(with_method, file.records)}
        for budget in points:
            if _key(budget) not in done:
                file.add(_measured(evaluator, budget, repeats))
                tell(_document(file.header, file.records))
        return _document(file.header, file.records)


def retime(
    evaluator: BatchedEvaluator,
    path: Path,
    *,
    repeats: int = 5,
    tell: Callable[[dict[str, Any]], None] = lambda record: None,
) -> dict[str, Any]:
    """Take the times of all points of a record file anew, where the machine was busy; answers stay. See ``sweep``."""
    if not path.exists():
        raise InvalidInputError(f"{path} does not exist: measure the grid first.")
    before, points = records.read(path)
    header = records.with_hash(_header(evaluator, before.get("command", ""), repeats), free=_FREE)
    records.check_same(path, before, header, free=(*_FREE, "machine", "repeats"))
    fresh: list[dict[str, Any]] = []
    for point in map(with_method, points):
        budget = PruningConfig.from_dict(point)
        seconds, unpruned = _first_token(evaluator, budget, repeats)
        fresh.append({**point, "seconds": seconds, "unpruned_seconds": unpruned})
        tell(_document(header, fresh))
    records.write(path, header, fresh)
    return _document(header, fresh)


def _document(header: dict[str, Any], points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As ``fastv.evidence.measurements.parsed`` takes it."""
    return {**header, "points": [with_method(point) for point in points]}


def _header(evaluator: BatchedEvaluator, command: str, repeats: int) -> dict[str, Any]:
    loaded = evaluator.loaded
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return {
        "model": Path(loaded.entry.key).name,
        "command": command,
        "weights": fingerprint(Path(loaded.entry.source)),
        "machine": asdict(Machine.here(loaded.device)),
        "dtype": loaded.dtype,
        "layers": layer_count(loaded),
        "task_names": list(TASKS),
        "tasks": "".join(letters[TASKS.index(item.question.task)] for item in evaluator.items),
        "visual_tokens": evaluator.visual_tokens,
        "text_tokens": round(fmean(evaluator.prompt_lengths) - evaluator.visual_tokens, 3),
        "repeats": repeats,
    }


def _key(budget: PruningConfig | None) -> tuple[int | None, float, str | None]:
    return (None, 0.0, None) if budget is None else (budget.k, budget.r, budget.method)


def _measured(evaluator: BatchedEvaluator, budget: PruningConfig | None, repeats: int) -> dict[str, Any]:
    answers = evaluator.answers(budget)
    marks = [is_right(item.question, answer.text) for item, answer in zip(evaluator.items, answers)]
    k, r, method = _key(budget)
    seconds, unpruned = _first_token(evaluator, budget, repeats)
    return {
        "k": k,
        "r": r,
        "method": method,
        "answer_tokens": round(fmean(answer.tokens for answer in answers), 3),
        **_flops(evaluator, answers, budget),
        "seconds": seconds,
        "unpruned_seconds": unpruned,
        "right": packed(marks),
    }


def _flops(evaluator: BatchedEvaluator, answers: Sequence[Answer], budget: PruningConfig | None) -> dict[str, float]:
    """Means over the questions, at each prompt's own length and for the answer that was given."""
    visual, config = evaluator.visual_tokens, evaluator.loaded.model.config
    shape = read_shape(config)
    asked = [(length - visual, answer.tokens) for length, answer in zip(evaluator.prompt_lengths, answers)]
    kinds = set(asked)
    found: dict[str, float] = {}
    for prefix, convention in (("", "exact"), ("paper_", "paper")):
        costs = {}
        for text, answer_tokens in kinds:
            pruned = {"k": None, "r": 0.0} if budget is None else budget.cost_arguments(shape, text, visual)
            workload = Workload(text, visual, answer_tokens)
            costs[text, answer_tokens] = workload.cost(config, convention=convention, **pruned)
        found[f"{prefix}prefill_flops"] = round(fmean(costs[kind].prefill_flops for kind in asked))
        found[f"{prefix}total_flops"] = round(fmean(costs[kind].total_flops for kind in asked))
    return found


def _first_token(
    evaluator: BatchedEvaluator, budget: PruningConfig | None, repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds to the first token of a prompt of middling length, with the budget and, in turn, without."""
    loaded, lengths = evaluator.loaded, evaluator.prompt_lengths
    middle = evaluator.items[sorted(range(len(lengths)), key=lengths.__getitem__)[len(lengths) // 2]]
    prompt = prompt_of(loaded, middle.scene.picture, middle.question.text, answer_tokens=1)
    plain = partial(generate, loaded.model, prompt.inputs, max_new_tokens=1)

    sides: list[Callable[[], Pass]] = [plain]
    if budget is not None:
        method = budget.build()

        def pruned() -> Pass:
            with method(loaded.model):
                return plain()

        sides.append(pruned)
    passes = interleaved(sides, repeats=repeats, warmup=1)
    seconds = [[round(one.prefill_seconds, 6) for one in side] for side in passes]
    return seconds[-1], seconds[0]
