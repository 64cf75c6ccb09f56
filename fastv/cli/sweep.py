"""``fastv sweep``: a list of questions, each answered without pruning and at every (K, R)."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastv.cli.command import Command, Output
from fastv.cli.progress import ProgressLine
from fastv.costs.memory import DTYPES
from fastv.errors import InvalidInputError
from fastv.inputs.scoring.registry import MEASURES, measure_of
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

if TYPE_CHECKING:
    from fastv.sweep.datasets.base import Sample
    from fastv.sweep.run import SampleResult


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="a name of fastv models, a folder or a hub id")
    parser.add_argument(
        "questions",
        type=Path,
        help="a CSV, JSON Lines or Parquet file with the columns image, question and, if known, answer; a folder or a "
        "zip archive with one; or a data set's name on the hub, owner/name",
    )
    parser.add_argument("-k", type=int, nargs="+", default=[2], metavar="K", help="layers (default: 2)")
    parser.add_argument(
        "-r", type=float, nargs="+", default=[0.5], metavar="R", help="fractions dropped (default: 0.5)"
    )
    parser.add_argument(
        "--methods",
        "--rank",
        nargs="+",
        default=["fastv"],
        metavar="METHOD",
        help=f"of {', '.join(METHODS)} (default: fastv)",
    )
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="leave out rows that cannot be used, in place of refusing the file"
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        type=_chosen_column,
        default=[],
        metavar="FIELD=HEADING",
        help="which columns are meant, where their headings are others: answer=direct_answers",
    )
    parser.add_argument(
        "--score",
        default="exact",
        metavar="MEASURE",
        help=f"how answers are scored: {', '.join(MEASURES)}, or module:function (default: exact)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto", help="precision of the weights (default: auto)"
    )
    parser.add_argument("--answer-tokens", type=int, default=32, metavar="N", help="longest answer (default: 32)")
    parser.add_argument(
        "--report",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="write the tables to files too, by the ends of their names: .html, .csv, .json, .parquet",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the record of all answers, JSON Lines; the same command resumes it (default: in this folder, named after "
        "the questions and the model)",
    )


def _chosen_column(text: str) -> tuple[str, str]:
    field, separator, heading = text.partition("=")
    if not separator or not field or not heading:
        raise ArgumentTypeError(f"{text} is not FIELD=HEADING")
    return field, heading


def _run(arguments: Namespace) -> Output | None:
    with ProgressLine() as progress:
        progress.show("Importing torch")
        from fastv.loading.load import load
        from fastv.presentation.sweep.report import check_format, write_report
        from fastv.sweep.datasets.registry import read_dataset
        from fastv.sweep.run import check_answer_tokens, sweep
        from fastv.sweep.shards import Rank, sharded
        from fastv.sweep.table import as_markdown, notes, table

        for report in arguments.report:
            check_format(report)
        measure = measure_of(arguments.score)
        dataset = read_dataset(
            arguments.questions, skip_bad_rows=arguments.skip_bad_rows, columns=dict(arguments.columns)
        )
        samples = dataset.samples[: arguments.limit]
        configs = [
            PruningConfig(method, k, r) for method in arguments.methods for k in arguments.k for r in arguments.r
        ]
        check_answer_tokens(arguments.answer_tokens)
        rank = Rank.here()
        loaded = load(
            arguments.model, dtype=arguments.dtype, device=rank.device, report=lambda at: progress.show(at.sentence)
        )
        name = re.sub(r"[^A-Za-z0-9.]+", "-", arguments.model).strip("-")
        output = arguments.output or Path(f"{arguments.questions.stem}.{name}.jsonl")

        def ask(some: Sequence[Sample], path: Path) -> list[SampleResult]:
            def report(done: int) -> None:
                progress.show(f"{done:,} of {len(some):,} questions")

            return sweep(loaded, some, configs, path, answer_tokens=arguments.answer_tokens, report=report)

        try:
            if rank.ranks > 1 and not sharded(rank, samples, output, ask):
                return None  # rank 0 prints
            results = ask(samples, output)
        except OSError as error:
            raise InvalidInputError(f"{output} cannot be written: {error}") from error
    rows = table(results, configs, measure)
    bad_rows = [f"Left out: {row}" for row in dataset.bad_rows]
    unused = ", ".join(dataset.unused_columns)
    told = [
        *notes(results),
        *bad_rows,
        *([f"Columns not used: {unused}."] if unused else []),
        f"All answers: {output}",
    ]
    data = {
        "model": arguments.model,
        "date": datetime.now(UTC).date().isoformat(),
        "questions": len(samples),
        "output": str(output),
        "score": arguments.score,
        "rows": [row.to_dict() for row in rows],
        "problems": [
            {"picture": str(one.sample.image), "question": one.sample.question, "problem": one.problem}
            for one in results
            if one.problem
        ],
        "bad_rows": [asdict(row) for row in dataset.bad_rows],
    }
    for report in arguments.report:
        write_report(report, data)
    return Output(data, "\n\n".join([as_markdown(rows, measure), "\n".join(told)]))


COMMAND = Command(
    "sweep",
    "ask a list of questions at several (K, R) and tabulate what pruning changes",
    "fastv sweep mini-7 assets/examples/questions.csv -k 2 3 -r 0.5 0.75 --output sweep.jsonl",
    _add_arguments,
    _run,
)
