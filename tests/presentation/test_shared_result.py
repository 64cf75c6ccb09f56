"""A result in a link: it comes back as it was, fits, and nothing else passes for one."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from fastv.presentation.result_card import SIZE, result_card
from fastv.presentation.shared_result import LONGEST, SharedResult, SharedSide

KEPT = tuple(tuple((row * column) % 3 == 1 for column in range(24)) for row in range(24))
RESULT = SharedResult(
    "mini-13",
    "Describe the “picture” ☃.",
    "2026-01-31",
    SharedSide("Without FastV", "", "a cat, a sign", 2.0e9, 2_000_000, 576),
    SharedSide("With FastV", "K=2, R=50%", "a cat, an elephant", 1.5e9, 1_280_000, 288),
    KEPT,
    61,
)


def text_of(data: object) -> str:
    return urlsafe_b64encode(zlib.compress(json.dumps(data).encode())).decode().rstrip("=")


def data_of(result: SharedResult) -> dict:
    text = result.text
    return json.loads(zlib.decompress(urlsafe_b64decode(text + "=" * (-len(text) % 4))))


def test_a_result_comes_back():
    assert SharedResult.parsed(RESULT.text) == RESULT and len(RESULT.text) < 700
    plain = replace(RESULT, kept=None, scene=None, baseline=replace(RESULT.baseline, flops=None))
    assert SharedResult.parsed(plain.text) == plain
    assert text_of(data_of(RESULT)) and SharedResult.parsed(text_of(data_of(RESULT))) == RESULT


def test_the_headline_tells_what_is_certain():
    assert RESULT.savings == ("36% less KV cache", "25% less prefill work") and not RESULT.agrees
    same = replace(RESULT, candidate=replace(RESULT.candidate, answer="a cat, a sign."))
    assert same.agrees and same.headline != RESULT.headline
    costlier = replace(RESULT, candidate=replace(RESULT.candidate, kv_cache_bytes=3_000_000, flops=None))
    assert costlier.savings == ("50% more KV cache",)


@pytest.mark.parametrize(
    "changes",
    [
        {"kept": [24, 24, "f" * 200]},
        {"kept": [10**6, 10**6, "0"]},
        {"kept": [24, True, "1"]},
        {"kept": [24, 24, "-1"]},
        {"scene": -1},
        {"scene": True},
        {"scene": 10**9},
        {"question": 3},
        {"baseline": None},
        {"candidate": {"name": "x"}},
        {"candidate": {**data_of(RESULT)["candidate"], "kv_cache_bytes": None}},
        {"candidate": {**data_of(RESULT)["candidate"], "flops": -1}},
        {"candidate": {**data_of(RESULT)["candidate"], "flops": float("nan")}},
        {"candidate": {**data_of(RESULT)["candidate"], "visual_tokens": "many"}},
    ],
)
def test_what_is_not_a_result_counts_as_none(changes):
    assert SharedResult.parsed(text_of({**data_of(RESULT), **changes})) is None


@pytest.mark.parametrize(
    "text", [None, "", "x", "!" * 40, "A" * (LONGEST + 1), RESULT.text[:-8], text_of([]), text_of(1)]
)
def test_other_texts_count_as_none(text):
    assert SharedResult.parsed(text) is None


def test_a_bomb_is_not_unpacked():
    bomb = urlsafe_b64encode(zlib.compress(b" " * 1_500_000, 9)).decode()
    assert len(bomb) < LONGEST and SharedResult.parsed(bomb) is None


def test_long_and_unprintable_texts_are_cut():
    long = {**data_of(RESULT), "question": "a\nb\u202e" + "x" * 900}
    question = SharedResult.parsed(text_of(long)).question
    assert question.startswith("a b x") and len(question) <= 300


@pytest.mark.parametrize("scale", [1, 40])
@pytest.mark.parametrize("with_picture", [True, False])
def test_the_card_is_of_the_size_that_previews_take(scale, with_picture):
    long = replace(
        RESULT, question=RESULT.question * scale, candidate=replace(RESULT.candidate, answer="elephant" * scale)
    )
    card = Image.open(BytesIO(result_card(long, Image.new("RGB", (336, 336), "teal") if with_picture else None)))
    assert card.size == SIZE and card.format == "PNG"
    assert len(card.convert("L").getcolors(256 * 256)) > 8  # something is drawn


def test_a_card_shows_what_was_kept():
    def colors(result):
        card = Image.open(BytesIO(result_card(result, Image.new("RGB", (336, 336), "teal"))))
        return card.crop((50, 90, 480, 500)).convert("L").resize((24, 24)).tobytes()

    assert colors(RESULT) != colors(replace(RESULT, kept=None))


def test_a_text_card_needs_no_picture():
    assert result_card(replace(RESULT, kept=None, scene=None), None)
