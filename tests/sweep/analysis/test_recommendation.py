"""What is recommended: the cheapest setting that surely loses no more than accepted, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.registry import MEASURES
from fastv.pruning.config import PruningConfig
from fastv.sweep.analysis.recommendation import LossMonitor
from fastv.sweep.analysis.table import table
from fastv.sweep.cells import CellAnswer, CellTime
from fastv.sweep.datasets.base import Sample
from fastv.sweep.results import PairedAnswer, PairedTime, SampleResult

SAFE, CHEAP, RUINOUS = (PruningConfig("fastv", 2, r) for r in (0.25, 0.5, 0.9))
CONFIGS = [SAFE, CHEAP, RUINOUS]
SECONDS = {None: 1.0, SAFE: 0.9, CHEAP: 0.7, RUINOUS: 0.5}
EXACT = MEASURES["exact"]


def results(count, losing, *, known=True, seconds=SECONDS, timed=6):
    """So many questions, answered right without pruning; ``losing``: config -> the share that it answers wrong."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        before, answers = CellAnswer(None, "yes", 1, total_flops=100.0), {}
        answers[None] = PairedAnswer(before, before)
        for config in CONFIGS:
            said = "no" if rng.random() < losing[config] else "yes"
            answers[config] = PairedAnswer(before, CellAnswer(config, said, 1, total_flops=100.0 * seconds[config]))
        times = {
            cell: PairedTime(CellTime(None, 1.0, seconds[None]), CellTime(cell, 1.0, one))
            for cell, one in seconds.items()
            if number < timed
        }
        made.append(SampleResult(Sample(Path("a.png"), "?", ("yes",) if known else ()), answers, times=times))
    return made


def recommended(found, tolerance=0.05, configs=CONFIGS, measure=EXACT):
    monitor = LossMonitor(configs, tolerance, measure)
    monitor.look(found)
    return monitor.recommend(table(found, configs, measure))


@pytest.mark.parametrize("known", [True, False])
def test_the_cheapest_setting_that_passes_is_chosen(known):
    found = recommended(results(500, {SAFE: 0.0, CHEAP: 0.005, RUINOUS: 0.4}, known=known))
    assert found.chosen == CHEAP
    assert found.by_agreement is not known
    statuses = {one.config: one.status for one in found.verdicts}
    assert statuses == {SAFE: "passes", CHEAP: "passes", RUINOUS: "out"}
    assert [one.config for one in found.verdicts] == [RUINOUS, CHEAP, SAFE]
    chosen = found.verdicts[1]
    assert (chosen.questions, chosen.saving) == (500, pytest.approx(0.3))
    assert json.loads(json.dumps(found.to_dict()))["chosen"] == CHEAP.to_dict()


def test_with_few_questions_it_is_told_how_many_more():
    found = recommended(results(40, {SAFE: 0.0, CHEAP: 0.0, RUINOUS: 0.5}))
    assert found.chosen is None
    more = {one.config: one.more for one in found.verdicts if one.status == "open"}
    assert set(more) == {SAFE, CHEAP}
    assert f"about {more[CHEAP]:,} more" in found.sentence
    enough = results(40 + more[CHEAP], {SAFE: 0.0, CHEAP: 0.0, RUINOUS: 0.5})
    assert recommended(enough).chosen == CHEAP


@pytest.mark.parametrize("count, tolerance", [(2, 0.05), (40, 0.005)])
def test_few_questions_without_a_loss_are_not_taken_for_a_loss_at_the_limit(count, tolerance):
    found = recommended(results(count, dict.fromkeys(CONFIGS, 0.0)), tolerance)
    more = found.verdicts[0].more
    assert more > 20 * count
    assert f"about {more:,} more" in found.sentence


def test_a_loss_too_close_to_the_limit_asks_for_no_endless_questions():
    found = recommended(results(200, {SAFE: 0.05, CHEAP: 0.05, RUINOUS: 0.5}))
    assert found.chosen is None
    for one in found.verdicts:
        assert one.more is None or one.more < 20 * one.questions or f"{one.more:,}" not in found.sentence


def test_what_saves_next_to_nothing_is_not_recommended():
    slow = {None: 1.0, SAFE: 1.02, CHEAP: 0.97, RUINOUS: 0.5}
    found = recommended(results(500, {SAFE: 0.0, CHEAP: 0.0, RUINOUS: 0.5}, seconds=slow))
    assert found.chosen is None
    assert found.sentence.startswith("Do not bother")


def test_without_times_flops_are_what_is_saved():
    found = recommended(results(500, {SAFE: 0.0, CHEAP: 0.0, RUINOUS: 0.5}, timed=0))
    assert (found.by_time, found.chosen) == (False, CHEAP)


def test_more_settings_need_more_evidence():
    losing = {SAFE: 0.0, CHEAP: 0.0, RUINOUS: 0.0}
    found = results(90, losing)
    assert recommended(found, configs=[CHEAP]).chosen == CHEAP
    assert recommended(found).chosen is None


def test_looking_often_changes_nothing_and_settings_that_are_out_get_no_further_bets():
    found = results(400, {SAFE: 0.0, CHEAP: 0.01, RUINOUS: 0.5})
    often, once = LossMonitor(CONFIGS, 0.05, EXACT), LossMonitor(CONFIGS, 0.05, EXACT)
    for end in range(0, 401, 50):
        out = often.look(found[:end])
    once.look(found)
    assert out == once.out == [RUINOUS]
    for config in (SAFE, CHEAP):
        assert often.tests[config].p_below == pytest.approx(once.tests[config].p_below)
    assert often.tests[RUINOUS].seen < 400
    without = [SampleResult(one.sample, {SAFE: one.answers[SAFE], None: one.answers[None]}) for one in found[:30]]
    partly = LossMonitor([SAFE, CHEAP], 0.05, EXACT)
    partly.look(without)
    assert (partly.tests[SAFE].seen, partly.tests[CHEAP].seen) == (30, 0)


def test_scores_beyond_1_allow_no_guarantee():
    class Doubled(type(EXACT)):
        def score(self, answer, reference):
            return 2.0 * super().score(answer, reference)

    with pytest.raises(InvalidInputError):
        recommended(results(5, dict.fromkeys(CONFIGS, 0.0)), measure=Doubled())
    for tolerance in (0.0, 1.0, -0.5):
        with pytest.raises(InvalidInputError):
            LossMonitor(CONFIGS, tolerance, EXACT)


def test_no_setting_is_given_up_before_it_is_clearly_out():
    """Questions are answered in another order than they are judged in: at first there may be nothing to judge."""
    monitor = LossMonitor([CHEAP, RUINOUS], 0.05, EXACT)
    monitor.look([])
    none = monitor.recommend([])
    few, many = (
        recommended(results(count, dict.fromkeys(CONFIGS, 0.9)), configs=[CHEAP, RUINOUS]) for count in (3, 300)
    )
    assert {one.questions for one in none.verdicts} == {0}
    assert not none.by_agreement
    assert {one.status for one in few.verdicts} == {"open"}
    assert {one.status for one in many.verdicts} == {"out"}
    assert len({none.sentence, few.sentence, many.sentence}) == 3
