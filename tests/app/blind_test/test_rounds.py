"""The blind test: its rounds are recorded answers, both sides are drawn fairly, and a game is played to its end."""

from __future__ import annotations

from collections import Counter

import pytest

from fastv.app.blind_test.layout import new_game
from fastv.app.blind_test.rounds import METHOD, RS, K, rounds
from fastv.evidence import example_answers as recorded
from fastv.evidence.example_answers import example_answers
from tests.support.browser import opened


@pytest.fixture(scope="module")
def games():
    return [rounds(seed) for seed in range(40)]


@pytest.mark.parametrize("seed", range(8))
def test_each_round_is_what_was_recorded(seed):
    game = rounds(seed)
    assert [one.r for one in game] == list(RS)
    for one in game:
        record = example_answers(one.model)
        run, step = record.runs[one.seed, METHOD, K], record.rs.index(one.r)
        assert one.answers[one.pruned] == run.answers[step] and one.answers[1 - one.pruned] == run.answers[0]
        assert one.kept == sum(run.kept(step)) and one.tokens == len(run.levels)


def test_no_round_is_played_twice_and_a_seed_gives_the_same_game(games):
    for game in games:
        assert len({(one.seed, one.model) for one in game}) == len(game)
    assert rounds(7) == rounds(7) != rounds(8)


def test_the_pruned_answer_is_first_as_often_as_second(games):
    first = Counter(one.pruned for game in games for one in game)
    assert abs(first[0] - first[1]) < 4 * len(games)  # of 400 rounds: more than four standard deviations


def test_without_records_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(recorded, "folder", lambda: tmp_path)
    example_answers.cache_clear()
    try:
        assert rounds(0) == [] and "blind-round" not in new_game(0)
    finally:
        example_answers.cache_clear()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_game_is_played_to_its_end(browser, app, width):
    with opened(browser, app.address, width=width, height=844, within=app.address) as page:
        page.get_by_role("tab", name="Blind test").click()
        page.wait_for_selector(".blind-round:not([hidden])")
        right = 0
        for number in range(len(RS)):
            shown = page.locator(".blind-round:not([hidden])")
            assert shown.count() == 1 and page.inner_text(".blind-count") == str(number + 1)
            answer = shown.get_attribute("data-right")
            guess = answer if number % 2 else ("1" if answer == "0" else "0")
            shown.locator(f"[data-guess='{guess}']").click()
            right += guess == answer
            assert shown.get_attribute("data-guessed") == ("right" if guess == answer else "wrong")
            shown.locator(".blind-next").click()
        assert page.inner_text(".blind-score") == str(right)
        assert page.locator(".blind-marks .right").count() == right
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click(".blind-again")
        assert page.inner_text(".blind-count") == "1" and page.locator(".blind-round:not([hidden])").count() == 1
