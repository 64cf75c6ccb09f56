"""``fastv compare``: one image, one question, two answers, and what each cost."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fastv.cli.command import Command, Output
from fastv.cli.method_options import add_options, options_of
from fastv.cli.progress import ProgressLine
from fastv.cli.table import table
from fastv.costs.memory import DTYPES
from fastv.errors import FastVError, InvalidInputError
from fastv.formatting import percent, sized
from fastv.pruning.methods.registry import METHODS

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel
    from fastv.measurement.results import Comparison, RunResult

_STAGES = {
    "waiting": "Waiting for the model",
    "baseline": "Answering without pruning",
    "fastv": "Answering with pruning",
    "measuring": "Timing",
}


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("image", help="an image file; with --video an MP4, WebM or GIF")
    parser.add_argument("question")
    parser.add_argument(
        "--model", default="mini-7", help="a name of fastv models, a folder or a hub id (default: mini-7)"
    )
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto", help="precision of the weights (default: auto)"
    )
    parser.add_argument("-k", type=int, default=2, metavar="K", help="drop before this decoder layer (default: 2)")
    parser.add_argument("-r", type=float, default=0.5, metavar="R", help="drop this fraction (default: 0.5)")
    parser.add_argument(
        "--method", default="fastv", help=f"what chooses the tokens: {', '.join(METHODS)} (default: fastv)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of methods that choose at random (default: 0)")
    add_options(parser)
    parser.add_argument("--video", action="store_true", help="read the file as a video")
    other = parser.add_argument_group("the baseline: by default the same model without pruning")
    other.add_argument("--baseline-model", metavar="MODEL", help="compare with another model")
    other.add_argument("--baseline-k", type=int, metavar="K", help="also prune the baseline, before this layer")
    other.add_argument("--baseline-r", type=float, default=0.5, metavar="R", help="fraction it drops (default: 0.5)")
    other.add_argument(
        "--baseline-method", choices=tuple(METHODS), metavar="METHOD", help="its method (default: that of --method)"
    )
    add_options(other, "baseline-")
    runs = parser.add_argument_group("the measurement")
    runs.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="longest answer (default: 64)")
    runs.add_argument("--repeats", type=int, default=3, metavar="N", help="timed passes of each side (default: 3)")
    runs.add_argument("--warmup", type=int, default=1, metavar="N", help="untimed passes before them (default: 1)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a report, one HTML file")


def _run(arguments: Namespace) -> Output:
    if arguments.report and not arguments.report.absolute().parent.is_dir():
        raise InvalidInputError(f"The folder of {arguments.report} does not exist.")
    with ProgressLine() as progress:
        progress.show("Importing torch")
        comparison = _compared(arguments, progress)
    if arguments.report:
        from fastv.presentation.report import as_html

        try:
            arguments.report.write_text(as_html(comparison), encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"{arguments.report} cannot be written: {error}") from error
    return Output(comparison.to_dict(), _text(comparison))


def _compared(arguments: Namespace, progress: ProgressLine) -> Comparison:
    from fastv.inputs.video import open_video
    from fastv.loading.load import load
    from fastv.measurement.compare import Comparison, RunSettings, Side, compare
    from fastv.pruning.config import PruningConfig

    def loaded(model: str) -> LoadedModel:
        return load(model, dtype=arguments.dtype, report=lambda at: progress.show(f"{model}: {at.sentence}"))

    candidate = loaded(arguments.model)
    name = arguments.baseline_model
    other = candidate if name in (None, arguments.model) else loaded(name)
    method, seed = arguments.method, arguments.seed

    def side(of: LoadedModel, k: int | None, r: float, method: str, prefix: str = "") -> Side:
        return Side(of, None if k is None else PruningConfig(method, k, r, seed, **options_of(arguments, prefix)))

    steps = compare(
        side(candidate, arguments.k, arguments.r, method),
        open_video(arguments.image) if arguments.video else arguments.image,
        arguments.question,
        baseline=side(
            other, arguments.baseline_k, arguments.baseline_r, arguments.baseline_method or method, "baseline-"
        ),
        settings=RunSettings(arguments.max_new_tokens, arguments.repeats, arguments.warmup),
    )
    for step in steps:
        if isinstance(step, Comparison):
            return step
        progress.show(f"{_STAGES.get(step.stage, step.stage)}: {percent(round(step.fraction, 2))}")
    raise FastVError("The comparison ended without a result.")


def _text(comparison: Comparison) -> str:
    sides = comparison.baseline, comparison.fastv
    rows = [
        ["first token", *(sized(side.prefill_seconds, "seconds") for side in sides)],
        ["each further token", *(_seconds(side.decode_seconds_per_token) for side in sides)],
        ["whole answer", *(sized(side.total_seconds, "seconds") for side in sides)],
        ["peak memory", *(sized(side.peak_bytes, "bytes") for side in sides)],
        ["KV cache", *(sized(side.kv_cache_bytes, "bytes") for side in sides)],
        ["visual tokens, last layer", *(f"{side.visual_tokens:,}" for side in sides)],
        ["prefill FLOPs (exact)", *(_flops(side.prefill_flops) for side in sides)],
        ["total FLOPs (exact)", *(_flops(side.total_flops) for side in sides)],
    ]
    names = [_name(side) for side in sides]
    answers = "\n".join(f"{name}: {side.answer}" for name, side in zip(names, sides, strict=True))
    footer = f"Medians of {comparison.repeats} timed passes per side, alternating, on {comparison.fastv.setup.device}."
    return f"{answers}\n\n{table(['', *names], rows)}\n\n{footer}"


def _name(side: RunResult) -> str:
    from fastv.pruning.config import PruningConfig

    setup = side.setup
    if setup.k is None or setup.r is None:
        return f"{setup.name}, no pruning"
    config = PruningConfig.from_dict(asdict(setup))
    told = "".join(f", {name}={value}" for name, value in (config.options if config else {}).items())
    return f"{setup.name}, {setup.method}, K={setup.k}, R={percent(setup.r)}{told}"


def _seconds(value: float | None) -> str:
    return "" if value is None else sized(value, "seconds")


def _flops(value: float | None) -> str:
    return "not known" if value is None else sized(value, "FLOPs")


COMMAND = Command(
    "compare",
    "answer one question about an image with and without pruning, and measure both",
    'fastv compare assets/examples/scene.png "How many animals are there?" --model mini-7 -k 2 -r 0.5',
    _add_arguments,
    _run,
)
