"""Scenes: each from its seed, things apart and inside, large ones told from small ones."""

import pytest

from fastv.miniature.next.world.scenes import (
    LARGE_FROM,
    MOST_LARGE,
    MOST_THINGS,
    SIDE,
    _is_held_out,
    scene,
)
from fastv.miniature.next.world.vocabulary import COLOURABLE, PLATE

SCENES = [scene(seed) for seed in range(200)]


def test_a_seed_is_a_scene():
    assert scene(7) == scene(7) != scene(8)


def test_things_lie_inside_and_apart_and_in_reading_order():
    for made in SCENES:
        assert 1 <= len(made.things) <= MOST_THINGS
        for index, thing in enumerate(made.things):
            assert thing.size / 2 < min(thing.x, thing.y, SIDE - thing.x, SIDE - thing.y)
            for other in made.things[:index]:
                assert max(abs(thing.x - other.x), abs(thing.y - other.y)) > 0.5 * (thing.size + other.size)
        places = [(thing.cell // 3, thing.x) for thing in made.things]
        assert places == sorted(places)


def test_captions_are_about_one_to_three_clearly_larger_things():
    for made in SCENES:
        large = [thing.size for thing in made.things if thing.large]
        small = [thing.size for thing in made.things if not thing.large]
        assert 1 <= len(large) <= MOST_LARGE
        assert min(large) > LARGE_FROM > max(small, default=0) + 10


def test_only_plates_have_numbers_and_only_what_comes_in_colours_has_one():
    things = [thing for made in SCENES for thing in made.things]
    assert {thing.name for thing in things if thing.number is not None} == {PLATE}
    assert all((thing.colour is not None) == (thing.name in COLOURABLE) for thing in things)


@pytest.mark.parametrize("held_out", [True, False])
def test_layouts_are_kept_from_training_by_the_set_of_their_cells(held_out):
    for seed in range(30):
        made = scene(seed, held_out=held_out)
        assert _is_held_out([(thing.name, thing.x, thing.y, thing.size) for thing in made.things]) == held_out
