"""Perception LM: tiles and pictures without torchvision, sizes of its tower by timm's name, and what it needs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.errors import ModelLoadError, UnsupportedModelError
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.perception_shapes import ENCODERS, tile_grid
from fastv.families.registry import family_for
from fastv.loading import packages
from fastv.loading.load import load
from fastv.measurement.masked_reference import dropped_by_masking
from tests.support import timm_double
from tests.support.family_standins.perception_lm import PerceptionLMStandIn
from tests.support.masked_reference import CLOSE

FAMILY = family_for("perception_lm")
#: As transformers' own processor finds them, of at most 36 tiles of 448 pixels.
GRIDS = {
    (448, 448): (6, 6),
    (480, 640): (5, 7),
    (1080, 1920): (4, 8),
    (2000, 300): (14, 2),
    (300, 2048): (2, 14),
    (3000, 4000): (3, 4),  # larger than any grid: the largest with the next proportions towards a square
    (1, 36): (1, 36),
    (5000, 100): (36, 1),
}
#: Weights of the published files, by the hub's own count.
WEIGHTS = {"perception-lm-1b": 1_533_524_992, "perception-lm-3b": 3_516_753_920, "perception-lm-8b": 9_794_260_736}


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", GRIDS, ids=str)
def test_grids_are_the_originals(size):
    assert tile_grid(*size, 448, 36) == GRIDS[size]


def test_pictures_of_different_tiles_stand_in_one_prompt():
    """Transformers' own processor cannot put them together."""
    standin = PerceptionLMStandIn()
    model, text = standin.model(), "what <|image|> is <|image|> red"
    pictures = [picture(28, 28), picture(28, 56)]
    inputs = standin.processor()(images=pictures, text=text, return_tensors="pt")
    assert inputs["pixel_values"].shape[:2] == (1, 5)
    visual = FAMILY.visual_mask(model, inputs["input_ids"])
    groups = FAMILY.visual_groups(model, inputs["input_ids"], [int(visual.sum())], inputs)
    assert [group.tokens for group in groups] == [4] * 5
    with FastV(k=1)(model) as trace, torch.no_grad():
        logits = model(**inputs).logits[:, -1]
    dropped = visual.clone()
    dropped[0, trace.kept[0]] = False
    with dropped_by_masking(FAMILY.decoder(model), 1, dropped), torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits[:, -1], logits, **CLOSE)


def test_a_frame_of_a_video_is_an_overview():
    processor = PerceptionLMStandIn().processor()
    frames = [picture(28, 56), picture(28, 56)]
    made = processor(videos=[frames], text="<|video|>", return_tensors="pt")["pixel_values_videos"]
    alone = processor.image_processor(images=frames)["pixel_values"]
    torch.testing.assert_close(made, torch.stack([tiles[0] for tiles in alone])[None])


@pytest.mark.parametrize("key", WEIGHTS)
def test_a_catalogue_entry_has_the_published_weights(key):
    entry = next(entry for entry in CATALOGUE if entry.key == key)
    assert entry.parameters == WEIGHTS[key]


@pytest.mark.parametrize("change", [{"architecture": "resnet50"}, {"model_args": {}}, {"model_type": "pixtral"}])
def test_towers_whose_cost_is_not_known_are_refused(change):
    config = PerceptionLMStandIn().config().to_dict()
    config["vision_config"] |= change
    with pytest.raises(UnsupportedModelError, match="not known"):
        read_shape(config)
    assert FAMILY.frames(SimpleNamespace(vision_config=config["vision_config"]), {}) is None


def test_without_timm_it_says_what_to_install(tmp_path, monkeypatch):
    PerceptionLMStandIn().save(tmp_path)
    monkeypatch.setattr(packages, "find_spec", lambda package: None)
    with pytest.raises(ModelLoadError, match="pip install timm"):
        load(str(tmp_path), "float32", "cpu")


@pytest.mark.parametrize("name", ENCODERS)
def test_the_double_of_timm_has_its_weights(name):
    """Where timm is there."""
    timm = pytest.importorskip("timm")
    if not hasattr(timm, "list_models"):
        pytest.skip("timm is not installed")
    settings = dict(global_pool="", use_post_transformer_norm=False, init_values=0.1, img_size=(448, 448))
    with torch.device("meta"):
        theirs, ours = (
            create(name, num_classes=0, **settings) for create in (timm.create_model, timm_double.create_model)
        )
    weights = [{key: weight.shape for key, weight in model.named_parameters()} for model in (theirs, ours)]
    assert weights[0] == weights[1]
