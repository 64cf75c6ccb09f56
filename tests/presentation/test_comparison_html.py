"""What a comparison shows: every quantity of both sides, spreads, honest ratios, and nobody's markup but our own."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fastv.measurement.machine import Machine
from fastv.presentation import comparison_html
from fastv.presentation.side_labels import USUAL
from fastv.pruning.methods.registry import METHODS
from tests.support.comparisons import HOSTILE, PRUNED, Tags, comparison, duel, pruned, run, spread, words


def test_the_table_holds_every_quantity_of_both_sides():
    text = words(comparison_html.table(comparison()))
    for piece in (
        "First token ms prefill 102 100–104 51.0 50.0–52.0 0.50× the time 0.50–0.50×",
        "Total ms 3 tokens 210 200–220 105",
        "Peak memory MiB weights included 30.0 30.0 the same memory",
        "KV cache MiB at the end 6.50 3.25 0.50× the memory 50% less",
        "Visual tokens layers 2 and up 576 288 0.50× the tokens",
        "Prefill FLOPs GFLOPs computed, exact 8.11 4.05 0.50× the FLOPs",
    ):
        assert piece in re.sub(r"\s+", " ", text)


def test_times_that_cannot_be_told_apart_are_called_so():
    slower = replace(run().timing, decode_seconds_per_token=spread(0.006, 0.005, 0.005))
    text = re.sub(r"\s+", " ", words(comparison_html.table(comparison(fastv=replace(pruned(), timing=slower)))))
    assert re.search("after the first 5.00 4.00–6.00 5.00 5.00–6.00 1.20× the time 0.[0-9]+–1.[0-9]+×: undecided", text)
    assert "First token" in text and text.count("undecided") == 3


def test_what_disturbs_both_sides_of_a_round_leaves_their_ratio_alone():
    timing = replace(pruned().timing, prefill_seconds=spread(0.09, 0.18, 0.27))
    made = comparison(
        replace(run(), timing=replace(run().timing, prefill_seconds=spread(0.1, 0.2, 0.3))),
        replace(pruned(), timing=timing),
    )
    assert "0.90× the time 0.90–0.90×" in re.sub(r"\s+", " ", words(comparison_html.table(made)))
    assert "FastV reached its first token in 0.90× the time" in comparison_html.verdict(made)


def test_an_answer_of_one_token_has_no_time_per_token_and_lengths_that_differ_are_told():
    text = re.sub(r"\s+", " ", words(comparison_html.table(comparison(run(tokens=1), pruned(tokens=7)))))
    assert "Per token ms after the first – 5.00 4.00–6.00 –" in text and "1 and 7 tokens" in text
    assert "Total ms 1 token 2" in re.sub(
        r"\s+", " ", words(comparison_html.table(comparison(run(tokens=1), pruned(tokens=1))))
    )


def test_the_empty_table_has_the_same_lines():
    def lines(html):
        return [tag for tag, _ in Tags(html).tags if tag in ("tr", "th", "td")]

    assert lines(comparison_html.table()) == lines(comparison_html.table(comparison()))


def test_how_it_was_measured_is_said():
    text = words(comparison_html.table(comparison()))
    for piece in (
        "mini-7 in float32 on Some CPU, 2 threads",
        "medians of 3 rounds",
        "the sides take turns",
        "PyTorch 2.13",
        "2 per multiply-add",
    ):
        assert piece in text
    assert "a single run of each side" in words(comparison_html.table(comparison(repeats=1)))
    assert (
        "threads"
        not in words(comparison_html.table(comparison(fastv=pruned(setup=replace(PRUNED, device="cuda:0"))))).split(
            "Times"
        )[0]
    )


@pytest.mark.parametrize(
    "k, method, piece",
    [
        (2, "fastv", "layer 1"),
        (0, "fastv", METHODS["random"].phrase),
        (3, "random", METHODS["random"].phrase),
        (1, "fastv_mean", "Layer 0 sees"),
        (0, "fastv_mean", "All layers see only what is clear"),
        (5, "fastv_mean", "Layers 0 to 4 see"),
    ],
)
def test_the_words_beside_the_picture_say_what_was_kept_and_why(k, method, piece):
    text = words(comparison_html.kept_words(pruned(setup=replace(PRUNED, k=k, method=method)), USUAL[1], "fastv"))
    assert piece in text and "2 of 4" in text and "What FastV kept" in text


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize(
    "kept, piece", [(((0, 0), (0, 0)), "all were dropped"), (((1, 1), (1, 1)), "nothing was dropped")]
)
def test_nothing_kept_and_nothing_dropped_are_not_said_to_be_ranked(kept, piece, k):
    text = words(comparison_html.kept_words(pruned(setup=replace(PRUNED, k=k), kept=kept), USUAL[1], "fastv"))
    assert piece in text and not any(method.phrase in text for method in METHODS.values())


def test_answers_say_what_they_answer():
    shown = comparison_html.answers("two", "three", question=HOSTILE)
    assert words(shown).startswith(HOSTILE) and HOSTILE not in shown
    assert "asked" not in comparison_html.answers("two", "three")


def test_words_that_differ_are_marked_on_both_sides_and_no_others():
    one, other = "two pigs, a rose and a dog on red", "two pigs, a rose and a cat\non blue"
    html = comparison_html.answers(one, other)
    assert [mark.strip() for mark in re.findall("<mark>(.*?)</mark>", html, re.DOTALL)] == ["dog", "red", "cat", "blue"]
    first, second = re.findall(r'tabindex="0">(.*?)</p>', html, re.DOTALL)
    assert words(first).replace(" ", "") == one.replace(" ", "") and "mark" not in comparison_html.answers(one, one)
    assert "mark" not in comparison_html.answers(one, other, writing="fastv") and "mark" not in comparison_html.answers(
        one, ""
    )
    assert len(re.findall("<mark>", comparison_html.answers("a b c d", "a x c y"))) == 4


def test_foreign_text_is_never_markup():
    names = {"model": HOSTILE, "name": HOSTILE, "dtype": HOSTILE}
    made = comparison(
        pruned(setup=replace(PRUNED, **names | {"model": "x"})),
        pruned(setup=replace(PRUNED, **names)),
        machine=Machine(HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE),
    )
    titles = comparison_html.titles_of(made)
    shown = [
        comparison_html.answers(HOSTILE, HOSTILE, titles, expected=HOSTILE),
        comparison_html.table(made),
        comparison_html.kept_words(made.fastv, titles[1], "fastv"),
    ]
    for html in shown:
        assert not any(tag == "img" for tag, _ in Tags(html).tags)
        assert HOSTILE in "".join(Tags(html).words)


def test_a_duel_names_each_side_and_says_what_is_compared_with_what():
    text = re.sub(r"\s+", " ", words(comparison_html.table(duel())))
    assert "Cost Mini 7 Mini 13 with FastV Mini 13 takes of what Mini 7 takes First token" in text
    assert "1.20× the time 1.20–1.20×" in text and "mini-7 in float32 and mini-13 in float32 on" in text
    assert "of each model with its own weights" in text and "Without" not in text


@pytest.mark.parametrize(
    "ks, note",
    [
        ((None, None), "all layers"),
        ((2, None), "layers 2 and up"),
        ((2, 2), "layers 2 and up"),
        ((5, 3), "layers 5 or 3 and up"),
    ],
)
def test_the_layers_that_see_fewer_tokens_are_those_of_the_sides(ks, note):
    sides = [run() if k is None else pruned(setup=replace(PRUNED, k=k)) for k in ks]
    assert f"Visual tokens {note}" in re.sub(r"\s+", " ", words(comparison_html.table(comparison(*sides))))


@pytest.mark.parametrize(
    "made, said",
    [
        (
            comparison(),
            "the same answer; FastV reached its first token in 0.50× the time of the model without FastV (0.50 to 0.50 in "
            "3 rounds); prefill FLOPs 50% less.",
        ),
        (
            comparison(fastv=pruned(3.0, answer="six")),
            "different answers; FastV reached its first token in 3.00× the time of the model without FastV (3.00 to 3.00 in 3 rounds); "
            "prefill FLOPs 200% more.",
        ),
        (
            duel(),
            "different answers; Mini 13 with FastV reached its first token in 1.20× the time of Mini 7 (1.20 to 1.20 in 3 "
            "rounds); prefill FLOPs 20% more.",
        ),
        (
            comparison(fastv=replace(pruned(), timing=run().timing)),
            "the same answer; which reached its first token sooner cannot be "
            "told (1.00× the time, 1.00 to 1.00 in 3 rounds); prefill FLOPs 50% less.",
        ),
        (
            comparison(
                *(
                    replace(one, timing=replace(one.timing, prefill_seconds=spread(seconds)))
                    for one, seconds in ((run(), 0.2), (pruned(1.0), 0.1))
                )
            ),
            "the same answer; which reached its first token sooner cannot be told (0.50× the time, a single round).",
        ),
    ],
)
def test_the_end_says_plainly_who_was_sooner(made, said):
    assert comparison_html.verdict(made) == said


@pytest.mark.parametrize(
    "one, other, who",
    [
        ("Two.", "two", "Both are right."),
        ("two", "three", "Only “Mini 7” is right."),
        ("", "two", "Only “Mini 13 with FastV” is right."),
        ("twenty", "", "Neither is right."),
    ],
)
def test_who_gave_the_expected_answer_is_said_whichever_side_it_is(one, other, who):
    text = words(comparison_html.answers(one, other, comparison_html.titles_of(duel()), expected="two"))
    assert re.sub(r"\s+", " ", text).endswith(f"Expected: two . {who}")


@pytest.mark.parametrize(
    "said, right",
    [
        ("a rose, two pigs and a dog on red", True),
        ("two pigs, a dog and a rose on red", True),
        ("two dogs, a pig and a rose on red", False),
        ("two pigs and a rose on red", False),
    ],
)
def test_things_may_be_listed_in_any_order(said, right):
    expected = "two pigs, a rose and a dog on red"
    assert ("Both are right" in comparison_html.answers(said, expected, expected=expected)) == right
