"""AnyRes: a picture's visual tokens follow from its size, and its FLOPs are what torch counts."""

from __future__ import annotations

import pytest
from transformers import (
    LlavaNextConfig,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionProcessor,
)
from transformers.image_processing_utils import select_best_resolution

from fastv.errors import UnsupportedModelError
from fastv.families.anyres_shapes import tile_grid
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape

SIZES = [(336, 336), (480, 640), (1080, 1920), (1920, 1080), (2048, 300), (300, 2048), (7, 9), (500, 333), (1024, 1024)]
KEYS = ["llava-next-vicuna-7b", "llava-next-mistral-7b", "llava-onevision-0.5b", "llava-onevision-7b"]


def processor_of(key: str):
    """The real processor's arithmetic, at the checkpoints' own settings."""
    if key.startswith("llava-next"):
        made = LlavaNextProcessor.__new__(LlavaNextProcessor)
        made.image_processor = LlavaNextImageProcessorPil(image_grid_pinpoints=LlavaNextConfig().image_grid_pinpoints)
        made.patch_size, made.num_additional_image_tokens, made.vision_feature_select_strategy = 14, 1, "default"
        return made, 336
    made = LlavaOnevisionProcessor.__new__(LlavaOnevisionProcessor)
    pinpoints = LlavaOnevisionConfig().image_grid_pinpoints
    made.image_processor = LlavaOnevisionImageProcessorPil(image_grid_pinpoints=pinpoints)
    made.num_image_tokens, made.vision_aspect_ratio = 729, "anyres_max_9"
    return made, 384


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", [KEYS[0], KEYS[3]])
def test_visual_tokens_are_the_real_processors(key, size):
    made, side = processor_of(key)
    expected = made._get_number_of_features(*size, side, side)
    if key.startswith("llava-next"):
        expected -= 1  # of the class token, which the processor takes off afterwards
    shape = read_shape(REFERENCE_CONFIGS[key])
    assert shape.picture_tokens(*size) == expected
    grid = select_best_resolution(size, made.image_processor.image_grid_pinpoints)
    assert tile_grid(size, shape.vision.grids, side) == tuple(each // side for each in grid)


@pytest.mark.parametrize("key", [KEYS[0], KEYS[3]])
@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (900, 900), (1500, 1000)])
def test_tiles_are_told_from_visual_tokens(key, size):
    shape = read_shape(REFERENCE_CONFIGS[key])
    tokens, tiles = shape.picture_tokens(*size), shape.vision.tiles(*size)
    for pictures in (1, 3):
        encoded = shape.encoded_tokens(pictures * tokens, pictures)
        assert encoded == pytest.approx(pictures * tiles * shape.vision.tile_tokens, rel=0.01)
    assert shape.encoded_tokens(0, 0) == 0


@pytest.mark.parametrize("grids", [[336, 672], [[0, 336]], [["a", 1]], [[336, 336]] * 101])
def test_grids_that_are_none_are_refused(grids):
    with pytest.raises(UnsupportedModelError, match="image_grid_pinpoints"):
        read_shape({**REFERENCE_CONFIGS[KEYS[0]], "image_grid_pinpoints": grids})
