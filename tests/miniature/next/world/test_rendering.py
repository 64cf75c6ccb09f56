"""Pictures show what their scenes say, alone and in batches."""

import numpy as np
import pytest
import torch

from fastv.miniature.next.world.patch_labels import patch_labels
from fastv.miniature.next.world.rendering import normalised, parameters, picture, render
from fastv.miniature.next.world.scenes import GRID, PATCH, SIDE, Scene, Thing, scene
from fastv.miniature.next.world.vocabulary import NAMES, PLATE

SCENES = [scene(seed) for seed in range(40)]


@pytest.fixture(scope="module")
def drawn():
    made = parameters(SCENES).to("cpu")
    return made, *render(made)


def test_a_batch_is_its_pictures_one_by_one(drawn):
    _, pictures, owners = drawn
    for row in (0, 7, 31):
        alone, own = render(parameters([SCENES[row]]).to("cpu"))
        assert torch.equal(alone[0], pictures[row]) and torch.equal(own[0], owners[row])
    assert np.array_equal(np.asarray(picture(SCENES[7])).transpose(2, 0, 1), pictures[7].numpy())


def test_every_thing_covers_patches_around_its_centre_and_no_others(drawn):
    _, _, owners = drawn
    middles = (torch.arange(GRID) + 0.5) * PATCH
    for made, own in zip(SCENES, owners, strict=True):
        grid = own.view(GRID, GRID)
        for index, thing in enumerate(made.things):
            down, across = torch.nonzero(grid == index, as_tuple=True)
            assert len(down) >= (4 if thing.large else 1)
            reach = thing.size * 0.72 + PATCH
            assert (middles[down] - thing.y).abs().max() < reach and (middles[across] - thing.x).abs().max() < reach
        assert set(own.unique().tolist()) <= set(range(-1, len(made.things)))


def test_labels_name_what_owns_a_patch(drawn):
    made, _, owners = drawn
    labels = patch_labels(made, owners)
    for row, scene_ in enumerate(SCENES):
        for index, thing in enumerate(scene_.things):
            own = owners[row] == index
            assert (labels["name"][row][own] == 1 + NAMES.index(thing.name)).all()
            assert (labels["cell"][row][own] == thing.cell).all()
        assert (labels["name"][row][owners[row] < 0] == 0).all()


@pytest.mark.parametrize("number", [7, 42, 385])
def test_digits_are_read_from_left_to_right_each_over_two_by_two_patches(number):
    plate = Thing(PLATE, 170, 150, 110, number=number)
    made = parameters([Scene(1, "blue", (plate,))]).to("cpu")
    labels = patch_labels(made, render(made)[1])
    digit, place = (labels[name].view(GRID, GRID) for name in ("digit", "place"))
    for index, shown in enumerate(str(number)):
        rows, columns = torch.nonzero(place == index + 1, as_tuple=True)
        assert (digit[rows, columns] == 1 + int(shown)).all()
        assert len(set(rows.tolist())) >= 2 and len(set(columns.tolist())) >= 2
    columns = [torch.nonzero(place == index + 1)[:, 1].float().mean() for index in range(len(str(number)))]
    assert columns == sorted(columns)


def test_a_coloured_thing_shows_its_colour():
    pictures = {
        colour: render(parameters([Scene(3, "grey", (Thing("car", 168, 168, 110, colour=colour),))]).to("cpu"))
        for colour in ("red", "green", "blue")
    }
    for channel, (shown, owners) in enumerate(pictures.values()):
        patches = (owners[0] == 0).view(GRID, GRID).repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
        means = shown[0][:, patches].float().mean(1)
        assert int(means.argmax()) == channel


def test_normalisation_is_that_of_the_image_processor():
    from fastv.miniature.model.architecture import image_processor

    made = SCENES[3]
    theirs = image_processor()(picture(made), return_tensors="pt")["pixel_values"]
    ours = normalised(render(parameters([made]).to("cpu"))[0])
    assert theirs.shape == (1, 3, SIDE, SIDE)
    assert torch.allclose(ours, theirs, atol=1e-5)
