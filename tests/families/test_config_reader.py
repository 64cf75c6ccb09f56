"""Shapes: every way to write a config reads the same, real models weigh what is computed, and tokens are counted."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaConfig,
    MistralConfig,
    Qwen2_5_VLConfig,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    VideoLlavaConfig,
)

from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.families.vision_shapes import DynamicVisionShape
from tests.support.family_standins.qwen_vl import QWEN_GRIDS, QWEN_PATCH
from tests.support.standins import STANDINS, VIDEO

# As the hub counts the weights of the checkpoints of these names.
WEIGHTS = {
    "qwen2-vl-2b": 2_208_985_600,
    "qwen2-vl-7b": 8_291_375_616,
    "qwen2.5-vl-3b": 3_754_622_976,
    "qwen2.5-vl-7b": 8_292_166_656,
}


def real_config(key: str):
    settings = copy.deepcopy(REFERENCE_CONFIGS[key])
    return AutoConfig.for_model(settings.pop("model_type"), **settings)


@pytest.mark.parametrize("key", REFERENCE_CONFIGS)
def test_references_are_the_real_classes_models(key):
    config = real_config(key)
    shape = read_shape(REFERENCE_CONFIGS[key])
    assert shape == read_shape(config) == read_shape(config.to_dict())
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    model.tie_weights()
    assert shape.parameters == model.num_parameters() == WEIGHTS.get(key, model.num_parameters())


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("tied", [False, True])
def test_small_models_weigh_what_is_computed(key, tied):
    config = STANDINS[key].config()
    config.tie_word_embeddings = tied
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    assert read_shape(config).parameters == model.num_parameters()


@pytest.mark.parametrize("text", [Qwen2Config, MistralConfig])
def test_llava_on_another_decoder(text):
    small = dict(
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=50,
    )
    config = LlavaConfig(text_config=text(**small), vision_config=STANDINS["llava"].config().vision_config)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    assert read_shape(config).parameters == model.num_parameters()


@pytest.mark.parametrize("kind", [VideoLlavaConfig, Qwen2VLConfig, Qwen2_5_VLConfig, Qwen2Config, MistralConfig])
def test_what_a_short_config_leaves_out_is_the_classs_default(kind):
    assert read_shape({"model_type": kind.model_type}) == read_shape(kind())


def test_the_text_part_alone_is_the_decoder():
    for key in ("qwen2_vl", "qwen2_5_vl", "video_llava"):
        config = STANDINS[key].config()
        assert read_shape(config.text_config) == ModelShape(read_shape(config).decoder)


@pytest.mark.parametrize(
    "height, width",
    [
        (224, 224),
        (336, 336),
        (672, 672),
        (480, 640),
        (1080, 1920),
        (2048, 300),
        (7, 9),
        (30, 30),
        (14, 200),
        (5000, 7000),
        (100, 1999),
    ],
)
def test_tokens_of_a_picture_of_any_size_are_the_processors(height, width):
    processor = Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=12_845_056)  # as in the checkpoints
    patches = processor.get_number_of_image_patches(height, width)
    for key in ("qwen2-vl-7b", "qwen2.5-vl-7b"):
        shape = read_shape(REFERENCE_CONFIGS[key])
        assert shape.any_size and shape.picture_tokens(height, width) == patches // 4


def test_tokens_of_a_picture_of_one_size():
    for key, tokens in (("llava-1.5-7b", 576), ("video-llava-7b", 256)):
        shape = read_shape(REFERENCE_CONFIGS[key])
        assert not shape.any_size
        assert shape.projector.tokens == shape.picture_tokens(10, 10) == shape.picture_tokens(900, 300) == tokens
    qwen = read_shape(REFERENCE_CONFIGS["qwen2-vl-7b"])
    assert qwen.projector.tokens == qwen.picture_tokens(672, 672) == 576
    assert ModelShape(qwen.decoder).picture_tokens(10, 10) == 0


def test_tokens_of_a_video():
    video_llava = read_shape(REFERENCE_CONFIGS["video-llava-7b"])
    assert video_llava.video_tokens(8, 224, 224) == VideoLlavaConfig().video_seq_length == 2056
    assert read_shape(REFERENCE_CONFIGS["llava-1.5-7b"]).video_tokens(8, 224, 224) == 0
    qwen = read_shape(REFERENCE_CONFIGS["qwen2.5-vl-7b"])
    assert qwen.video_tokens(8, 280, 420) == qwen.video_tokens(7, 280, 420) == 4 * 10 * 15


@pytest.mark.parametrize("key", [key for key, standin in STANDINS.items() if standin.video])
def test_tokens_of_a_video_are_what_the_model_takes(key):
    standin = STANDINS[key]
    shape, (_, rows, columns) = read_shape(standin.config()), QWEN_GRIDS[VIDEO]
    found = shape.video_tokens(standin.video_frames, rows * QWEN_PATCH, columns * QWEN_PATCH)
    assert found == standin.visual_tokens[VIDEO]


def test_windows_are_in_patches():
    vision = read_shape(REFERENCE_CONFIGS["qwen2.5-vl-7b"]).vision
    assert isinstance(vision, DynamicVisionShape) and (vision.window, vision.full_attention_layers) == (8, 4)
    assert read_shape(REFERENCE_CONFIGS["qwen2-vl-7b"]).vision.window == 0
