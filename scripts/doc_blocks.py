"""The generated blocks of the documentation, each written from the project's own data."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastv.costs import configs
from fastv.costs.flops import prefill_flops
from fastv.evidence.findings import findings
from fastv.evidence.layer_findings import layer_findings
from fastv.evidence.measurements import measured
from fastv.families.catalogue import CATALOGUE, find
from fastv.formatting import percent, points
from fastv.inputs.scoring.base import Measure
from fastv.inputs.scoring.own_function import OwnFunction
from fastv.inputs.scoring.registry import MEASURES
from scripts import (
    exhibit_blocks,
    gpu_blocks,
    leaderboard_blocks,
    lmms_eval_blocks,
    method_grid_blocks,
    method_share_blocks,
    model_type_blocks,
)

ROOT = Path(__file__).resolve().parents[1]
PAIR = ("mini-7", "mini-13")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


@lru_cache
def _record(name: str) -> dict[str, Any]:
    """What a benchmark wrote."""
    return json.loads((ROOT / "benchmarks" / "measured" / f"{name}.json").read_text(encoding="utf-8"))


def real_models() -> str:
    """The models of the catalogue that are fetched, and what they take."""
    from fastv.loading.memory_fit import required_bytes

    return _table(
        ["`--model`", "on the hub", "download", "memory, 16 bits", "8bit", "4bit", "visual tokens"],
        [
            [
                f"`{entry.key}`",
                entry.repository,
                f"{(entry.download_bytes or 0) / 1e9:.1f} GB",
                *(f"{(required_bytes(entry, dtype) or 0) / 1e9:.1f} GB" for dtype in ("float16", "8bit", "4bit")),
                f"{entry.visual_tokens:,}",
            ]
            for entry in CATALOGUE
            if not entry.embedded
        ],
    )


def methods() -> str:
    """The registered pruning methods."""
    from fastv.pruning.methods.registry import described

    return _table(
        ["name", "label", "keeps tokens", "reads", "cuts", "source"],
        [
            [
                f"`{one['name']}`",
                one["label"],
                one["phrase"],
                ", ".join(one["signals"].values()) or "nothing",
                one["cuts"],
                one["paper"] or "",
            ]
            for one in described()
        ],
    )


def measures() -> str:
    """The measures by which a sweep scores answers."""
    described: list[Measure | type[Measure]] = [*MEASURES.values(), OwnFunction]
    rows = [[f"`{one.name}`", one.summary, one.paper] for one in described]
    return _table(["`--score`", "what it counts", "source"], rows)


def commands() -> str:
    """The subcommands of ``fastv``."""
    from fastv.cli.registry import COMMANDS

    return _table(["command", "what it does"], [[f"`fastv {one.name}`", one.summary] for one in COMMANDS])


def switches() -> str:
    """Every switch of the app."""
    from fastv.app.hosting.settings import Settings, variable

    return _table(
        ["switch", "variable", "what it sets"],
        [
            [f"`--{one.name.replace('_', '-')}`", f"`{variable(one.name)}`", one.metadata["help"].replace("|", "\\|")]
            for one in fields(Settings)
        ],
    )


def _scores(model: str) -> dict[str, dict[str, float]]:
    return json.loads((Path(find(model).source) / "scores.json").read_text(encoding="utf-8"))["scores"]


def miniature_scores() -> str:
    """How often each miniature is right, without pruning, by task."""
    scores = [_scores(model) for model in PAIR]

    def cells(score: dict[str, float]) -> list[str]:
        return [f"{score['share']:.1%}", f"{score['low']:.1%} to {score['high']:.1%}"]

    rows = [[task, *(cell for one in scores for cell in cells(one[task]))] for task in scores[0]]
    return _table(["task", PAIR[0], "95% interval", PAIR[1], "95% interval"], rows)


def miniature_accuracy() -> str:
    """``94.5% (mini-7) and 95.5% (mini-13) of 12,000 questions``"""
    scores = [_scores(model)["all"] for model in PAIR]
    told = " and ".join(f"{score['share']:.1%} ({model})" for model, score in zip(PAIR, scores, strict=True))
    return f"{told} of {scores[0]['asked']:,} questions"


def _flops_ratio(**prompt: Any) -> str:
    small, large = (prefill_flops(configs.shape_of(model), r=0.0, **prompt) for model in PAIR)
    return f"{large / small:.2f}"


def paper_pair_ratio() -> str:
    """The 13B at K=2, R=50%, beside the 7B: in total, by the paper's formula."""
    large, small = configs.shape_of("llava-1.5-13b"), configs.shape_of("llava-1.5-7b")
    return percent(prefill_flops(large, k=2, r=0.5) / prefill_flops(small, r=0.0))


