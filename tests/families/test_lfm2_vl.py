"""LFM2-VL: its pictures without torchvision, the place of each visual token, and what convolutions and padding cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import METHODS
from fastv.costs.flops import cost
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from fastv.measurement.memory import cache_bytes
from fastv.pruning.transformers_compat import cache_in
from tests.support.family_standins.lfm2_vl import TILE, Lfm2VLStandIn
from tests.support.flop_counter import counter
from tests.support.masked_reference import GREEDY
from tests.support.standins import END, IMAGE_TOKEN, START, WIDE

SIZES = [(28, 28), (20, 30), (28, 56), (90, 30), (100, 60), (12, 40), (150, 140), (1, 1)]  # height, width
ENTRIES = [entry for entry in CATALOGUE if entry.key.startswith("lfm2-vl")]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_very_long_picture_has_more_patches_than_others_are_filled_up_to():
    standin = Lfm2VLStandIn()
    pair = [Image.fromarray(picture(*size)) for size in ((6, 112), (28, 28))]
    made = standin.processor()(images=pair, text="<image> <image>", return_tensors="pt")
    tokens = [read_shape(standin.config()).picture_tokens(*size) for size in ((6, 112), (28, 28))]
    assert tokens[0] > 4 and made["pixel_attention_mask"].sum(1).tolist() == [4 * count for count in tokens]
    assert int((made["input_ids"] == IMAGE_TOKEN).sum()) == sum(tokens)


def test_each_tile_is_a_part_of_the_picture_and_the_overview_all_of_it():
    """A picture of the size of its tiles, so that nothing is scaled but the overview."""
    standin, pixels = Lfm2VLStandIn(), picture(TILE, 2 * TILE)
    made = standin.processor()(images=Image.fromarray(pixels), text="<image>", return_tensors="pt")
    left, right, overview = (frame.pixels for frame in family_for("lfm2_vl").frames(standin.config(), made))
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(torch.cat([left, right], -1), expected, atol=1e-5, rtol=0)
    halved = expected.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4))
    assert overview.shape == halved.shape and torch.corrcoef(torch.stack([overview, halved]).flatten(1))[0, 1] > 0.9


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_a_small_pictures_visual_tokens_are_those_of_the_model_card(entry):
    assert read_shape(entry.config).picture_tokens(256, 384) == 96


def test_decode_and_cache_of_layers_with_convolutions_are_what_torch_counts():
    """Of each convolution torch computes a second output while it decodes, which nothing uses."""
    standin, answer, k, r = Lfm2VLStandIn(), 3, 1, 0.5
    model, inputs = standin.model(), standin.inputs([(5, WIDE, 7)])
    visual = standin.visual_tokens[WIDE]
    text = inputs["input_ids"].shape[1] - visual
    expected = cost(
        model.config, text_tokens=text, visual_tokens=visual, answer_tokens=answer, k=k, r=r, dtype="float32"
    )
    options = GREEDY | dict(suppress_tokens=[2, START, END, IMAGE_TOKEN])

    def generate(tokens: int):
        with counter() as count, torch.no_grad():
            out = model.generate(**inputs, **options | dict(max_new_tokens=tokens, min_new_tokens=tokens))
        return count.get_total_flops(), cache_in(out)

    with METHODS["random"](k=k, r=r)(model):
        (prefill, _), (whole, cache) = generate(1), generate(answer)
    convolution = read_shape(model.config).decoder.layer(1)
    unused = 2 * (answer - 1) * convolution.width * convolution.kernel * 2  # of the stand-in's two such layers
    assert whole - prefill - unused == pytest.approx(expected.decode_flops, rel=1e-3)
    assert cache_bytes(cache) == expected.kv_cache_bytes
