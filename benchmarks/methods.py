"""What every pruning method's own work takes of a prefill: ranking, merging and gathering, on random weights.

    python benchmarks/methods.py --record methods.json
    python benchmarks/methods.py --methods fastv divprune --pictures 1 --repeats 9

A LLaVA with a decoder of LLaMA's proportions and a vision tower of almost no cost reads a prompt of one picture of 576
visual tokens, and one of five. A method's own time is what Python spends in this project's functions during one
prefill, found by a profiler, which slows it down a little. Where a layer takes over keys that the method has computed,
the time of computing them is the layer's: it is measured on its own, right after, and taken off. Prefills of all
methods and one without pruning are timed in turn, and a method has two shares: of the prefill without pruning, which it
has to be worth, and of its own, which is shorter. The goal is 1% of the former for methods that read attention, and 5%
for others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from prefill import MS, build, project_modules

from fastv import METHODS
from fastv.errors import FastVError
from fastv.measurement.machine import Machine
from fastv.measurement.profiling import seconds_inside, seconds_of
from fastv.measurement.timing import Spread, now
from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.signals import OWN_ATTENTION
from fastv.pruning.trace import Trace


def goal_of(name: str) -> float:
    """The largest share of the prefill without pruning that a method's own work should take."""
    return 0.01 if issubclass(METHODS[name], AttentionMethod) else 0.05


def measured(settings: argparse.Namespace, pictures: int) -> dict[str, Any]:
    """The baseline, and an entry for each method; one that cannot serve this prompt has its reason as ``refused``."""
    model, one = build(settings)
    device = torch.device(settings.device)
    before = settings.text // 4
    ids = one["input_ids"][0]
    repeated = [ids[:before], *[ids[before : before + settings.visual]] * pictures, ids[before + settings.visual :]]
    inputs = {
        "input_ids": torch.cat(repeated)[None],
        "pixel_values": one["pixel_values"].repeat(pictures, 1, 1, 1),
    }

    @torch.inference_mode()
    def plain() -> float:
        with seconds_of(model, device) as seconds:
            model(**inputs, use_cache=True, logits_to_keep=1)
        return seconds[0]

    def pruned(name: str) -> tuple[float, float]:
        with METHODS[name](k=settings.k, r=settings.r)(model) as trace, seconds_inside(*project_modules()) as inside:
            whole = plain()
        taken_over = _key_seconds(model, trace, device) if OWN_ATTENTION in METHODS[name].signals else 0.0
        return inside[0] - taken_over, whole

    refused: dict[str, str] = {}
    for name in settings.methods:  # also warms up
        try:
            pruned(name)
        except FastVError as problem:
            refused[name] = str(problem)
    served = [name for name in settings.methods if name not in refused]
    baselines: list[float] = []
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in served}
    for _ in range(settings.repeats):
        baselines.append(plain())
        for name in served:
            runs[name].append(pruned(name))
    found: list[dict[str, Any]] = []
    for name in settings.methods:
        if name in refused:
            found.append({"method": name, "refused": refused[name]})
            print(f"{name:>16}: {refused[name]}", flush=True)
            continue
        own, whole = (Spread.of(values) for values in zip(*runs[name]))
        entry = {"method": name, "own": asdict(own), "prefill": asdict(whole), "goal": goal_of(name)}
        entry["share"] = asdict(Spread.of(part / all_ for part, all_ in runs[name]))
        entry["share_of_baseline"] = asdict(Spread.of(part / all_ for (part, _), all_ in zip(runs[name], baselines)))
        found.append(entry)
        print(line(entry), flush=True)
    return {"baseline": asdict(Spread.of(baselines)), "methods": found}


@torch.inference_mode()
def _key_seconds(model: Any, trace: Trace, device: torch.device) -> float:
    """Of the keys of what each cut left, in its layer."""
    found = 0.0
    text = trace.prompt_length - sum(trace.visual_counts)
    for number, kept in trace.kept_after_each_cut:
        project = model.model.language_model.layers[number].self_attn.k_proj
        states = torch.randn(1, text + sum(kept), project.in_features, dtype=project.weight.dtype, device=device)
        start = now(device)
        project(states)
        found += now(device) - start
    return found


def line(entry: dict[str, Any]) -> str:
    """One method's numbers for people."""
    share, own, shorter = entry["share_of_baseline"], entry["own"], entry["share"]
    return (
        f"{entry['method']:>16}: {own['median'] / MS:7.1f} ms: {share['median']:6.2%} of the baseline's prefill "
        f"({share['low']:.2%} to {share['high']:.2%}, goal {entry['goal']:.0%}), "
        f"{shorter['median']:.2%} of its own of {entry['prefill']['median'] / MS:.1f} ms"
    )


def main(argv: Sequence[str] | None = None) -> None:
    settings = arguments(argv)
    torch.set_num_threads(settings.threads)
    here = Machine.here(torch.device(settings.device))
    rows = []
    for pictures in settings.pictures:
        print(f"{pictures * settings.visual} visual tokens in {pictures} pictures", flush=True)
        tokens = pictures * settings.visual
        rows.append({"pictures": pictures, "visual_tokens": tokens, **measured(settings, pictures)})
        if settings.record:
            kept = {name: value for name, value in vars(settings).items() if name != "record"}
            record = {"machine": asdict(here), "settings": kept, "rows": rows}
            settings.record.write_text(json.dumps(record, indent=1) + "\n")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="(default: all)")
    add("--pictures", nargs="+", type=int, default=[1, 5], help="in a prompt (default: one prompt of 1, one of 5)")
    add("--width", type=int, default=1_024, help="decoder width, a multiple of 128 (default: %(default)s)")
    add("--layers", type=int, default=8, help="decoder layers (default: %(default)s)")
    add("--visual", type=int, default=576, help="visual tokens of a picture, a square number (default: %(default)s)")
    add("--text", type=int, default=36, help="text tokens (default: %(default)s)")
    add("-k", type=int, default=2, help="of methods that take it (default: %(default)s)")
    add("-r", type=float, default=0.5, help="fraction of visual tokens to drop (default: %(default)s)")
    add("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    add("--repeats", type=int, default=3, help="prefills of each method (default: %(default)s)")
    add("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    add("--device", default="cpu")
    add("--record", type=Path, help="also writes all numbers and the machine to this JSON file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
