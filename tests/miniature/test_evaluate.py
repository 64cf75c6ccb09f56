import pytest

from fastv.miniature.evaluate import Score, benchmark, is_right, scores
from fastv.miniature.questions import Question


def test_a_description_may_name_things_in_any_order_but_must_name_all():
    truth = Question("Describe the picture.", "a dog, two cups and a sign on a red background", "describe", True)
    assert is_right(truth, "two cups, a sign and a dog on a red background")
    assert not is_right(truth, "two cups and a dog on a red background")
    assert not is_right(truth, "a dog, two cups and a sign on a blue background")
    assert not is_right(truth, "a dog, two cups, a sign and a sign on a red background")


def test_short_answers_must_be_exact_but_for_case_and_full_stop():
    truth = Question("Where is the dog?", "top left", "where", True)
    assert is_right(truth, " Top left.") and not is_right(truth, "left")


@pytest.mark.parametrize("right, asked", [(0, 10), (10, 10), (50, 100), (940, 1000)])
def test_intervals_hold_the_share_and_shrink_with_more_questions(right, asked):
    score, more = (Score.of([True] * (right * factor) + [False] * ((asked - right) * factor)) for factor in (1, 10))
    assert 0 <= round(score.low, 9) <= score.share <= round(score.high, 9) <= 1
    assert more.high - more.low < score.high - score.low


def test_the_benchmark_is_fixed_and_covers_what_training_never_saw():
    items = benchmark(24)
    assert [item.question for item in items] == [item.question for item in benchmark(24)]
    found = scores(items, [item.question.seen for item in items])
    assert found["phrasing seen"].share == 1 and found["phrasing unseen"].share == 0
    assert {"layout seen", "layout unseen", "all"} <= set(found)
