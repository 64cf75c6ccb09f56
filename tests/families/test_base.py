"""Families: the right one is recognised, and what it says of a model is true of the model."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from transformers import AutoProcessor

from fastv.errors import UnsupportedModelError
from fastv.families.llava import Llava
from fastv.families.registry import FAMILIES, family_for, family_of, registered
from tests.support.standins import ALL_STANDINS, IMAGE_TOKEN, PICTURE, WIDE, save_llava_checkpoint

_MODELS: dict = {}


def model_of(key: str):
    if key not in _MODELS:
        _MODELS[key] = ALL_STANDINS[key].model()
    return _MODELS[key]


def decoder_of(key: str):
    return model_of(key).model.get_submodule(ALL_STANDINS[key].decoder_name)


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_a_model_is_recognised_with_and_without_its_head(key):
    model = model_of(key)
    for part in (model, model.model):
        family = family_of(part)
        assert family is family_for(key) and key in family.model_types
        assert family.decoder(part) is decoder_of(key)
        assert len(family.decoder(part).layers) == model.config.text_config.num_hidden_layers
    assert family.videos == ALL_STANDINS[key].video


def test_each_model_type_belongs_to_one_family():
    types = [name for family in FAMILIES for name in family.model_types]
    assert len(types) == len(set(types)) and set(types) == set(ALL_STANDINS)
    assert family_for("llama") is None and family_for(None) is None


class MadeUp(Llava):
    name = "Made up"
    model_types = ("made_up",)


def test_a_family_must_describe_itself():
    families = registered(*FAMILIES, MadeUp())
    assert [family.name for family in families][-1] == "Made up"
    for attribute, value in (("name", ""), ("model_types", ()), ("unquantized", ())):
        half = type("HalfDescribed", (MadeUp,), {attribute: value})
        with pytest.raises(TypeError, match=f"HalfDescribed cannot be registered: it lacks {attribute}"):
            registered(half())
    with pytest.raises(TypeError, match="QwenVL cannot be registered: qwen2_5_vl, qwen2_vl is taken"):
        registered(*FAMILIES, type(family_for("qwen2_vl"))())


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_a_sequences_length_is_what_mask_and_positions_tell(key):
    model, family = model_of(key), family_of(model_of(key))
    rows = [(5, PICTURE, 7, WIDE, 3)]
    inputs = ALL_STANDINS[key].inputs(rows)
    length = inputs["input_ids"].shape[1]
    seen = []
    handle = decoder_of(key).register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs.get("position_ids")), with_kwargs=True
    )
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    assert family.sequence_length(model, inputs["attention_mask"], None) == length
    assert family.sequence_length(model, None, None) is None
    positions = seen[0] if seen[0] is not None else torch.arange(length)[None]
    assert family.sequence_length(model, None, positions) == length
    assert family.sequence_length(model, None, positions[..., -1:]) == length


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_the_visual_mask_marks_where_the_model_puts_pictures_and_videos(key):
    standin, model = ALL_STANDINS[key], model_of(key)
    rows = [(5, PICTURE, 3, standin.beside_pictures, 7), (4, WIDE, 2)]
    if not standin.alike_beside_others:
        rows = [(5, PICTURE, 7), (4, WIDE, 2)]
    inputs = standin.inputs(rows)
    mask = family_of(model).visual_mask(model, inputs["input_ids"])
    assert mask.dtype == torch.bool and mask.shape == inputs["input_ids"].shape
    assert mask.sum(dim=1).tolist() == [
        sum(standin.visual_tokens[part] for part in row if isinstance(part, str)) for row in rows
    ]
    # Other pixels change the first layer's input exactly where the mask says.
    seen = []
    handle = (
        decoder_of(key)
        .layers[0]
        .register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
    )
    with torch.no_grad():
        model(**inputs)
        model(**{name: value * -2 if name.startswith("pixel_values") else value for name, value in inputs.items()})
    handle.remove()
    changed = (seen[0] != seen[1]).any(dim=-1)
    if standin.newlines:  # which are the same in every picture
        assert (changed <= mask).all() and 0.6 < changed.sum() / mask.sum() < 1
    else:
        assert torch.equal(changed, mask)


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_frames_have_the_tokens_of_the_prompt_in_its_order(key):
    standin, model = ALL_STANDINS[key], model_of(key)
    rows = [(5, PICTURE, 3, WIDE, 2, standin.beside_pictures, 7)]
    inputs, family = standin.inputs(rows), family_of(model)
    frames = family.frames(model.config, inputs)
    mask = family.visual_mask(model, inputs["input_ids"])
    assert sum(frame.tokens for frame in frames) == mask.sum()
    ends = list(accumulate(frame.tokens for frame in frames))  # a picture may be several tiles
    if standin.alike_beside_others:
        first, second = standin.visual_tokens[PICTURE], standin.visual_tokens[WIDE]
        assert {first, first + second} <= set(ends)
    assert all(frame.pixels.dim() == 3 and frame.pixels.shape[0] == 3 for frame in frames)
    assert family.frames(model.config, {"input_ids": inputs["input_ids"]}) == []


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_what_stays_unquantized_is_all_but_the_decoders_layers(key):
    """Names that match nothing would be ignored without a word."""
    model, family = model_of(key), family_of(model_of(key))
    names = dict(model.named_modules())
    assert set(family.unquantized) <= set(names)
    linear = {name for name, part in names.items() if isinstance(part, torch.nn.Linear)}
    spared = {name for name in linear if any(f"{name}.".startswith(f"{part}.") for part in family.unquantized)}
    assert linear - spared == {
        name for name in linear if name.startswith(f"model.{ALL_STANDINS[key].decoder_name}.layers.")
    }


def test_the_prompt_holds_one_picture_and_the_question(tmp_path):
    save_llava_checkpoint(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path, backend="pil")
    prompt = family_for("llava").prompt(processor, "how many ?")
    assert prompt == "USER: <image>\nhow many ? ASSISTANT:"
    assert processor.tokenizer(prompt)["input_ids"].count(IMAGE_TOKEN) == 1


def test_a_wrapper_around_a_model_is_refused():
    wrapper = torch.nn.Sequential(model_of("llava"))
    wrapper.config = model_of("llava").config
    with pytest.raises(UnsupportedModelError, match="Sequential"):
        family_of(wrapper).decoder(wrapper)
