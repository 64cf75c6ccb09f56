"""Molmo2: overlapping tiles, videos without torchvision, and sizes that other families do not have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.costs.flops import cost
from fastv.errors import UnsupportedModelError
from fastv.families.config_reader import read_shape
from fastv.families.molmo2_pictures import Molmo2Pictures, Molmo2Videos
from fastv.families.registry import family_for
from tests.support.family_standins.base import IMAGE_TOKEN, QUESTION_WORDS
from tests.support.family_standins.molmo2 import FRAME_TOKENS, PATCH, SIDE, Molmo2StandIn
from tests.support.flop_counter import counted


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


@pytest.mark.parametrize("frames", [1, 4])
def test_a_video_becomes_inputs_that_cost_what_torch_counts(frames):
    """Frames of the size of a tile, so that nothing is scaled."""
    standin, family = Molmo2StandIn(), family_for("molmo2")
    model, processor = standin.model(width=64), standin.processor()
    video = np.random.default_rng(0).integers(0, 256, (frames, 20, 20, 3), dtype=np.uint8)
    inputs = dict(processor(videos=[video], text=f"what <|video|> {QUESTION_WORDS[0]}", return_tensors="pt"))
    visual, shape = int((inputs["input_ids"] == IMAGE_TOKEN).sum()), read_shape(model.config)
    assert visual == frames * FRAME_TOKENS == shape.video_tokens(frames, 20, 20)
    found = family.frames(model.config, inputs)
    assert len(found) == frames and sum(frame.tokens for frame in found) == visual
    inside = torch.stack([frame.pixels[:, 2:-2, 2:-2] for frame in found])  # beyond, the last squares are zero
    torch.testing.assert_close(inside, torch.from_numpy(video).permute(0, 3, 1, 2) / 127.5 - 1, atol=1e-5, rtol=0)
    text = inputs["input_ids"].shape[1] - visual
    expected = cost(
        shape, text_tokens=text, visual_tokens=visual, pictures=0, frames=frames, answer_tokens=1, k=None, r=0.0
    )
    assert counted(model, inputs)["Global"] == pytest.approx(expected.prefill_flops, rel=0.01)


def test_videos_are_those_of_the_library():
    """Where torchvision is there."""
    pytest.importorskip("torchvision")
    from transformers import Molmo2VideoProcessor

    videos = [np.random.default_rng(0).integers(0, 256, (count, 30, 50, 3), dtype=np.uint8) for count in (3, 2)]
    told = dict(do_sample_frames=False, do_resize=True, do_rescale=True, do_normalize=True)  # as checkpoints have it
    expected = Molmo2VideoProcessor(**told)(videos, return_tensors="pt")
    made = Molmo2Videos(Molmo2Pictures()).preprocess(videos)
    assert expected.keys() == made.keys()
    for name in made:
        torch.testing.assert_close(made[name].to(expected[name].dtype), expected[name], atol=1e-5, rtol=0)
