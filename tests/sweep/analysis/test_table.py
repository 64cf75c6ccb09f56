"""The table says what the records say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fastv.errors import InvalidInputError
from fastv.pruning.config import PruningConfig
from fastv.stats import Change, Ratio, Score, holm
from fastv.sweep.analysis.table import part_table, table
from fastv.sweep.analysis.table_text import as_markdown, notes
from fastv.sweep.cells import CellAnswer, CellTime
from fastv.sweep.datasets.base import Sample
from fastv.sweep.results import PairedAnswer, PairedTime, SampleResult

CONFIG = PruningConfig("random", 2, 0.5)
#: answer known, without pruning, pruned, seconds of both, FLOPs of both
ROWS = [
    (("Two",), "two", "two.", (1.0, 0.5), (100.0, 60.0)),
    (("a dog and a cat",), "a dog", "a cat and a dog", (1.0, 0.7), (100.0, 60.0)),
    ((), "red", "Red", (2.0, 1.8), (300.0, 180.0)),
    (("blue", "navy"), "Navy", "green", (1.0, 0.4), (100.0, 60.0)),
]


def result(known, before, after, seconds, flops):
    unpruned = CellAnswer(None, before, 2, total_flops=flops[0])
    pruned = CellAnswer(CONFIG, after, 2, total_flops=flops[1])
    before_time = CellTime(None, seconds[0], 2 * seconds[0], kv_cache_bytes=100)
    time = CellTime(CONFIG, seconds[1], 3 * seconds[1], seconds[1] / 10, 50)
    sample = Sample(Path("one.png"), "What?", known, task="a" if known else "b")
    return SampleResult(
        sample,
        {None: PairedAnswer(unpruned, unpruned), CONFIG: PairedAnswer(unpruned, pruned)},
        times={None: PairedTime(before_time, before_time), CONFIG: PairedTime(before_time, time)},
    )


RESULTS = [*(result(*row) for row in ROWS), SampleResult(Sample(Path("broken.png"), "Why?"), {}, "it is broken")]


def test_every_number_follows_from_the_answers():
    unpruned, pruned = table(RESULTS, [CONFIG])
    assert (unpruned.config, pruned.config) == (None, CONFIG)
    assert pruned.same_answer == Score.counted(2, 4)
    assert (unpruned.right, pruned.right) == (Score.counted(2, 3), Score.counted(2, 3))
    assert unpruned.change is None
    assert pruned.change == Change.of([True, False, True], [True, True, False])
    assert pruned.prefill_ratio == Ratio.of([1.0, 1.0, 2.0, 1.0], [0.5, 0.7, 1.8, 0.4])
    assert pruned.total_ratio.share == pytest.approx(1.5 * pruned.prefill_ratio.share)
    assert (unpruned.flops_ratio, pruned.flops_ratio) == (1.0, 0.6)
    assert (pruned.method_seconds, pruned.kv_cache_ratio, pruned.peak_ratio) == (pytest.approx(0.06), 0.5, None)
    assert (pruned.asked, pruned.control, pruned.p_holm) == (4, False, pruned.change.p)


def test_only_timed_questions_have_times_and_without_any_there_are_none():
    bare = [replace(one, times={}) for one in RESULTS]
    (_, pruned) = table([RESULTS[0], *bare[1:]], [CONFIG])
    assert (pruned.asked, pruned.prefill_ratio.rounds, pruned.prefill_ratio.share) == (4, 1, 0.5)
    (_, pruned) = table(bare, [CONFIG])
    assert (pruned.prefill_ratio, pruned.method_seconds, pruned.kv_cache_ratio) == (None, None, None)
    assert "first token" not in as_markdown([pruned])


def test_controls_are_marked_and_p_values_are_adjusted_over_all_rows():
    other = PruningConfig("fastv", 1, 0.9)
    results = [replace(one, answers={**one.answers, other: one.answers[CONFIG]}) for one in RESULTS[:4] if one.answers]
    _, one, two = table(results, [other], controls=[CONFIG])
    assert (one.control, two.control) == (False, True)
    assert [one.p_holm, two.p_holm] == holm([one.change.p, two.change.p])


def test_a_config_that_was_left_out_early_keeps_the_questions_it_had():
    later = replace(RESULTS[1], answers={None: RESULTS[1].answers[None]}, times={})
    rows = table([RESULTS[0], later, RESULTS[3]], [CONFIG])
    assert [row.asked for row in rows] == [3, 2]


def test_tasks_and_groups_that_lose_most_come_first():
    groups = ["x", "x", None, "y", None]
    parted = [replace(one, sample=replace(one.sample, group=group)) for one, group in zip(RESULTS, groups)]
    rows = part_table(parted, [CONFIG])
    found = [(row.part, row.name, row.after.asked) for row in rows]
    assert found == [("group", "y", 1), ("task", "a", 3), ("group", "x", 2)]
    assert [row.change.share for row in rows] == sorted(row.change.share for row in rows)
    assert rows[1].change == table(RESULTS, [CONFIG])[1].change
    assert json.loads(json.dumps(rows[0].to_dict()))["method"] == "random"
    assert part_table([replace(one, sample=replace(one.sample, task=None)) for one in RESULTS], [CONFIG]) == []


def test_without_known_answers_nothing_is_right_or_wrong():
    rows = table([result((), *ROWS[0][1:])], [CONFIG])
    assert [(row.right, row.change) for row in rows] == [(None, None)] * 2


def test_without_a_single_answer_the_reason_is_told():
    with pytest.raises(InvalidInputError, match="it is broken"):
        table(RESULTS[4:], [CONFIG])
    with pytest.raises(InvalidInputError):
        table([], [CONFIG])


def test_rows_are_plain_values_with_their_config_at_the_top():
    unpruned, pruned = (json.loads(json.dumps(row.to_dict())) for row in table(RESULTS, [CONFIG]))
    assert {name: pruned[name] for name in CONFIG.to_dict()} == CONFIG.to_dict()
    assert (unpruned["method"], unpruned["k"], unpruned["r"]) == (None, None, 0.0)
    assert pruned["flops_ratio"] == 0.6
    assert pruned["same_answer"]["right"] == 2


def test_the_markdown_has_a_line_for_every_row_and_names_other_methods():
    configs = [CONFIG, PruningConfig("fastv", 2, 0.5), PruningConfig("fastv", 0, 0.5)]
    pairs = dict.fromkeys(configs, RESULTS[0].answers[CONFIG]) | {None: RESULTS[0].answers[None]}
    text = as_markdown(table([SampleResult(RESULTS[0].sample, pairs)], configs))
    heading, _, unpruned, *pruned = text.splitlines()
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert [line.split("|")[1].strip() for line in pruned] == ["Random, K=2, R=50%", "K=2, R=50%", "Random, K=0, R=50%"]
    assert "60%" in pruned[0]
    assert "100%" in unpruned


def test_notes_count_the_questions_and_list_those_that_were_not_asked():
    first, _, *problems = notes(RESULTS)
    assert first.startswith("4 questions, 3 ")
    assert len(problems) == 1
    assert all(piece in problems[0] for piece in ("broken.png", "Why?", "it is broken"))