def measured_findings() -> str:
    """One bullet for each finding."""
    return "\n".join(_wrapped(f"- **{one.question}** {one.sentence}", "  ") for one in findings())


def layer_sentences() -> str:
    """One bullet for each finding about layers."""
    return "\n".join(_wrapped(f"- **{one.question}** {one.sentence}", "  ") for one in layer_findings())


def finding_details() -> str:
    """The numbers behind the findings."""
    return "\n".join(_wrapped(f"- *{one.question}* {one.detail}", "  ") for one in findings() if one.detail)


def describe_change() -> str:
    """What K=2, R=50% changes in descriptions."""
    told = []
    for model in PAIR:
        record = measured(model)
        assert record is not None
        point = record.point(2, 0.5)
        assert point is not None
        told.append(f"{points(record.change(point, 'describe').share)} points on {model}")
    return " and ".join(told)


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def small_machines() -> str:
    """The runs of benchmarks/edge.py."""
    rows = []
    for row in _record("edge")["rows"]:
        cells = [
            row["model"],
            f"{row['parameters'] / 1e6:,.1f} M",
            row["dtype"],
            f"{row['weight_bytes'] / 2**20:,.0f} MiB",
        ]
        for name in ("prefill_seconds", "decode_seconds_per_token"):
            before, after = (row[side]["timing"][name]["median"] for side in ("baseline", "fastv"))
            cells += [_duration(before), f"{_duration(after)} ({before / after:.2f}x)"]
        cells += [f"{row[side]['peak_bytes'] / 2**20:,.0f} MiB" for side in ("baseline", "fastv")]
        rows.append(cells)
    return _table(
        ["model", "weights", "held as", "in memory", "first token", "pruned", "per token", "pruned", "peak", "pruned"],
        rows,
    )


def small_machines_setting() -> str:
    """How benchmarks/edge.py was run."""
    record = _record("edge")
    settings, machine = record["settings"], record["machine"]
    return (
        f"K={settings['k']}, R={settings['r']:.0%}, {settings['text']} text and 576 visual tokens, answers of "
        f"{settings['answer']} tokens, medians of {settings['repeats']} runs in which the sides alternate; "
        f"{machine['threads']} threads on {machine['device']}, torch {machine['torch']}"
    )


def prefill_saving() -> str:
    """The run of benchmarks/prefill.py."""
    record = _record("prefill")
    settings, before, after = record["settings"], record["baseline"], record["fastv"]
    ratio = before["seconds"]["median"] / after["seconds"]["median"]
    predicted = before["flops"] / after["flops"]
    saved = before["peak_bytes"] - after["peak_bytes"]
    names = {"k": "-k", "r": "-r"}
    options = " ".join(
        f"{names.get(name, f'--{name}')} {settings[name]}"
        for name in ("width", "layers", "visual", "text", "k", "r", "threads")
    )
    return _wrapped(
        f"`python benchmarks/prefill.py {options}` ({settings['dtype']}, random weights): {ratio:.2f} times as fast, "
        f"where the decoder's FLOPs predict {predicted:.2f}; {record['fastv_share']['median']:.1%} of the prefill is "
        f"spent on ranking and gathering; peak memory is {saved / 2**20:.1f} MiB below the "
        f"baseline's {before['peak_bytes'] / 2**30:.2f} GiB."
    )


def waiting_times() -> str:
    """The run of benchmarks/waiting.py."""
    record = _record("waiting")
    pairs = " and ".join(f"{pair['median_seconds']:.1f} s for {model}" for model, pair in record["pairs"].items())
    return _wrapped(
        f"With Python {record['python']} and torch {record['torch']} on two idle cores the page was there "
        f"{record['open_seconds']:.0f} s after the start, and the first pair of answers after "
        f"{record['first_answer_seconds']:.0f} s; a further pair takes {pairs}, with warm-up, timing and memory "
        "(`python benchmarks/waiting.py`)."
    )


