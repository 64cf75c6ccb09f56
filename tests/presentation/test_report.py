"""A report stands alone, holds the numbers of the page, and lets nobody's text become markup."""

from __future__ import annotations

import csv
import json
import re
from base64 import b64decode
from dataclasses import replace
from html import unescape
from io import BytesIO, StringIO

import numpy as np
import pytest
from PIL import Image

from fastv.evidence.known_quality import known_quality
from fastv.measurement.machine import Machine
from fastv.presentation import comparison_html, report
from fastv.presentation.verdict import verdict
from fastv.pruning.methods.registry import METHODS
from tests.support.comparisons import HOSTILE, PLAIN, PRUNED, Tags, comparison, duel, pruned, run, words

LINK = "http://127.0.0.1:7860/?model=mini-7&k=2"


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", words(html))


def images(html: str) -> list[Image.Image]:
    sources = [attributes["src"] for tag, attributes in Tags(html).tags if tag == "img"]
    return [Image.open(BytesIO(b64decode(source.removeprefix("data:image/png;base64,")))) for source in sources]


def test_it_asks_for_nothing_from_outside_and_runs_nothing():
    html = report.as_html(comparison(), link=LINK)
    for tag, attributes in Tags(html).tags:
        assert tag not in ("script", "link", "iframe", "object")
        assert attributes.get("src", "data:").startswith("data:") and not any(name[:2] == "on" for name in attributes)
        assert tag == "a" or "href" not in attributes
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    policies = [attributes.get("content", "") for tag, attributes in Tags(html).tags if tag == "meta"]
    assert any(policy.startswith("default-src 'none'") for policy in policies)


def test_it_shows_the_table_of_the_page_and_how_it_was_measured():
    made = comparison()
    text = plain(report.as_html(made, expected="three"))
    assert plain(comparison_html.table(made)) in text
    for piece in (
        "how many ?",
        "Expected: three",
        "K=2, R=50%",
        "2 of 4",
        "600 tokens, 4 of them visual",
        "float32 on Some CPU",
        "PyTorch 2.13",
        "First token 50%",
        "Peak memory 100%",
    ):
        assert piece in text
    assert text.count("two") >= 2 and "Expected" not in report.as_html(made)


def test_both_pictures_are_inside_and_show_what_was_seen_and_kept():
    seen = Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8))
    whole, kept = images(report.as_html(comparison(fastv=pruned(seen=seen))))
    assert np.array_equal(whole, seen)
    rows = np.asarray(kept)
    half = len(rows) // 2
    assert rows[:half, half:].max() < rows[:half, :half].max() and rows[half:, :half].max() < 120


def test_the_bars_have_the_lengths_of_the_shares():
    html = report.as_html(comparison(run(), pruned(2.0)))
    widths = [float(width) for width in re.findall(r'class="bar" style="width: ([\d.]+)%', html)]
    assert max(widths) == 100 and "--whole: 50.0%" in html and widths[0] == 100
    assert "First token 200%" in plain(html)


def test_an_answer_of_one_token_has_no_bar_for_what_it_lacks():
    html = report.as_html(comparison(run(tokens=1), pruned(tokens=1)))
    assert html.count('class="bar') - html.count('class="bars') == 6


def test_foreign_text_is_never_markup():
    machine = Machine(HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE)
    names = {"model": HOSTILE, "name": HOSTILE, "dtype": HOSTILE}
    sides = (
        run(answer=HOSTILE, setup=replace(PLAIN, **names | {"model": "x"})),
        pruned(answer=HOSTILE, setup=replace(PRUNED, **names)),
    )
    html = report.as_html(
        comparison(*sides, question=HOSTILE, machine=machine), expected=HOSTILE, link=f"https://x/{HOSTILE}"
    )
    assert len(images(html)) == 2 and unescape(html).count(HOSTILE) >= 8
    harmless = report.as_html(duel(), expected="two", link="https://x/")
    assert [tag for tag, _ in Tags(html).tags] == [tag for tag, _ in Tags(harmless).tags if tag != "mark"]
    assert not any("onerror" in attributes for _, attributes in Tags(html).tags)


@pytest.mark.parametrize("link", [None, "", "javascript:alert(1)", "data:text/html,x", "/relative"])
def test_only_addresses_of_pages_become_links(link):
    assert not any(tag == "a" for tag, _ in Tags(report.as_html(comparison(), link=link)).tags)


def test_the_link_is_kept_as_it_is():
    tags = Tags(report.as_html(comparison(), link=LINK)).tags
    (link,) = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert link == LINK


