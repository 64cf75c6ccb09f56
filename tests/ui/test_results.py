"""What a comparison shows: every quantity of both sides, spreads, honest ratios, and nobody's markup but our own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from fastv.compare import Comparison, RunResult
from fastv.measure import Machine, Spread, Timing
from fastv.ui import results

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


class _Tags(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def words(html: str) -> str:
    return " ".join(_Tags(html).words)


def test_the_table_holds_every_quantity_of_both_sides():
    text = words(results.table(comparison()))
    for piece in (
        "First token ms prefill 102 100–104 51.0 50.0–52.0 0.50× the time 50% less",
        "Total ms 3 tokens 210 200–220 105",
        "Peak memory MiB weights included 30.0 30.0 the same memory",
        "KV cache MiB at the end 6.50 3.25",
        "Visual tokens layers 2 and up 576 288 0.50× the tokens",
        "Prefill FLOPs GFLOPs computed, exact 8.11 4.05 0.50× the FLOPs",
    ):
        assert piece in re.sub(r"\s+", " ", text)


def test_spreads_that_overlap_are_called_so():
    text = re.sub(r"\s+", " ", words(results.table(comparison())))
    assert "Per token ms after the first 5.00 4.00–6.00 5.00 4.00–6.00 the same time the spreads overlap" in text
    assert "First token" in text and text.count("the spreads overlap") == 1


def test_an_answer_of_one_token_has_no_time_per_token_and_lengths_that_differ_are_told():
    text = re.sub(r"\s+", " ", words(results.table(comparison(run(tokens=1), run(0.5, tokens=7, visual=288)))))
    assert "Per token ms after the first – 5.00 4.00–6.00 –" in text and "1 and 7 tokens" in text
    assert "Total ms 1 token 2" in re.sub(
        r"\s+", " ", words(results.table(comparison(run(tokens=1), run(0.5, tokens=1))))
    )


def test_the_empty_table_has_the_same_lines():
    def lines(html):
        return [tag for tag, _ in _Tags(html).tags if tag in ("tr", "th", "td")]
    assert lines(results.table()) == lines(results.table(comparison()))


def test_how_it_was_measured_is_said():
    text = words(results.table(comparison()))
    for piece in (
        "mini-7 in float32 on Some CPU, 2 threads",
        "medians of 3 runs",
        "taking turns",
        "PyTorch 2.13",
        "2 per multiply-add",
    ):
        assert piece in text
    assert "a single run of each side" in words(results.table(comparison(repeats=1)))
    assert "threads" not in words(results.table(comparison(device="cuda:0"))).split("Times")[0]


@pytest.mark.parametrize(
    "k, rank, piece",
    [
        (2, "last_token", "layer 1"),
        (0, "last_token", "chance"),
        (3, "random", "chance"),
        (1, "mean", "Layer 0 sees"),
        (0, "mean", "No layer sees"),
        (5, "mean", "Layers 0 to 4 see"),
    ],
)
def test_the_words_beside_the_picture_say_what_was_kept_and_why(k, rank, piece):
    text = words(results.kept_words(comparison(k=k, rank=rank)))
    assert piece in text and "288 of 576" in text


def test_foreign_text_is_never_markup():
    shown = [
        results.answers(HOSTILE, HOSTILE, budget=HOSTILE, expected=HOSTILE),
        results.status(HOSTILE, 0.5),
        results.problem(HOSTILE),
        results.table(comparison(model=HOSTILE, dtype=HOSTILE, machine=Machine(HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE))),
    ]
    for html in shown:
        assert not any(tag == "img" for tag, _ in _Tags(html).tags)
        assert HOSTILE in "".join(_Tags(html).words)