def contention() -> str:
    """The run of benchmarks/contention.py, with as many threads as cores, and with as many as are free."""
    record = _record("contention")
    most = max(one["threads"] for one in record["measured"] if one["threads"] != "fitting")
    found = {(one["policy"], one["threads"], one["condition"]): one for one in record["measured"]}

    def cells(policy: str, threads: int | str, quantity: str) -> list[str]:
        idle, beside = (found[policy, threads, condition][quantity]["median"] for condition in ("idle", "contended"))
        return [f"{idle * 1e3:.1f} ms", f"{beside * 1e3:.1f} ms", f"{beside / idle:.2f}x"]

    rows = [
        [
            f"`{policy}`",
            "free cores" if threads == "fitting" else str(threads),
            *cells(policy, threads, "prefill_seconds"),
            *cells(policy, threads, "decode_seconds_per_token"),
        ]
        for policy, threads in [("default", "fitting"), *((policy, most) for policy in record["policies"])]
    ]
    heading = ["wait policy", "threads", "prefill, idle", "beside", "ratio", "a token, idle", "beside", "ratio"]
    return _table(heading, rows)


def endpoint_times() -> str:
    """The run of benchmarks/endpoints.py."""
    record = _record("endpoints")
    asked = {
        "run": "one POST to `/gradio_api/run/cost`",
        "call": "`/gradio_api/call/cost` and its event stream",
        "gradio_client": "Gradio's Python client",
        "function": "a direct call of the function",
    }
    cost = [[told, f"{record['cost'][way]['median'] * 1e3:.1f} ms"] for way, told in asked.items()]
    pair = record["pair"]
    spent = f"{pair['seconds']['median']:.2f} s, of which {pair['timed_passes']['median']:.2f} s are its timed passes"
    return _table(["asked", "median"], [*cost, ["a pair of short answers of mini-7 by `/compare`", spent]])


def load_test() -> str:
    """The run of benchmarks/load.py."""
    record = _record("load")
    crowd, soak = record["crowd"], record["soak"]
    outcomes = Counter(one["outcome"] for one in crowd)
    seconds = sorted(one["seconds"] for one in crowd if one["outcome"] == "answer")
    ended = ", ".join(f"{count} {outcome}" for outcome, count in soak["outcomes"].items())
    return _table(
        ["what", "result"],
        [
            [
                "clients at once",
                f"{len(crowd)}: {outcomes['answer']} answered, {outcomes['busy']} refused as busy",
            ],
            ["seconds to an answer", f"{seconds[len(seconds) // 2]:.1f} median, {seconds[-1]:.1f} longest"],
            ["mixed requests from 8 clients", ended],
            ["wrong results", str(len(soak["faults"]))],
            ["memory after the first 50", f"{soak['growth']:+.1%}"],
        ],
    )


def sweep_sharing() -> str:
    """The run of benchmarks/sweep_sharing.py."""
    record = _record("sweep_sharing")
    batch = record["settings"]["batch"]
    told = {
        "by_themselves": "every answer by itself",
        "shared": "branching off one pass",
        "shared_and_guessed": "that, with the answer without pruning as a guess",
        "shared_guessed_and_batched": f"that, with up to {batch} questions together",
    }
    return _table(
        ["answers", "processor time", "wall clock", "answers that differ"],
        [
            [words, f"{way['cpu_ratio']:.2f}", f"{way['ratio']:.2f}", str(way["different_answers"])]
            for words, way in ((words, record["ways"][name]) for name, words in told.items())
        ],
    )


def sweep_flops_share() -> str:
    """What is left of the FLOPs of that run."""
    return f"{_record('sweep_sharing')['flops_share']:.2f}"


BLOCKS: dict[str, Callable[[], str]] = {
    **exhibit_blocks.BLOCKS,
    **gpu_blocks.BLOCKS,
    **leaderboard_blocks.BLOCKS,
    "measured-methods": method_grid_blocks.measured_methods,
    **lmms_eval_blocks.BLOCKS,
    **method_share_blocks.BLOCKS,
    **model_type_blocks.BLOCKS,
    "real-models": real_models,
    "methods": methods,
    "measures": measures,
    "commands": commands,
    "switches": switches,
    "miniature-scores": miniature_scores,
    "miniature-accuracy": miniature_accuracy,
    "miniature-layer-ratio": lambda: _flops_ratio(text_tokens=1, visual_tokens=0),
    "miniature-prompt-ratio": _flops_ratio,
    "paper-pair-ratio": paper_pair_ratio,
    "findings": measured_findings,
    "finding-details": finding_details,
    "layer-findings": layer_sentences,
    "describe-change": describe_change,
    "small-machines": small_machines,
    "small-machines-setting": small_machines_setting,
    "prefill-saving": prefill_saving,
    "waiting-times": waiting_times,
    "contention": contention,
    "endpoints": endpoint_times,
    "load-test": load_test,
    "sweep-sharing": sweep_sharing,
    "sweep-flops-share": sweep_flops_share,
}
