"""Molmo2: its pictures without torchvision, the place of each visual token, and what overlapping tiles cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.errors import UnsupportedModelError
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from tests.support.family_standins.molmo2 import PATCH, SIDE, Molmo2StandIn

SIZES = [(20, 20), (20, 28), (40, 21), (1, 1), (16, 90), (33, 33), (200, 30)]  # height, width
ENTRIES = [entry for entry in CATALOGUE if entry.key.startswith("molmo2")]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prepared(size: tuple[int, int]) -> dict:
    return dict(Molmo2StandIn().processor()(images=Image.fromarray(picture(*size)), text="<|image|>"))


def test_what_tiles_share_is_shown_once():
    """A picture of the size of its tiles, so that nothing is scaled."""
    made = prepared((20, 28))
    overview, finer = (frame.pixels for frame in family_for("molmo2").frames(Molmo2StandIn().config(), made))
    expected = torch.from_numpy(picture(20, 28)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(finer, expected, atol=1e-5, rtol=0)
    assert overview.shape == (3, 20, 20)
    tiles = torch.as_tensor(made["pixel_values"])[1:].view(3, SIDE, SIDE, PATCH, PATCH, 3)
    assert torch.equal(tiles[0][:, 2:], tiles[1][:, :-2])  # a tile stands two patches beside the one before


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
