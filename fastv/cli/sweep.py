"""``fastv sweep``: a list of questions, each answered without pruning and at every (K, R)."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastv.cli.command import Command, Output
from fastv.cli.method_options import add_options, options_of
from fastv.cli.progress import ProgressLine
from fastv.costs.memory import DTYPES
from fastv.errors import InvalidInputError
from fastv.inputs.scoring.registry import MEASURES, measure_of
from fastv.pruning.methods.registry import METHODS

if TYPE_CHECKING:
    from fastv.sweep.analysis.recommendation import LossMonitor
    from fastv.sweep.datasets.base import Dataset, Sample
    from fastv.sweep.results import SampleResult
    from fastv.sweep.run import Step


_POINTS = 1.0  # that may be lost, where nobody says


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
    add_options(parser)
    parser.add_argument(
        "--skip-bad-rows",
        action=BooleanOptionalAction,
        default=True,
        help="leave out rows that cannot be used and list them, or refuse a file that has any (default: leave out)",
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
    parser.add_argument(
        "--no-controls",
        action="store_true",
        help="leave out the controls: the same budgets with tokens dropped at random, and with smaller images",
    )
    parser.add_argument(
        "--lose-at-most",
        type=float,
        metavar="POINTS",
        help="recommend the cheapest setting that loses no more, and stop asking those that clearly do (default: "
        f"recommend for {_POINTS:g}, stop none)",
    )
    parser.add_argument(
        "--timed",
        type=int,
        default=16,
        metavar="N",
        help="time N of the questions, each by itself in passes that share nothing (default: 16)",
    )
    parser.add_argument("--answers-only", action="store_true", help="take no times")
    parser.add_argument(
        "--batch", type=int, default=8, metavar="N", help="answer at most N questions together (default: 8)"
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
        from fastv.measurement import records
        from fastv.presentation.sweep.report import check_format, write_report
        from fastv.sweep.analysis.recommendation import LossMonitor
        from fastv.sweep.analysis.summary import recommendation_of, summary
        from fastv.sweep.analysis.table import part_table, table
        from fastv.sweep.analysis.table_text import as_markdown, notes, parts_as_markdown
        from fastv.sweep.controls import controls_of, grid
        from fastv.sweep.datasets.registry import read_dataset
        from fastv.sweep.run import SweepRun
        from fastv.sweep.settings import SweepSettings
        from fastv.sweep.shards import Rank, sharded

        for report in arguments.report:
            check_format(report)
        measure = measure_of(arguments.score)
        dataset = read_dataset(
            arguments.questions, skip_bad_rows=arguments.skip_bad_rows, columns=dict(arguments.columns)
        )
        left_out = _left_out(dataset)
        samples = dataset.samples[: arguments.limit]
        configs = grid(arguments.methods, arguments.k, arguments.r, options_of(arguments))
        controls = [] if arguments.no_controls else controls_of(configs)
        timed = 0 if arguments.answers_only else arguments.timed
        settings = SweepSettings(arguments.answer_tokens, arguments.batch, timed)
        points = _POINTS if arguments.lose_at_most is None else arguments.lose_at_most
        monitor = LossMonitor(configs, points / 100, measure)
        rank = Rank.here()
        if left_out and rank.number == 0:
            print("\n".join(left_out), file=sys.stderr)  # now, not at the end of a long sweep
        loaded = load(
            arguments.model, dtype=arguments.dtype, device=rank.device, report=lambda at: progress.show(at.sentence)
        )
        name = re.sub(r"[^A-Za-z0-9.]+", "-", arguments.model).strip("-")
        output = arguments.output or Path(f"{arguments.questions.stem}.{name}.jsonl")

        def ask(
            some: Sequence[Sample], path: Path, settings: SweepSettings, monitor: LossMonitor
        ) -> tuple[list[SampleResult], list[SampleResult]]:
            """The results of the samples, and the same in the order in which they were asked."""
            stop = None if arguments.lose_at_most is None else monitor.look
            with SweepRun(loaded, some, [*configs, *controls], path, settings) as run:
                for step in run.steps(stop):
                    progress.show(_progress(step))
                return run.results(), run.in_order()

        def ask_slice(some: Sequence[Sample], path: Path) -> None:
            """Of one of several ranks: it takes no times, beside others that are at work."""
            ask(some, path, replace(settings, timed=0), LossMonitor(configs, points / 100, measure))

        try:
            if rank.ranks > 1 and not sharded(rank, samples, output, ask_slice):
                return None  # rank 0 prints
            results, in_order = ask(samples, output, settings, monitor)
        except OSError as error:
            raise InvalidInputError(f"{output} cannot be written: {error}") from error
    rows, parts = table(results, configs, measure, controls), part_table(results, configs, measure)
    recommendation = recommendation_of(monitor, in_order, rows)
    unused = ", ".join(dataset.unused_columns)
    told = [
        *notes(results),
        *left_out,
        *([f"Columns not used: {unused}."] if unused else []),
        f"All answers: {output}",
    ]
    data = summary(
        arguments.model,
        results,
        rows,
        parts,
        recommendation,
        score=arguments.score,
        bad_rows=dataset.bad_rows,
        output=str(output),
        data=arguments.questions.stem,
        header=records.read(output)[0],
    )
    for report in arguments.report:
        write_report(report, data)
    sentence = recommendation.sentence if recommendation else ""
    text = [sentence, as_markdown(rows, measure), parts_as_markdown(parts, measure), "\n".join(told)]
    return Output(data, "\n\n".join(filter(None, text)))


def _left_out(dataset: Dataset) -> list[str]:
    """How many rows cannot be used, then each with its line and reason; empty where all can."""
    bad, rows = dataset.bad_rows, len(dataset.bad_rows) + len(dataset.samples)
    return [f"{len(bad):,} of {rows:,} rows left out:", *(f"- {row}" for row in bad)] if bad else []


def _progress(step: Step) -> str:
    if step.answered < step.questions or not step.to_time:
        return f"{step.answered:,} of {step.questions:,} questions answered"
    return f"{step.timed:,} of {step.to_time:,} questions timed"


COMMAND = Command(
    "sweep",
    "ask a list of questions at several (K, R) and tabulate what pruning changes",
    "fastv sweep mini-7 assets/examples/questions.csv -k 2 3 -r 0.5 0.75 --output sweep.jsonl",
    _add_arguments,
    _run,
)
