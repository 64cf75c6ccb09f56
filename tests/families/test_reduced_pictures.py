"""Pictures read at a lower resolution: the tower's own work on the smaller picture, at the right places."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.nn.functional import interpolate

from fastv.errors import UnsupportedModelError
from fastv.families.base import base_of
from fastv.families.reduced_pictures import lattice
from fastv.families.registry import family_of
from tests.support.family_standins.base import PICTURE, VIDEO, WIDE
from tests.support.standins import ALL_STANDINS as STANDINS


def test_a_lattice_lies_at_the_middles_of_the_smaller_cells():
    assert lattice((4, 4), (2, 2)) == [5, 7, 13, 15]
    assert lattice((3, 5), (3, 5)) == list(range(15))
    assert lattice((24, 24), (1, 1)) == [12 * 24 + 12]
    assert lattice((2, 6), (1, 4)) == [6, 8, 9, 11]


def square_patches(picture: torch.Tensor, side: int, block: int) -> torch.Tensor:
    """Cuts (frames, channels, height, width) into Qwen-VL's rows, patch by patch."""
    _, _, height, width = picture.shape
    rows = []
    for top in range(0, height // side, block):
        for left in range(0, width // side, block):
            for row in range(top, top + block):
                for column in range(left, left + block):
                    patch = picture[:, :, row * side : (row + 1) * side, column * side : (column + 1) * side]
                    rows.append(patch.transpose(0, 1).flatten())
    return torch.stack(rows)


def features(base, inputs: dict, video: bool = False):
    """What a model's own method makes of the pictures, each (tokens, width)."""
    method = base.get_video_features if video else base.get_image_features
    names = inspect.signature(method).parameters
    with torch.no_grad():
        return method(**{name: value for name, value in inputs.items() if name in names}).pooler_output


def reduced(key: str, parts: list[str], size: tuple[int, int] | None, video: bool = False):
    """Those of a stand-in's pictures, at a size, and as they are."""
    standin = STANDINS[key]
    model = standin.model()
    inputs = standin.inputs([(3, *parts, 4)])
    whole, asked = features(base_of(model), inputs, video), []

    def sizes(token, groups):
        asked.append((token, groups))
        return None if size is None else [size] * len(groups)

    with family_of(model).reduced_pictures(model, sizes):
        small = features(base_of(model), inputs, video)
    assert "get_image_features" not in vars(base_of(model))
    return model, inputs, whole, small, asked


@pytest.mark.parametrize("key", ["llava", "video_llava", "deepseek_vl"])
@pytest.mark.parametrize("size", [(2, 2), (3, 1), (4, 4), None])
def test_a_clip_tower_reads_the_smaller_picture(key, size):
    model, inputs, whole, small, asked = reduced(key, [PICTURE, PICTURE], size)
    ((token, groups),) = asked
    assert token == model.config.image_token_id and [group.grid for group in groups] == [(1, 4, 4)] * 2
    assert type(small) is type(whole) and [len(each) for each in small] == [16, 16]
    if size in (None, (4, 4)):
        assert all(torch.equal(one, other) for one, other in zip(whole, small))
        return
    pixels = inputs.get("pixel_values", inputs.get("pixel_values_images"))
    pixels = interpolate(pixels, (size[0] * 14, size[1] * 14), mode="bicubic", antialias=True)
    with torch.no_grad():
        wanted = base_of(model).get_image_features(pixel_values=pixels, interpolate_pos_encoding=True).pooler_output
    places = lattice((4, 4), size)
    others = [place for place in range(16) if place not in places]
    for one, other in zip(small, wanted):
        torch.testing.assert_close(one[places], other)
        assert not one[others].any()


def test_pictures_may_be_read_at_different_sizes():
    standin = STANDINS["llava"]
    model, inputs = standin.model(), standin.inputs([(3, PICTURE, PICTURE, PICTURE, 4)])
    wanted = [(2, 2), (4, 4), (2, 2)]
    with family_of(model).reduced_pictures(model, lambda _, groups: wanted):
        together = features(base_of(model), inputs)
    for number, size in enumerate(wanted):
        alone = {"pixel_values": inputs["pixel_values"][number : number + 1]}
        with family_of(model).reduced_pictures(model, lambda _, groups, size=size: [size]):
            torch.testing.assert_close(together[number], features(base_of(model), alone)[0])


def test_frames_of_a_video_keep_their_class_token():
    model, inputs, whole, small, asked = reduced("video_llava", [VIDEO], (2, 2), video=True)
    ((token, (group,)),) = asked
    assert token == model.config.video_token_id and (group.grid, group.lead) == ((3, 4, 4), 1)
    assert small.shape == whole.shape == (3, 17, 32)
    pixels = interpolate(inputs["pixel_values_videos"][0], (28, 28), mode="bicubic", antialias=True)
    with torch.no_grad():
        wanted = base_of(model).get_video_features(pixel_values_videos=pixels[None], interpolate_pos_encoding=True)
    places = [0, *(1 + place for place in lattice((4, 4), (2, 2)))]
    torch.testing.assert_close(small[:, places], wanted.pooler_output)
    assert not small[:, [place for place in range(17) if place not in places]].any()


@pytest.mark.parametrize("key", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("parts, video", [([PICTURE, WIDE], False), ([VIDEO], True)])
def test_a_tower_for_any_size_reads_fewer_patches(key, parts, video):
    model, inputs, whole, small, asked = reduced(key, parts, (1, 2), video)
    ((token, groups),) = asked
    assert token == (model.config.video_token_id if video else model.config.image_token_id)
    assert [group.tokens for group in groups] == [len(each) for each in whole] == [len(each) for each in small]
    names = ("pixel_values_videos", "video_grid_thw") if video else ("pixel_values", "image_grid_thw")
    grids, start, patches = inputs[names[1]].tolist(), 0, []
    for moments, rows, columns in grids:
        for _ in range(moments):
            part = inputs[names[0]][start : start + rows * columns]
            start += len(part)
            picture = torch.zeros(2, 3, rows * 2, columns * 2)  # two frames; patches of 2 x 2 pixels in blocks of 2 x 2
            for number, patch in enumerate(part):
                block, inside = divmod(number, 4)
                row, column = 2 * (block // (columns // 2)) + inside // 2, 2 * (block % (columns // 2)) + inside % 2
                at = slice(row * 2, row * 2 + 2), slice(column * 2, column * 2 + 2)
                picture[:, :, at[0], at[1]] = patch.view(3, 2, 2, 2).transpose(0, 1)
            patches.append(square_patches(interpolate(picture, (4, 8), mode="bicubic", antialias=True), 2, 2))
    reduced_inputs = {names[0]: torch.cat(patches), names[1]: torch.tensor([[moments, 2, 4] for moments, *_ in grids])}
    for one, other, group in zip(small, features(base_of(model), reduced_inputs, video), groups):
        cells = lattice((group.rows, group.columns), (1, 2))
        places = [frame * group.rows * group.columns + cell for frame in range(group.frames) for cell in cells]
        torch.testing.assert_close(one[places], other, atol=1e-4, rtol=1e-4)
        assert not one[[place for place in range(len(one)) if place not in places]].any()


def test_a_tower_for_one_size_is_refused(monkeypatch):
    model = STANDINS["llava"].model()
    monkeypatch.setattr(type(model.model.vision_tower), "forward", lambda self, pixel_values: None)
    with pytest.raises(UnsupportedModelError, match="CLIPVisionModel"):
        with family_of(model).reduced_pictures(model, lambda *_: None):
            pass
