"""Finished comparisons with made-up numbers, and what a browser would read in a piece of HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from PIL import Image

from fastv.compare import Comparison, RunResult
from fastv.measure import Machine, Spread, Timing

HOSTILE = '<img src=x onerror="alert(1)">${alert(2)} {{x}} & </p>'


def spread(*runs: float) -> Spread:
    return Spread.of(runs)


def run(scale: float = 1.0, *, answer: str = "two", tokens: int = 3, visual: int = 576) -> RunResult:
    timing = Timing(
        spread(0.100 * scale, 0.104 * scale, 0.102 * scale),
        spread(0.005, 0.006, 0.004) if tokens > 1 else None,
        spread(0.2 * scale, 0.21 * scale, 0.22 * scale),
    )
    return RunResult(
        answer,
        timing,
        peak_bytes=30 * 2**20,
        kv_cache_bytes=int(6.5 * 2**20 * scale),
        visual_tokens=visual,
        prompt_tokens=600,
        answer_tokens=tokens,
        prefill_flops=8.11e9 * scale,
        total_flops=9e9,
    )


def comparison(baseline: RunResult | None = None, fastv: RunResult | None = None, **fields) -> Comparison:
    settings = dict(
        kept=((True, False), (False, True)),
        seen=Image.new("RGB", (28, 28)),
        question="how many ?",
        model="mini-7",
        dtype="float32",
        device="cpu",
        k=2,
        r=0.5,
        rank="last_token",
        seed=0,
        max_new_tokens=64,
        repeats=3,
        warmup=1,
        machine=Machine("Some CPU", 2, "3.11", "2.13", "5.23"),
    )
    return Comparison(baseline or run(), fastv or run(0.5, visual=288), **settings | fields)


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
