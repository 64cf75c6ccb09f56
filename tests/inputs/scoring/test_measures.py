"""Measures of answers: worked examples of their papers and values of their authors' own programs."""

from __future__ import annotations

import pytest

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.anls import edit_distance
from fastv.inputs.scoring.base import Reference
from fastv.inputs.scoring.choice import chosen_option
from fastv.inputs.scoring.cider import words_of
from fastv.inputs.scoring.registry import MEASURES, measure_of
from fastv.inputs.scoring.vqa import normalized_answer


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_gives_a_right_answer_more_than_a_wrong_one(name):
    measure = MEASURES[name]
    references = [
        Reference(("a red boat at sea",), ("a red boat at sea", "two cats on a mat")),
        Reference(("two cats on a mat",), ("a red boat at sea", "two cats on a mat")),
    ]
    right = measure.scores(["A red boat at sea", "two cats on a mat"], references)
    wrong = measure.scores(["two cats on a mat", "a red boat at sea"], references)
    assert all(good >= 1 - 1e-9 > bad + 0.3 for good, bad in zip(right, wrong))
    assert measure.partial or set(right + wrong) == {0.0, 1.0}
    assert measure.label and measure.summary
    with pytest.raises(ValueError):
        measure.scores(["one"], references)


@pytest.mark.parametrize(
    "agree, score",
    [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)],  # of ten people: the means of min(n / 3, 1)
)
def test_vqa_accuracy_leaves_out_each_person_in_turn(agree, score):
    reference = Reference(("yes",) * agree + ("no",) * (10 - agree))
    assert MEASURES["vqa"].score("Yes.", reference) == pytest.approx(score)


def test_vqa_accuracy_of_few_people_needs_one_that_agrees():
    assert MEASURES["vqa"].score("two", Reference(("2",))) == 1
    assert MEASURES["vqa"].score("two", Reference(("3", "2"))) == 1


@pytest.mark.parametrize(
    "text, normal",  # values of the normalization in Facebook's MMF, which TextVQA's evaluation runs
    [
        ("The two dogs!", "2 dogs"),
        ("none", "0"),
        ("1,000 people", "1000 people"),
        ("3.5", "3.5"),
        ("U.S.", "us"),
        ("I dont know", "i don't know"),
        ("couldntve", "couldntve"),
        ("couldnt've", "couldn't've"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("t-shirt", "t shirt"),
        ("T- shirt", "t shirt"),
        ("the man's hat", "man 's hat"),
        ("wed we'd", "wed we'd"),
        ('"x" (yes)\nno?', "x yes no"),
    ],
)
def test_vqa_normalization(text, normal):
    assert normalized_answer(text) == normal


@pytest.mark.parametrize(
    "answer, score",  # of the package anls 0.0.2, for the references "Coca Cola" and "pepsi light"
    [
        ("coca cola", 1.0),
        ("Coca Cala", 8 / 9),
        ("coke", 0.0),
        ("Pepsi  Light", 1.0),
        ("pepsi", 0.0),
        ("pepsi li", 8 / 11),
    ],
)
def test_anls(answer, score):
    assert MEASURES["anls"].score(answer, Reference(("Coca Cola", "pepsi light"))) == pytest.approx(score)


def test_edit_distance():
    assert [edit_distance(*pair) for pair in (("kitten", "sitting"), ("", "abc"), ("flaw", "lawn"))] == [3, 3, 2]


CAPTIONS = [
    ["A man riding a wave on top of a surfboard.", "A surfer rides a large wave in the ocean."],
    ["Two dogs are playing with a red frisbee, on the grass.", "Dogs play on grass"],
    ["The clock tower doesn't show 10:30, it shows 5 o'clock!"],
]
ANSWERS = ["A man rides a wave on a surfboard", "two dogs on the grass", "a clock tower"]


def test_cider_is_that_of_the_coco_caption_evaluation():
    # pycocoevalcap 1.2, with its own tokenizer in Java.
    found = MEASURES["cider"].scores(ANSWERS, [Reference(tuple(texts)) for texts in CAPTIONS])
    assert found == pytest.approx([2.2818116852577663, 1.8120430968535783, 0.6745608172631736], abs=1e-9)
    assert " ".join(words_of(CAPTIONS[2][0])) == "the clock tower does n't show 10:30 it shows 5 o'clock"


def test_rouge_is_the_longest_common_subsequence():
    rouge = MEASURES["rouge"]
    assert rouge.score("testing two", Reference(("testing one two",))) == pytest.approx(
        4 / 5
    )  # the package's own example
    assert rouge.score("police kill the gunman", Reference(("police killed the gunman",))) == 1  # Lin (2004), stemmed
    assert rouge.score("text first", Reference(("first text", "first something"))) == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    "answer, option",
    [
        ("B", "B"),
        ("b.", "B"),
        ("(C)", "C"),
        ("A. red", "A"),
        ("B) dark blue", "B"),
        ("The answer is B.", "B"),
        ("I choose option (c), since it is there.", "C"),
        ("Dark blue", "B"),
        ("It is red.", "A"),
        ("It is dark blue.", "B"),
        ("A dog that is a pet", None),
        ("red or dark blue", None),
        ("E", None),
        ("I", None),
        ("", None),
        ("reddish", None),
    ],
)
def test_the_option_an_answer_names(answer, option):
    assert chosen_option(answer, ["red", "dark blue", "a boat"]) == option


def test_choices_are_compared_by_letter_and_text_alike():
    choice, colours = MEASURES["choice"], ("red", "blue")
    for answer, expected, score in (
        ("B", "blue", 1),
        ("blue", "B", 1),
        ("(a)", "blue", 0),
        ("A", "A", 1),
        ("x", "x", 0),
    ):
        assert choice.score(answer, Reference((expected,), colours)) == score
    assert choice.score("b", Reference(("B",))) == 1
    assert choice.score("blue", Reference(("1",), colours)) == 1  # a number, from 0
    assert choice.score("1", Reference(("1",), ("3", "1"))) == choice.score("B", Reference(("1",), ("3", "1"))) == 1


def test_a_function_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_scores.py").write_text(
        "def close(answer, answers):\n    return 1 / (1 + abs(float(answer) - float(answers[0])))\n"
        "def listed(answer, answers, *, choices, question):\n    return answer in choices and question == 'Which?'\n"
        "def broken(answer, answers):\n    return 'good'\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    reference = Reference(("4",), ("4", "5"), "Which?")
    assert measure_of("my_scores:close").scores(["5"], [reference]) == [0.5]
    assert measure_of("my_scores.py:listed").score("5", reference) == 1.0
    with pytest.raises(InvalidInputError, match="must return a number"):
        measure_of("my_scores:broken").score("5", reference)
    for name in ("my_scores:number", "my_scores:absent", "absent_module:f", ":f", "bleu", "my_scores:"):
        with pytest.raises(InvalidInputError):
            measure_of(name)
