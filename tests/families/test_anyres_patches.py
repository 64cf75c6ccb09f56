"""Patches of AnyRes tiles, against the packing of the models themselves: padded, shrunk, and of videos."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel, image_size_to_num_patches
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel

from fastv.families.llava_next import LlavaNext
from fastv.families.llava_onevision import LlavaOnevision
from tests.support.standins import IMAGE_TOKEN, VIDEO_TOKEN

SIDE, PATCH = 4, 14
TILE = SIDE * PATCH
SIZES = [(TILE, 2 * TILE), (100, 57), (30, 200), (161, 90), (224, 224), (1, 300)]
PINPOINTS = [[rows * TILE, columns * TILE] for rows in (1, 2, 3, 4) for columns in (1, 2, 4)]


@pytest.mark.parametrize(
    "family, packing, lead, most_tiles",
    [
        (LlavaNext(), LlavaNextModel, 1, 9),
        *((LlavaOnevision(), LlavaOnevisionModel, 0, most) for most in (1, 2, 9)),
    ],
)
def test_patches_of_pictures_are_where_the_model_puts_them(family, packing, lead, most_tiles):
    config = SimpleNamespace(
        vision_config=SimpleNamespace(image_size=TILE, patch_size=PATCH),
        image_grid_pinpoints=PINPOINTS,
        image_token_id=IMAGE_TOKEN,
        video_token_id=VIDEO_TOKEN,
        vision_aspect_ratio=f"anyres_max_{most_tiles}",
    )
    sizes = torch.tensor(SIZES)
    index, shares = family.tower_patches(config, IMAGE_TOKEN, {"image_sizes": sizes}, lead)
    length = lead + SIDE**2
    counts = [image_size_to_num_patches(size, PINPOINTS, TILE) for size in SIZES]
    states = torch.randn(sum(counts) * length, 3, generator=torch.Generator().manual_seed(0))
    ours = (states[index.clamp(min=0)] * shares[..., None]).sum(dim=1)
    features = [tiles[:, lead:] for tiles in states.view(-1, length, 3).split(counts)]
    more = {"vision_feature_select_strategy": "default"}
    if isinstance(family, LlavaOnevision):
        more = {"vision_aspect_ratio": config.vision_aspect_ratio}
    newline, model = torch.zeros(3), SimpleNamespace(config=config)
    theirs, _ = packing.pack_image_features(model, features, sizes, image_newline=newline, **more)
    torch.testing.assert_close(ours, torch.cat(theirs))
    assert ((index < 0) <= (shares == 0)).all()


@pytest.mark.parametrize("side", [4, 5])
def test_patches_of_videos_come_after_those_of_pictures(side):
    vision = SimpleNamespace(image_size=side * PATCH, patch_size=PATCH)
    config = SimpleNamespace(
        vision_config=vision,
        image_grid_pinpoints=[[side * PATCH, 2 * side * PATCH]],
        image_token_id=IMAGE_TOKEN,
        video_token_id=VIDEO_TOKEN,
        vision_aspect_ratio="anyres_max_9",
    )
    inputs = {"image_sizes": torch.tensor([(20, 50)]), "pixel_values_videos": torch.empty(2, 3, 3, 1, 1)}
    index, shares = LlavaOnevision().tower_patches(config, VIDEO_TOKEN, inputs, 0)
    states = torch.randn((3 + 2 * 3) * side**2, 5, generator=torch.Generator().manual_seed(0))
    ours = (states[index.clamp(min=0)] * shares[..., None]).sum(dim=1)
    frames = states[3 * side**2 :].view(6, side**2, 5)
    pooled = LlavaOnevisionModel.apply_pooling(SimpleNamespace(config=config), frames).reshape(2, -1, 5)
    torch.testing.assert_close(ours.view(2, -1, 5), torch.cat([pooled, torch.zeros(2, 1, 5)], dim=1))
    without = LlavaOnevision().tower_patches(config, VIDEO_TOKEN, {"image_sizes": inputs["image_sizes"]}, 0)
    assert without is None
