from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from fastv.stats import Change, Ratio, Score, exchange_test, holm, mcnemar, student


def marks(right: int, asked: int) -> list[bool]:
    return [True] * right + [False] * (asked - right)


def paired(gained: int, lost: int, both: int = 0, neither: int = 0) -> tuple[list[bool], list[bool]]:
    pairs = [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * both + [(False, False)] * neither
    return [one for one, _ in pairs], [two for _, two in pairs]


@pytest.mark.parametrize("right, asked", [(0, 10), (10, 10), (50, 100), (940, 1000)])
def test_intervals_hold_the_share_and_shrink_with_more_questions(right, asked):
    score, more = (Score.of(marks(right * factor, asked * factor)) for factor in (1, 10))
    assert 0 <= score.low <= score.share + 1e-9 and score.share - 1e-9 <= score.high <= 1
    assert more.high - more.low < score.high - score.low


def test_a_known_interval():
    score = Score.of(marks(81, 263))  # Newcombe (1998), table I, Wilson's method without correction
    assert (round(score.low, 4), round(score.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(
    "gained, lost, both, neither",
    [(0, 0, 10, 0), (0, 0, 0, 1), (7, 0, 0, 0), (0, 7, 3, 3), (5, 5, 5, 5), (3, 9, 60, 28)],
)
def test_a_change_holds_what_was_seen_and_turns_round_with_its_sides(gained, lost, both, neither):
    before, after = paired(gained, lost, both, neither)
    there, back = Change.of(before, after), Change.of(after, before)
    assert (there.gained, there.lost, there.asked) == (gained, lost, len(before))
    assert -1 <= there.low <= there.share <= there.high <= 1 and 0 < there.p <= 1
    assert there.share == pytest.approx(Score.of(after).share - Score.of(before).share)
    assert (back.share, back.p) == (-there.share, there.p)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def test_only_the_questions_that_differ_decide_the_test():
    assert Change.of(*paired(9, 1, 5, 5)).p == Change.of(*paired(9, 1, 500, 50)).p == mcnemar(9, 1)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1.0
    assert 0 < mcnemar(700, 500) < 1e-6  # numbers beyond a float's on the way


@pytest.mark.parametrize("up, down", [(0.05, 0.05), (0.02, 0.10), (0.0, 0.03)])
def test_nineteen_in_twenty_intervals_hold_the_truth(up, down):
    rng, held, rounds = random.Random(1), 0, 600
    for _ in range(rounds):
        draws = [rng.random() for _ in range(120)]
        change = Change.of(
            *paired(
                sum(draw < up for draw in draws),
                sum(up <= draw < up + down for draw in draws),
                sum(draw >= up + down for draw in draws),
            )
        )
        held += change.low <= up - down <= change.high
    assert held / rounds > 0.93


def test_a_clear_change_leaves_out_none():
    assert Change.of(*paired(30, 5, 65)).is_clear and Change.of(*paired(5, 30, 65)).is_clear
    assert not Change.of(*paired(6, 5, 89)).is_clear and not Change.of(*paired(0, 0, 9)).is_clear


def test_different_questions_cannot_be_paired():
    with pytest.raises(ValueError):
        Change.of([True], [True, False])


def test_no_torch_is_needed():
    code = "import sys, fastv.stats; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


def test_a_ratio_is_taken_round_by_round():
    found = Ratio.of([1, 2, 4], [0.5, 1.1, 2])
    assert (found.share, found.rounds) == (0.5, 3) and found.low < 0.5 < found.high < 1 and found.is_clear
    assert not Ratio.of([1, 2, 4], [0.5, 2.5, 2]).is_clear
    single = Ratio.of([1], [0.5])
    assert (single.low, single.share, single.high) == (0.5, 0.5, 0.5) and not single.is_clear
    for first, second in (([], []), ([1, 2], [1])):
        with pytest.raises(ValueError):
            Ratio.of(first, second)


@pytest.mark.parametrize("rounds", [2, 3, 5, 6, 9, 20])
def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says(rounds):
    rng, held = random.Random(rounds), 0
    for _ in range(800):
        found = Ratio.of([1.0] * rounds, [rng.lognormvariate(0, 0.3) for _ in range(rounds)])
        assert found.low <= found.share <= found.high
        held += found.low <= 1 <= found.high
    assert held / 800 >= 0.93


def test_more_rounds_do_not_widen_it():
    spread = Ratio.of([1.0] * 20, [1 + index / 20 for index in range(20)])
    assert spread.low > 1 + 1 / 20 and spread.high < 1 + 18 / 20


@pytest.mark.parametrize(
    "raw, adjusted",
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_adjusts_for_several_comparisons(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted)


@pytest.mark.parametrize("seed", range(5))
def test_holm_keeps_the_order_and_never_makes_anything_more_significant(seed):
    rng = random.Random(seed)
    raw = [rng.random() ** 3 for _ in range(9)]
    found = holm(raw)
    assert all(before <= after <= 1 for before, after in zip(raw, found))
    assert [p for _, p in sorted(zip(raw, found))] == sorted(found)
    assert min(found) == pytest.approx(min(1, 9 * min(raw)))


def test_students_bounds_are_those_of_the_tables():
    known = {1: 12.706, 4: 2.776, 5: 2.571, 6: 2.447, 10: 2.228, 30: 2.042, 1000: 1.962}
    assert {degrees: round(student(degrees), 3) for degrees in known} == pytest.approx(known, abs=1.1e-3)


def test_the_exchange_test_is_fishers_on_darwins_plants():
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]  # eighths of an inch (Fisher, 1935)
    assert exchange_test(differences) == 1726 / 2**15
    assert exchange_test([0.0, 0.0]) == 1.0
    assert exchange_test([1] * 9 + [-1]) == mcnemar(9, 1)
    assert exchange_test([0.1] * 30 + [-0.1] * 10) == pytest.approx(mcnemar(30, 10), abs=2e-3)


def test_scores_of_partly_right_answers_have_the_intervals_of_means():
    score = Score.of([0.5, 1, 0, 0.3])
    assert (score.right, score.asked, score.share) == pytest.approx((1.8, 4, 0.45))
    assert (
        score.high - score.share == pytest.approx(score.share - score.low) == pytest.approx(3.182 * 0.42032 / 2, 1e-3)
    )
    change = Change.of([0.5, 1, 0, 0.3], [0.5, 0.7, 0, 0.2])
    assert (change.gained, change.lost, change.asked, change.p) == (0, 2, 4, 0.5)
    assert change.share == pytest.approx(-0.1) and change.low < change.share < change.high
    assert Change.of([0.25], [0.75]).share == 0.5


def test_nineteen_in_twenty_intervals_of_partial_scores_hold_the_truth():
    rng, held, rounds = random.Random(1), 0, 400
    for _ in range(rounds):
        before = [rng.uniform(0.3, 1) for _ in range(40)]
        after = [one + rng.choice((0, 0, -0.3, 0.2)) for one in before]  # -0.025 in the mean
        change = Change.of(before, after)
        held += change.low <= -0.025 <= change.high
    assert held / rounds > 0.92
