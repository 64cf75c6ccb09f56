"""Soft scores of captions reward what is right in a wrong caption."""

import pytest

from fastv.miniature.evaluation.caption_scores import caption_f1, caption_parts, cider

TRUTH = "a dog, two cups and a rose on a red background"
OTHERS = ["a cat and a bus on a blue background", "three roses on a green background"]


def test_a_caption_is_its_things_and_its_background_in_any_order():
    assert caption_parts(TRUTH).total() == 4
    assert caption_parts("A rose, a dog and two cups on a red background.") == caption_parts(TRUTH)
    assert caption_parts("") == caption_parts(" ")


@pytest.mark.parametrize(
    ("answer", "f1"),
    [
        (TRUTH, 1.0),
        ("a dog, two cups and a tulip on a red background", 0.75),  # 3 of 4 right, both ways
        ("a dog on a red background", 2 * 2 / (2 + 4)),  # all right, half of it said
        ("a dog, a dog and a dog on a red background", 2 * 2 / (4 + 4)),  # said thrice, counted once
        ("four birds", 0.0),
        ("", 0.0),
    ],
)
def test_f1_counts_parts_both_ways(answer, f1):
    assert caption_f1(answer, TRUTH) == pytest.approx(f1)
    assert caption_f1(TRUTH, answer) == pytest.approx(f1)


def test_cider_is_highest_for_the_truth_and_falls_with_each_mistake():
    truths = [TRUTH, *OTHERS]
    same = cider(truths, truths)
    assert same == pytest.approx([10.0] * 3)
    one_wrong, two_wrong = (
        cider([answer, *OTHERS], truths)[0]
        for answer in (
            "a dog, two cups and a tulip on a red background",
            "a fox, two cups and a tulip on a red background",
        )
    )
    assert 10 > one_wrong > two_wrong > cider(["nothing", *OTHERS], truths)[0] == 0


def test_cider_gives_little_for_what_all_captions_say():
    truths = [TRUTH, *OTHERS]
    common, rare = cider(["on a background", *OTHERS], truths)[0], cider(["two cups", *OTHERS], truths)[0]
    assert common < rare
