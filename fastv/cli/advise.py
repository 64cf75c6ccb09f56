"""``fastv advise``: which setting to use, for a model, a device and the points of score that may be lost."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from fastv.cli import workload
from fastv.cli.command import Command, Output
from fastv.costs import roofline
from fastv.errors import InvalidInputError
from fastv.evidence.advice_text import sentences
from fastv.evidence.adviser import advise


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help=workload.MODEL_HELP)
    parser.add_argument("--may-lose", type=float, default=1.0, metavar="POINTS", help="points of score (default: 1)")
    parser.add_argument("--device", default="a100-80g", metavar="KEY", help="where it runs (default: a100-80g)")
    workload.add_arguments(parser, "exact")
    parser.set_defaults(answer_tokens=64)


def _run(arguments: Namespace) -> Output:
    devices = roofline.devices()
    if arguments.device not in devices:
        raise InvalidInputError(f"Unknown device “{arguments.device}”: choose one of {', '.join(devices)}.")
    shape, device = workload.shape_of(arguments.model), devices[arguments.device]
    prompt = workload.workload_of(arguments, shape, arguments.model)
    advice = advise(arguments.model, shape, prompt, device, arguments.may_lose)
    data = {
        "model": arguments.model,
        "device": device.key,
        **asdict(prompt),
        "may_lose_points": arguments.may_lose,
        **asdict(advice),
    }
    return Output(data, "\n".join(sentences(arguments.model, advice, device.name, prompt.batch, arguments.may_lose)))


COMMAND = Command(
    "advise",
    "name the cheapest setting whose known loss stays within the points that may be lost",
    "fastv advise llava-1.5-13b --device a100-80g --batch 16 --answer-tokens 64 --may-lose 1",
    _add_arguments,
    _run,
)
