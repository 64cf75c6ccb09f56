"""Finished comparisons with made-up numbers, and what a browser would read in a piece of HTML."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from PIL import Image

from fastv.inputs.frame_view import FrameView
from fastv.measurement.machine import Machine
from fastv.measurement.results import Comparison, RunResult, Setup
from fastv.measurement.timing import Spread, Timing

HOSTILE = '<img src=x onerror="alert(1)">${alert(2)} {{x}} & </p>'


def spread(*runs: float) -> Spread:
    return Spread.of(runs)


PLAIN = Setup("mini-7", "mini-7", "float32", "cpu")
PRUNED = replace(PLAIN, k=2, r=0.5, method="fastv", seed=0)


def run(
    scale: float = 1.0,
    *,
    setup: Setup = PLAIN,
    answer: str = "two",
    tokens: int = 3,
    visual: int = 576,
    kept: tuple = ((True, True), (True, True)),
    seen: Image.Image | None = None,
) -> RunResult:
    timing = Timing(
        spread(0.100 * scale, 0.104 * scale, 0.102 * scale),
        spread(0.005, 0.006, 0.004) if tokens > 1 else None,
        spread(0.2 * scale, 0.21 * scale, 0.22 * scale),
    )
    return RunResult(
        setup,
        answer,
        timing,
        peak_bytes=30 * 2**20,
        kv_cache_bytes=int(6.5 * 2**20 * scale),
        visual_tokens=visual,
        prompt_tokens=600,
        answer_tokens=tokens,
        prefill_flops=8.11e9 * scale,
        total_flops=9e9,
        seen=(FrameView(kept, seen or Image.new("RGB", (28, 28))),),
    )


def pruned(scale: float = 0.5, *, setup: Setup = PRUNED, **fields) -> RunResult:
    return run(scale, setup=setup, **{"visual": 288, "kept": ((True, False), (False, True))} | fields)


def comparison(baseline: RunResult | None = None, fastv: RunResult | None = None, **fields) -> Comparison:
    settings = dict(
        question="how many ?",
        max_new_tokens=64,
        repeats=3,
        warmup=1,
        machine=Machine("Some CPU", 2, "3.11", "2.13", "5.23"),
    )
    return Comparison(baseline or run(), fastv or pruned(), **settings | fields)


def duel() -> Comparison:
    """The larger model with FastV beside the smaller one without."""
    return comparison(run(answer="three"), pruned(1.2, setup=replace(PRUNED, model="mini-13", name="mini-13")))


class Tags(HTMLParser):
    """The tags of a text with their attributes, and the words between them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def words(html: str) -> str:
    return " ".join(Tags(html).words)
