"""``fastv sweep``: a list of questions, each answered without pruning and at every (K, R)."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from fastv.cli.command import Command, Output
from fastv.cli.progress import Progress
from fastv.costs.memory import DTYPES
from fastv.errors import FastVError, InvalidInputError
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="a name of fastv models, a folder or a hub id")
    parser.add_argument("questions", type=Path, help="a CSV file with the columns picture, question and answer")
    parser.add_argument("-k", type=int, nargs="+", default=[2], metavar="K", help="layers (default: 2)")
    parser.add_argument(
        "-r", type=float, nargs="+", default=[0.5], metavar="R", help="fractions dropped (default: 0.5)"
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["fastv"],
        metavar="METHOD",
        help=f"of {', '.join(METHODS)} (default: fastv)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    parser.add_argument("--dtype", choices=("auto", *DTYPES), default="auto", help="of the weights (default: auto)")
    parser.add_argument("--answer-tokens", type=int, default=32, metavar="N", help="longest answer (default: 32)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the record of all answers, JSON Lines; the same command resumes it (default: in this folder, named after "
        "the questions and the model)",
    )


def _run(arguments: Namespace) -> Output:
    with Progress() as progress:
        progress.show("Importing torch")
        from fastv.inputs.question_csv import read_questions
        from fastv.loading.load import load
        from fastv.sweep import run

        items = read_questions(arguments.questions)[: arguments.limit]
        budgets = [
            PruningConfig(method, k, r) for method in arguments.methods for k in arguments.k for r in arguments.r
        ]
        loaded = load(arguments.model, dtype=arguments.dtype, report=lambda at: progress.show(at.sentence))
        name = re.sub(r"[^A-Za-z0-9.]+", "-", arguments.model).strip("-")
        output = arguments.output or Path(f"{arguments.questions.stem}.{name}.jsonl")
        try:
            records = run.sweep(
                loaded,
                items,
                budgets,
                output,
                answer_tokens=arguments.answer_tokens,
                tell=lambda done: progress.show(f"{done:,} of {len(items):,} questions"),
            )
        except OSError as error:
            raise InvalidInputError(f"{output} cannot be written: {error}") from error
    if not records:
        raise FastVError("No question was asked.")
    rows = run.table(items, budgets, records)
    problems = [
        {"picture": str(item.picture), "question": item.question, "problem": record["problem"]}
        for item, record in zip(items, records, strict=False)
        if "problem" in record
    ]
    data = {
        "model": arguments.model,
        "questions": len(items),
        "output": str(output),
        "rows": [asdict(row) for row in rows],
        "problems": problems,
    }
    told = [f"Not asked: {one['picture']}, “{one['question']}”: {one['problem']}" for one in problems]
    return Output(data, "\n\n".join([run.as_markdown(rows), "\n".join([*told, f"All answers: {output}"])]))


COMMAND = Command(
    "sweep",
    "ask a list of questions at several (K, R) and tabulate what pruning changes",
    "fastv sweep mini-7 assets/examples/questions.csv -k 2 3 -r 0.5 0.75 --output sweep.jsonl",
    _add_arguments,
    _run,
)
