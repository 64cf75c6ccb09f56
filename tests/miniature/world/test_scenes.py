import numpy as np
import pytest

from fastv.miniature.world.scenes import GRID, NO_LABEL, PATCH, SIDE, patch_labels, scene
from fastv.miniature.world.sprites import sprites
from fastv.miniature.world.vocabulary import CELLS, COLOURS, KINDS, NAMES

SEEDS = range(60)


def occupied(made):
    return frozenset(thing.cell for thing in made.things)


def test_a_seed_gives_the_same_scene_again():
    first, second = scene(5), scene(5)
    assert first.things == second.things and first.colour == second.colour
    assert np.array_equal(np.asarray(first.picture), np.asarray(second.picture))
    assert scene(6).things != first.things


def test_every_kind_has_a_sprite():
    assert set(sprites()) == set(KINDS)


@pytest.mark.slow
def test_layouts_held_out_are_never_drawn_for_training():
    trained = {occupied(scene(seed, held_out=False)) for seed in range(300)}
    kept_back = {occupied(scene(seed, held_out=True)) for seed in range(300)}
    assert len(kept_back) > 20
    assert not trained & kept_back


def test_scenes_hold_what_they_promise():
    for made in map(scene, SEEDS):
        assert made.picture.size == (SIDE, SIDE) and made.picture.mode == "RGB"
        assert 1 <= len(made.things) <= 6 and made.colour in COLOURS
        for thing in made.things:
            left, top, right, bottom = thing.box
            assert 0 <= left < right <= SIDE and 0 <= top < bottom <= SIDE
            assert (thing.number is not None) == (thing.name == "sign")
            assert len(thing.digit_centres) == len(thing.number or "")


@pytest.mark.parametrize("seed", range(12))
def test_patch_labels_name_what_is_drawn_there(seed):
    made = scene(seed)
    labels = patch_labels(made)
    names, cells = labels["name"].reshape(GRID, GRID), labels["cell"].reshape(GRID, GRID)
    for row, column in zip(*np.nonzero(names)):
        x, y = (column + 0.5) * PATCH, (row + 0.5) * PATCH
        around = [
            thing
            for thing in made.things
            if thing.box[0] - PATCH <= x <= thing.box[2] + PATCH and thing.box[1] - PATCH <= y <= thing.box[3] + PATCH
        ]
        assert NAMES[names[row, column] - 1] in {thing.name for thing in around}
        assert CELLS[cells[row, column]] in {thing.cell for thing in around}
    assert (cells[names == 0] == NO_LABEL).all()
    assert labels["centre"].sum() == len(made.things)
    assert ((labels["digit"] > 0) == (labels["place"] > 0)).all()


def test_the_patches_of_a_sign_tell_its_number_in_order():
    for seed in range(40):
        made = scene(seed, names=["sign", "dog"])
        (sign,) = (thing for thing in made.things if thing.number)
        labels = patch_labels(made)
        read = {int(place): int(digit) - 1 for place, digit in zip(labels["place"], labels["digit"]) if place}
        assert all(sign.number[place - 1] == str(digit) for place, digit in read.items())
        assert len(read) >= len(sign.number) - 1  # two narrow digits may share a patch
        assert {labels["name"][patch] for patch in np.flatnonzero(labels["digit"])} <= {0, 1 + NAMES.index("sign")}


def test_a_scene_can_be_told_what_to_show():
    made = scene(3, names=["cat", "cat", "sign"])
    assert sorted(thing.name for thing in made.things) == ["cat", "cat", "sign"]
