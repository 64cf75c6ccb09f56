"""What processors make of pictures of many sizes: visual tokens and FLOPs are as many as computed, and what is prepared
without torchvision are the pictures of the library with it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from fastv.costs.flops import cost
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.lfm2_vl_pictures import Lfm2VlPictures
from fastv.families.molmo2_pictures import Molmo2Pictures
from fastv.families.perception_lm_pictures import PerceptionLMPictures
from fastv.families.registry import family_for
from tests.support.family_standins import lfm2_vl, molmo2, perception_lm
from tests.support.flop_counter import counted
from tests.support.standins import ALL_STANDINS

#: Heights and widths that are cut in other ways, by family.
SIZES = {
    "granite4_vision": [(28, 56), (30, 50), (80, 34), (20, 70)],
    "lfm2_vl": [(28, 28), (20, 30), (28, 56), (90, 30), (100, 60), (12, 40), (150, 140), (1, 1)],
    "llava_next": [(28, 56), (30, 50), (80, 34), (20, 70)],
    "llava_onevision": [(28, 56), (30, 50), (80, 34), (20, 70)],
    "mistral3": [(16, 24), (7, 90), (32, 32), (20, 9)],
    "molmo2": [(20, 20), (20, 28), (40, 21), (1, 1), (16, 90), (33, 33), (200, 30)],
    "ovis2": [(28, 28), (20, 30), (56, 28), (30, 90), (100, 60), (84, 84), (200, 33), (150, 140), (300, 310)],
    "perception_lm": [(28, 28), (28, 56), (60, 20), (300, 40), (1, 1)],
}
CASES = [(key, size) for key, sizes in SIZES.items() for size in sizes]
#: How many tiles its processor makes at most is no part of its config: the stand-in's makes less.
LIMITED = ("mistral3", "ovis2", "perception_lm")
#: Transformers 5.23 resizes position embeddings without a product that torch counts: 1.2% of so small a model.
WITHIN = {"lfm2_vl": 0.015}
#: Ours, the library's by name, settings, and by how much a normalized channel may differ.
PREPARED = {
    "lfm2_vl": (
        Lfm2VlPictures,
        "Lfm2VlImageProcessor",
        [{}, {"use_thumbnail": False}, {"do_image_splitting": False}, lfm2_vl.LIMITS],
        0.01,  # it rounds elsewhere, by a 255th of what a channel may be
    ),
    "molmo2": (Molmo2Pictures, "Molmo2ImageProcessor", [{}, {"max_crops": 3}, molmo2.LIMITS], 1e-5),
    "perception_lm": (
        PerceptionLMPictures,
        "PerceptionLMImageProcessor",
        [{"max_num_tiles": 4}, perception_lm.LIMITS, {"vision_input_type": "vanilla"}],
        0.017,  # by two 255ths: torchvision scales by another filter
    ),
}


def picture(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def models():
    return {key: ALL_STANDINS[key].model(width=64) for key in SIZES}


@pytest.mark.parametrize("key, size", CASES, ids=str)
def test_visual_tokens_and_flops_are_those_of_the_processor(key, size, models):
    processor, model, family = ALL_STANDINS[key].processor(), models[key], family_for(key)
    text = processor.image_token
    made = processor(images=picture(*size), text=text, return_tensors="pt")
    inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in made.items()}
    visual, shape = int(family.visual_mask(model, inputs["input_ids"]).sum()), read_shape(model.config)
    newlines = ALL_STANDINS[key].newlines  # some of which show nothing of the picture
    assert newlines or visual == sum(frame.tokens for frame in family.frames(model.config, inputs))
    if key not in LIMITED:
        assert visual == shape.picture_tokens(*size)
    encoded = family.encoded_tokens(model.config, inputs)
    if encoded is not None:
        assert shape.encoded_tokens(visual, 1) == encoded
    words = inputs["input_ids"].shape[1] - visual
    expected = cost(
        shape, text_tokens=words, visual_tokens=visual, encoded_tokens=encoded, answer_tokens=1, k=None, r=0.0
    )
    assert counted(model, inputs)["Global"] == pytest.approx(expected.prefill_flops, rel=WITHIN.get(key, 0.01))


@pytest.mark.parametrize("key, settings", [(key, each) for key, row in PREPARED.items() for each in row[2]], ids=str)
def test_pictures_are_those_of_the_library(key, settings):
    """Where torchvision is there."""
    pytest.importorskip("torchvision")
    ours, name, _, off = PREPARED[key]
    large = [(600, 1100), (1024, 1280)] if settings.get("tile_size", 448) > 100 else []  # torch is rough far down
    for size in [*SIZES[key], (384, 256), *large]:
        both = (kind(**settings) for kind in (ours, getattr(transformers, name)))
        made, expected = (dict(one(picture(*size), return_tensors="pt")) for one in both)
        assert expected.keys() == made.keys()
        for part in made:
            (one, other) = (
                torch.as_tensor(each[part][0] if isinstance(each[part], list) else each[part])
                for each in (made, expected)
            )
            torch.testing.assert_close(one.view(other.shape), other, atol=off, rtol=0)


@pytest.mark.parametrize("text", ["what [IMG] is", "[IMG] red [IMG]"])
def test_mistral_3_processor_is_the_library_s(text):
    """Where torchvision is there."""
    pytest.importorskip("torchvision")
    standin = ALL_STANDINS["mistral3"]
    ours = standin.processor()
    theirs = transformers.PixtralProcessor(ours.image_processor, ours.tokenizer, **standin.processor_settings)
    pictures = [picture(20, 30), picture(7, 90)][: text.count("[IMG]")]
    made, expected = (one(images=pictures, text=text, return_tensors="pt") for one in (ours, theirs))
    assert made.keys() == expected.keys()
    assert all(torch.equal(torch.as_tensor(made[name]), torch.as_tensor(expected[name])) for name in made)


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if entry.config], ids=lambda entry: entry.key)
def test_a_catalogue_entrys_visual_tokens_are_those_of_a_square_picture(entry):
    if "video" not in entry.key:
        assert read_shape(entry.config).picture_tokens(1024, 1024) == entry.visual_tokens
