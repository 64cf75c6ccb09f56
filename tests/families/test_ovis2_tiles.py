"""Ovis2's number of tiles, and of visual tokens, is that of its processor."""

import pytest
from PIL import Image
from transformers import Ovis2ImageProcessorPil

from fastv.families.config_reader import read_shape
from tests.support.family_standins.ovis2 import TILE, Ovis2StandIn

SIZES = [(28, 28), (20, 30), (56, 28), (30, 90), (100, 60), (84, 84), (200, 33), (150, 140), (300, 310)]  # h, w


@pytest.mark.parametrize("height, width", SIZES)
def test_tiles_are_those_of_the_image_processor(height, width):
    shape = read_shape(Ovis2StandIn().config().to_dict())
    cut = Ovis2ImageProcessorPil(
        size={"height": TILE, "width": TILE}, crop_to_patches=True, max_patches=shape.vision.most_tiles
    )
    pixels = cut(Image.new("RGB", (width, height)), return_tensors="pt")["pixel_values"]
    assert shape.vision.tiles(height, width) == len(pixels)
    assert shape.picture_tokens(height, width) == len(pixels) * shape.vision.tile_tokens
