"""``fastv budget``: the R for each K at which one model costs what another one costs without pruning."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from fastv.cli import workload
from fastv.cli.command import Command, Output
from fastv.cli.table import table
from fastv.costs.solver import BASES, QUANTITIES, NotReachable, Solution, Target, solve_all
from fastv.errors import InvalidInputError
from fastv.formatting import percent, sized


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help=workload.MODEL_HELP)
    parser.add_argument("--like", default="llava-1.5-7b", metavar="MODEL", help="the model whose cost is matched")
    parser.add_argument(
        "--basis",
        choices=(*BASES, *QUANTITIES),
        default="total",
        help="the cost to match: total, all decoder layers; per-layer, their average, as in the paper's Table 1; or "
        "a quantity of fastv cost (default: total)",
    )
    parser.add_argument(
        "--ratio", type=float, default=1.0, help="match this multiple of the other model's cost (default: 1)"
    )
    parser.add_argument("-k", type=int, nargs="+", metavar="K", help="only these layers (default: every layer)")
    workload.add_arguments(parser, "paper")


def _run(arguments: Namespace) -> Output:
    if not 0 < arguments.ratio <= 1e6:
        raise InvalidInputError(f"--ratio must be above 0 and at most 1,000,000, not {arguments.ratio}.")
    shape, other = workload.shape_of(arguments.model), workload.shape_of(arguments.like)
    prompt = workload.workload_of(arguments, shape, arguments.model)
    quantity = BASES.get(arguments.basis, arguments.basis)
    target = Target.of_model(
        other,
        workload.workload_of(arguments, other, arguments.like),
        quantity,
        arguments.convention,
        ratio=arguments.ratio,
    )
    solutions = solve_all(shape, prompt, target, arguments.k)
    data = {
        "model": arguments.model,
        "like": arguments.like,
        "basis": arguments.basis,
        **asdict(prompt),
        "target": asdict(target),
        "rows": [_row(one) for one in solutions],
    }
    unit = "bytes" if quantity.endswith("bytes") else "FLOPs"
    rows = [
        [str(one.k), percent(one.r), f"{one.kept:,}", sized(one.amount, unit)]
        if isinstance(one, Solution)
        else [str(one.k), "not reachable", "", f"≥ {sized(one.least, unit)}"]
        for one in solutions
    ]
    times = "" if arguments.ratio == 1 else f"{arguments.ratio:g} times "
    heading = (
        f"{arguments.model} within {times}the cost of {arguments.like} without pruning: {sized(target.amount, unit)} "
        f"of {quantity} ({target.convention})"
    )
    return Output(data, f"{heading}\n\n{table(['K', 'R', 'visual tokens kept', 'cost'], rows)}")


def _row(solution: Solution | NotReachable) -> dict[str, Any]:
    return {"reachable": isinstance(solution, Solution), **asdict(solution)}


COMMAND = Command(
    "budget",
    "find, for each K, the R at which a model costs what a smaller model costs",
    "fastv budget llava-1.5-13b --like llava-1.5-7b -k 2 3 5",
    _add_arguments,
    _run,
)
