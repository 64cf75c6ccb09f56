"""``fastv cost``: FLOPs and bytes of a prompt and its answer, by arithmetic from a config."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from fastv.cli import workload
from fastv.cli.command import Command, Output
from fastv.cli.table import table
from fastv.costs.flops import Cost
from fastv.formatting import budget, percent, sized
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

_ROWS = (
    ("prefill", "prefill_flops", "FLOPs"),
    ("decoder prefill", "decoder_prefill_flops", "FLOPs"),
    ("choosing tokens", "method_flops", "FLOPs"),
    ("average decoder layer", "layer_average_flops", "FLOPs"),
    ("decode, per token", "decode_flops_per_token", "FLOPs"),
    ("prompt and answer", "total_flops", "FLOPs"),
    ("KV cache", "kv_cache_bytes", "bytes"),
    ("weights", "parameter_bytes", "bytes"),
)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help=workload.MODEL_HELP)
    parser.add_argument("-k", type=int, default=2, metavar="K", help="drop before this decoder layer (default: 2)")
    parser.add_argument("-r", type=float, default=0.5, metavar="R", help="drop this fraction (default: 0.5)")
    parser.add_argument(
        "--method",
        default="fastv",
        choices=tuple(METHODS),
        metavar="METHOD",
        help="what drops them (fastv methods lists all; default: fastv)",
    )
    workload.add_arguments(parser, "exact")


def _run(arguments: Namespace) -> Output:
    shape = workload.shape_of(arguments.model)
    prompt = workload.workload_of(arguments, shape, arguments.model)
    baseline = prompt.cost(shape, None, 0.0, arguments.convention)
    pruning = PruningConfig(arguments.method, arguments.k, arguments.r)
    given = pruning.cost_arguments(shape, prompt.text_tokens, prompt.visual_tokens, prompt.pictures)
    pruned = prompt.cost(shape, convention=arguments.convention, **given)
    data = {
        "model": arguments.model,
        "method": pruning.method,
        "k": pruning.k,
        "r": pruning.r,
        **asdict(prompt),
        "convention": arguments.convention,
        "baseline": _fields(baseline),
        "pruned": _fields(pruned),
    }
    rows = []
    for name, field, unit in _ROWS:
        before, after = getattr(baseline, field), getattr(pruned, field)
        rows.append([name, sized(before, unit), sized(after, unit), percent(after / before) if before else ""])
    setting = budget(pruning.k, pruning.r) if METHODS[pruning.method].takes_k else f"R={percent(pruning.r)}"
    heading = (
        f"{arguments.model}, {pruning.label}, {setting}; {prompt.text_tokens:,} text and "
        f"{prompt.visual_tokens:,} visual tokens, answer of {prompt.answer_tokens:,}; {arguments.convention} FLOPs, "
        f"{prompt.dtype}"
    )
    return Output(data, f"{heading}\n\n{table(['', 'no pruning', 'pruned', 'pruned / no pruning'], rows)}")


def _fields(cost: Cost) -> dict[str, Any]:
    values = {name: value for name, value in asdict(cost).items() if name != "convention"}
    return {**values, "layer_average_flops": cost.layer_average_flops}


COMMAND = Command(
    "cost",
    "compute FLOPs, KV cache and weights from a model's config, with and without pruning",
    "fastv cost llava-1.5-13b -k 2 -r 0.5 --answer-tokens 64",
    _add_arguments,
    _run,
)
