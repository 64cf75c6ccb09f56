"""Molmo2: its pictures without torchvision, the place of each visual token, and what overlapping tiles cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.costs.flops import cost
from fastv.errors import UnsupportedModelError
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.molmo2_pictures import Molmo2Pictures
from fastv.families.registry import family_for
from tests.support.family_standins.molmo2 import LIMITS, PATCH, SIDE, Molmo2StandIn
from tests.support.flop_counter import counted
from tests.support.standins import IMAGE_TOKEN

SIZES = [(20, 20), (20, 28), (40, 21), (1, 1), (16, 90), (33, 33), (200, 30)]  # height, width
ENTRIES = [entry for entry in CATALOGUE if entry.key.startswith("molmo2")]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prepared(size: tuple[int, int]) -> dict:
    return dict(Molmo2StandIn().processor()(images=Image.fromarray(picture(*size)), text="<|image|>"))


@pytest.mark.parametrize("size", SIZES)
def test_visual_tokens_and_tiles_are_the_processors(size):
    config, made = Molmo2StandIn().config(), prepared(size)
    shape, family = read_shape(config), family_for("molmo2")
    tokens = sum(token == IMAGE_TOKEN for token in made["input_ids"][0])
    assert shape.picture_tokens(*size) == tokens == sum(frame.tokens for frame in family.frames(config, made))
    assert shape.vision.tiles(*size) == len(made["pixel_values"])


def test_what_tiles_share_is_shown_once():
    """A picture of the size of its tiles, so that nothing is scaled."""
    made = prepared((20, 28))
    overview, finer = (frame.pixels for frame in family_for("molmo2").frames(Molmo2StandIn().config(), made))
    expected = torch.from_numpy(picture(20, 28)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(finer, expected, atol=1e-5, rtol=0)
    assert overview.shape == (3, 20, 20)
    tiles = torch.as_tensor(made["pixel_values"])[1:].view(3, SIDE, SIDE, PATCH, PATCH, 3)
    assert torch.equal(tiles[0][:, 2:], tiles[1][:, :-2])  # a tile stands two patches beside the one before


@pytest.mark.parametrize("settings", [{}, {"max_crops": 3}, LIMITS])
def test_pictures_are_those_of_the_library(settings):
    """Where torchvision is there."""
    pytest.importorskip("torchvision")
    from transformers import Molmo2ImageProcessor

    for size in [*SIZES, (112, 300), (600, 1100)]:
        both = (kind(**settings) for kind in (Molmo2ImageProcessor, Molmo2Pictures))
        expected, made = (one(Image.fromarray(picture(*size)), return_tensors="pt") for one in both)
        assert expected.keys() == made.keys()
        torch.testing.assert_close(dict(made), dict(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_a_catalogue_entrys_visual_tokens_are_those_of_a_square_picture(entry):
    assert read_shape(entry.config).picture_tokens(1024, 1024) == entry.visual_tokens


@pytest.mark.parametrize("size", [(40, 21), (33, 33)])
def test_flops_of_tiles_are_what_torch_counts(size):
    model, made = Molmo2StandIn().model(width=64), prepared(size)
    inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in made.items()}
    visual = int((inputs["input_ids"] == IMAGE_TOKEN).sum())
    text = inputs["input_ids"].shape[1] - visual
    expected = cost(model.config, text_tokens=text, visual_tokens=visual, answer_tokens=1, k=None, r=0.0)
    with torch.no_grad():
        flops = counted(model, inputs)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.01)


def test_norms_of_all_heads_together_are_counted():
    config = Molmo2StandIn().config(qk_norm_type="olmo", norm_after=True)
    model = Molmo2StandIn().build(config, "sdpa")
    assert read_shape(config).parameters == sum(weight.numel() for weight in model.parameters())


def test_the_first_files_name_their_parts_otherwise():
    """``vit_config`` of more layers than there are weights, and the adapter's layers counted from its end."""
    first = {"vit_config": {"num_hidden_layers": 27}, "adapter_config": {"vit_layers": [-3, -9]}}
    assert read_shape({"model_type": "molmo2", **first}) == read_shape({"model_type": "molmo2"})


def test_rotary_embeddings_of_two_kinds_are_not_numbered_anew():
    model = Molmo2StandIn().model(rope_scaling_layers=[1])
    with pytest.raises(UnsupportedModelError, match="positions='keep'"), FastV(k=2, positions="close")(model):
        pass
