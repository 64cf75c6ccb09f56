"""Both answers: what they answer, which words differ, who is right, and nobody's markup."""

from __future__ import annotations

import re

import pytest

from fastv.presentation.answers_html import EMPTY_ANSWER, answers
from fastv.presentation.side_labels import side_labels
from fastv.presentation.word_marks import marked
from tests.support.comparisons import HOSTILE, Tags, duel, words

DUEL = side_labels(duel().baseline.setup, duel().fastv.setup)


def texts(html: str) -> list[str]:
    """What stands in the two boxes, white space as it is."""
    boxes = re.findall(r'tabindex="0">(.*?)</p>', html, re.DOTALL)
    return ["".join(Tags(box).words) for box in boxes]


def marks(html: str) -> list[str]:
    return [mark.strip() for mark in re.findall("<mark>(.*?)</mark>", html, re.DOTALL)]


def test_answers_say_what_they_answer():
    shown = answers("two", "three", question=HOSTILE)
    assert words(shown).strip().startswith(HOSTILE) and HOSTILE not in shown
    assert "asked" not in answers("two", "three")


@pytest.mark.parametrize(
    "one, other, differing",
    [
        ("two pigs, a rose and a dog on red", "two pigs, a rose and a cat\non blue", ["dog", "red", "cat", "blue"]),
        ("two boats and a rabbit on red", "a rabbit and two boats on red", []),
        ("two boats and a dog", "a dog, an elephant and two boats", ["elephant"]),
        ("two boats and a dog", "three boats and a dog", ["two", "three"]),
        ("a dog and a dog", "a dog", ["dog"]),
        ("Yes.", "yes", []),
        ("It is a man. He rides a horse.", "He rides a horse. It is a man.", []),
        ("two boats", "a dog", ["two boats", "dog"]),
        ("a b c d", "a x c y", ["b", "d", "x", "y"]),
    ],
)
def test_words_are_marked_by_what_is_said_and_not_by_where(one, other, differing):
    html = answers(one, other)
    assert marks(html) == differing
    assert texts(html) == [one, other]


@pytest.mark.parametrize("one, other", [("", "x"), ("a,  b\n and c", "b and  a\t"), ("", ""), (" and ", ", and ")])
def test_marking_loses_nothing(one, other):
    assert tuple("".join(piece.text for piece in pieces) for pieces in marked(one, other)) == (one, other)


def test_nothing_is_marked_while_a_side_is_written_or_empty():
    assert marks(answers("a dog", "a cat", writing="fastv")) == []
    assert marks(answers("a dog", "")) == []
    assert marks(answers("a dog", "a dog")) == []
    assert len(re.findall('class="text writing"', answers("a dog", "a cat", writing="fastv"))) == 1


def test_an_empty_answer_has_a_placeholder():
    assert texts(answers("two", "", placeholder=EMPTY_ANSWER)) == ["two", EMPTY_ANSWER]
    assert texts(answers("two", "")) == ["two", ""]


@pytest.mark.parametrize(
    "one, other, right",
    [
        ("Two.", "two", ("mini-7", "mini-13")),
        ("two", "three", ("mini-7",)),
        ("", "two", ("mini-13",)),
        ("twenty", "", ()),
    ],
)
def test_who_gave_the_expected_answer_is_said_whichever_side_it_is(one, other, right):
    html = answers(one, other, DUEL, expected="two")
    said = re.search('<p class="expected">(.*?)</p>', html, re.DOTALL)[1]
    if len(right) == 1:
        assert right[0] in said
    assert ("Neither" in said, "Both" in said) == (not right, len(right) == 2)


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
    assert ("Both" in answers(said, expected, expected=expected)) == right


def test_remarks_stand_below_and_empty_ones_do_not():
    html = answers("two", "two", remarks=["", HOSTILE])
    assert html.count('class="remark"') == 1
    assert HOSTILE in "".join(Tags(html).words)


def test_foreign_text_is_never_markup():
    html = answers(HOSTILE, HOSTILE + " x", DUEL, expected=HOSTILE, question=HOSTILE)
    assert not any(tag == "img" for tag, _ in Tags(html).tags)
