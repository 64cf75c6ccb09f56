"""Models of no named family: what a look at them finds, and what is refused with its reason."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaModel

from fastv import METHODS, FastV
from fastv.errors import UnsupportedModelError
from fastv.families.generic import Generic
from fastv.families.registry import family_of
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.pruning.index_selection import mark
from tests.support.benchmark_scripts import script
from tests.support.masked_reference import CLOSE, GREEDY, assert_same_answer
from tests.support.standins import IMAGE_TOKEN, PICTURE, STANDINS, VIDEO_TOKEN, WIDE


@pytest.fixture(scope="module")
def tiny_model():
    with script("tiny_configs") as module:
        yield module.tiny_model


@pytest.mark.parametrize("key", ["llava", "video_llava", "qwen2_5_vl"])
def test_what_it_finds_of_a_named_familys_model_is_what_the_family_says(key):
    standin = STANDINS[key]
    model, named = standin.model(), family_of(standin.model())
    found = Generic(model)
    assert found.decoder(model) is named.decoder(model) and Generic(model.model).decoder(model) is named.decoder(model)
    assert found.visual_token_ids(model.config) == ((IMAGE_TOKEN, VIDEO_TOKEN) if standin.video else (IMAGE_TOKEN,))
    ids = standin.inputs([(5, PICTURE, 3, WIDE, 7)])["input_ids"]
    assert torch.equal(found.visual_mask(model, ids), named.visual_mask(model, ids))
    assert found.frames(model.config, {}) is None
    names = dict(model.named_modules())
    linear = {name for name, part in names.items() if isinstance(part, torch.nn.Linear)}
    spared = {name for name in linear if any(f"{name}.".startswith(f"{part}.") for part in found.unquantized)}
    assert linear - spared == {name for name in linear if name.startswith("model.language_model.layers.")}


def test_a_model_without_weights_tells_as_much():
    standin = STANDINS["llava"]
    with torch.device("meta"):
        empty = standin.build(standin.config(), "sdpa")
    found, whole = Generic(empty), Generic(standin.model())
    assert (found.unquantized, found.visual_token_ids(None)) == (whole.unquantized, whole.visual_token_ids(None))


REFUSED = {
    "mllama": "cross-attention",
    "nemotron_h_omni": "does not attend",
    "t5gemma2": "encoder-decoder",
    "gemma4_unified": "shared_kv_states",
    "ernie4_5_vl_moe": "moe_mm_token_type_ids",
    "kosmos-2": "no token that stands for an image",
    "blip": "no decoder",
    "paligemma": "both ways",
}


@pytest.mark.parametrize("model_type", REFUSED)
def test_what_cannot_be_pruned_is_refused_with_the_reason_on_entering(model_type, tiny_model):
    try:
        model = tiny_model(model_type)
    except (ImportError, KeyError, AttributeError):
        pytest.skip(f"this transformers has no {model_type}")
    with pytest.raises(UnsupportedModelError, match=REFUSED[model_type]), FastV(k=2)(model):
        pass


@pytest.mark.parametrize("k", [0, 2, 3])
def test_layers_of_convolutions_read_what_is_left(k, tiny_model):
    """Padded rows and beams, in a decoder whose first two layers keep no columns."""
    model = tiny_model("lfm3_vl")
    token, decoder = model.config.image_token_id, family_of(model).decoder(model)
    ids = torch.randint(500, 600, (2, 30), generator=torch.Generator().manual_seed(0))
    ids[0, 5:17] = ids[1, 9:21] = token
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    options = GREEDY | dict(attention_mask=mask, max_new_tokens=3, suppress_tokens=[2, token], num_beams=2)
    with (FastV if k == 3 else METHODS["random"])(k=k)(model) as trace:
        output = model.generate(ids, **options)
    dropped = (ids == token).repeat_interleave(2, 0)
    dropped &= ~mark(trace.kept, 30)
    with dropped_by_masking(decoder, k, dropped):
        assert_same_answer(output, model.generate(ids, **options), **CLOSE)


def test_other_modules_are_refused_by_name():
    text = STANDINS["llava"].config().text_config
    for other in (torch.nn.Linear(2, 2), LlamaModel(text), None):
        with pytest.raises(UnsupportedModelError, match=type(other).__name__):
            family_of(other)