def test_the_verdict_is_at_the_top_and_the_date_below():
    made = comparison(date="2026-11-05T09:52:07+00:00")
    text = plain(report.as_html(made))
    top, rest = text.split("Question", 1)
    assert verdict(made) in top
    assert "5 November 2026, 09:52 UTC" in rest and known_quality("mini-7", 2, 0.5) in rest
    assert csv.DictReader(StringIO(report.as_csv(made))).__next__()["date"] == made.date


@pytest.mark.parametrize(
    "link, own", [(LINK, True), ("http://localhost:7860/", True), ("https://x.hf.space/?k=2", False)]
)
def test_an_address_that_works_on_one_machine_only_is_called_so(link, own):
    below = plain(report.as_html(comparison(), link=link)).split("Run it again")[1]
    assert ("local machine" in below) == own


def test_the_csv_has_a_line_for_each_side_in_base_units():
    baseline, fastv = csv.DictReader(StringIO(report.as_csv(comparison())))
    assert (baseline["side"], baseline["k"], baseline["r"]) == ("baseline", "", "")
    assert (fastv["side"], fastv["k"], fastv["r"], fastv["model"]) == ("fastv", "2", "0.5", "mini-7")
    assert float(baseline["prefill_seconds"]) == 0.102 and float(baseline["prefill_seconds_high"]) == 0.104
    assert int(fastv["visual_tokens"]) == 288 and float(fastv["prefill_flops"]) == 8.11e9 / 2
    single, _ = csv.DictReader(StringIO(report.as_csv(comparison(run(tokens=1)))))
    assert single["decode_seconds_per_token"] == single["decode_seconds_per_token_low"] == ""


def test_the_csv_has_question_and_answers():
    made = comparison(run(answer="a, b"), pruned(answer='"c"\nd'), question=HOSTILE)
    baseline, fastv = csv.DictReader(StringIO(report.as_csv(made)))
    assert (baseline["answer"], fastv["answer"]) == ("a, b", '"c"\nd')
    assert baseline["question"] == fastv["question"] == HOSTILE


def test_the_json_holds_everything():
    made = comparison(question=HOSTILE)
    read = json.loads(report.as_json(made, expected="two", link=LINK))
    assert read == json.loads(json.dumps({**made.to_dict(), "expected": "two", "link": LINK}))
    assert read["fastv"]["timing"]["prefill_seconds"]["runs"] == [0.05, 0.052, 0.051]


def test_a_comparison_of_two_models_names_both_and_claims_nothing_of_the_other():
    html = report.as_html(duel(), expected="three")
    text = plain(html)
    for piece in (
        "mini-13 with FastV vs. mini-7",
        "mini-7 in float32 and mini-13 in float32 on Some CPU",
        "First token 120%",
        METHODS["fastv"].phrase,
    ):
        assert piece in text
    assert "FastV report: mini-13, K=2, R=50% vs. mini-7" in text
    assert len(images(html)) == 2


def test_a_random_run_is_not_called_fastv():
    html = report.as_html(comparison(fastv=pruned(setup=replace(PRUNED, method="random"))))
    head = plain(html.split("<h2>Question</h2>")[0].split("<h1>")[1])
    assert "andom" in head.split("Pruning makes")[0] and "With FastV" not in plain(html)


def test_both_sides_pruned_show_what_each_kept():
    more = pruned(kept=((True, False), (False, False)), setup=replace(PRUNED, r=0.75, method="fastv_mean"))
    html = report.as_html(comparison(pruned(), more))
    text = plain(html)
    assert len(images(html)) == 3
    assert "1 of 4" in text and "2 of 4" in text
    settings = text.split("How it was run")[1]
    assert METHODS["fastv"].phrase in settings and METHODS["fastv_mean"].phrase in settings


def test_without_pruning_on_either_side_nothing_is_said_of_choosing():
    text = plain(report.as_html(comparison(run(), run(setup=replace(PLAIN, model="mini-13", name="mini-13")))))
    assert "mini-13 vs. mini-7" in text
    assert not any(method.phrase in text for method in METHODS.values())


def test_an_undecided_ratio_is_neither_a_number_nor_a_solid_bar():
    html = report.as_html(comparison(fastv=replace(pruned(), timing=run().timing)))
    bars = html.split('class="bars"')[1].split("</table>")[0]
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>.*?</td><td>(.*?)</td>', bars))
    assert not re.search(r"\d", rows["First token"]) and rows["KV cache"] == "50%"
    assert bars.count('class="bar undecided"') == 3


def test_each_line_of_the_csv_is_of_its_own_side():
    baseline, fastv = csv.DictReader(StringIO(report.as_csv(duel())))
    assert (baseline["model"], baseline["k"], fastv["model"], fastv["k"]) == ("mini-7", "", "mini-13", "2")
