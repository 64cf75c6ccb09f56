"""Descriptions read back: what they name, what of it is there, and what they leave out."""

from __future__ import annotations

import pytest

from fastv.miniature.world.captions import check_caption, mentions
from fastv.miniature.world.gallery import GALLERY_SEEDS, gallery_scene
from fastv.miniature.world.questions import description

TRUTH = "a cat, two boats and a horse on a brown background"


@pytest.mark.parametrize("seed", [*GALLERY_SEEDS, *range(40)])
def test_a_description_names_all_things_of_its_scene_and_nothing_of_it_is_marked(seed):
    made = gallery_scene(seed)
    text = description(made)
    named = mentions(text)
    assert sum(one.number or 0 for one in named) == len(made.things) and named[-1].name == made.colour
    checked = check_caption(text, text)
    assert checked.pieces == ((text, False),) and checked.missed == ()


@pytest.mark.parametrize(
    "text, invented, missed",
    [
        ("a horse, a cat and two boats on a brown background", [], ()),
        ("a cat and a horse on a brown background", [], ("two boats",)),
        ("a cat, a boat and a horse on a brown background", [], ("a boat",)),
        ("a cat, three boats and a horse on a brown background", ["three"], ()),
        ("a cat, a boat, two boats and a horse on a brown background", ["two"], ()),
        ("a cat, two elephants, a horse and a horse on a red background", ["two elephants", "a horse", "red"],
         ("two boats", "a brown background")),
        ("", [], ("a cat", "two boats", "a horse", "a brown background")),
        ("a zebra", [], ("a cat", "two boats", "a horse", "a brown background")),
    ],
)  # fmt: skip
def test_what_is_not_there_is_invented_and_what_is_not_said_is_missed(text, invented, missed):
    checked = check_caption(text, TRUTH)
    assert [piece for piece, marked in checked.pieces if marked] == invented
    assert checked.missed == missed and "".join(piece for piece, _ in checked.pieces) == text


@pytest.mark.parametrize("truth", ["middle", "two", "yes", "a cat", ""])
def test_other_answers_are_no_descriptions(truth):
    assert check_caption("a cat", truth) is None
