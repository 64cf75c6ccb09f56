"""Families: the right one is recognised, and what it says of a model is true of the model."""

from __future__ import annotations

import pytest
import torch
from standins import IMAGE_TOKEN, VISUAL_TOKENS, llava_inputs, save_llava_checkpoint, tiny_llava
from transformers import AutoProcessor, LlamaModel, LlavaNextConfig, LlavaNextForConditionalGeneration

from fastv.errors import FastVError, UnsupportedModelError
from fastv.models.families import FAMILIES, family_of


@pytest.fixture(scope="module")
def model():
    return tiny_llava()


def test_llava_is_recognised_with_and_without_its_head(model):
    for part in (model, model.model):
        family = family_of(part)
        assert family.name == "LLaVA" and "llava" in family.model_types
        assert family.decoder(part) is model.model.language_model
        assert len(family.decoder(part).layers) == model.config.text_config.num_hidden_layers


def test_each_model_type_belongs_to_one_family():
    types = [name for family in FAMILIES for name in family.model_types]
    assert len(types) == len(set(types))


def test_the_visual_mask_marks_where_the_model_puts_its_pictures(model):
    inputs = llava_inputs([(5, 0, 3, 0, 7), (4, 0, 2)])
    mask = family_of(model).visual_mask(model, inputs["input_ids"])
    assert mask.dtype == torch.bool and mask.shape == inputs["input_ids"].shape
    assert mask.sum(dim=1).tolist() == [2 * VISUAL_TOKENS, VISUAL_TOKENS]
    # Other pixels change the decoder's input exactly where the mask says.
    seen = []
    handle = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True)
    with torch.no_grad():
        model(**inputs)
        model(**inputs | {"pixel_values": inputs["pixel_values"] + 1})
    handle.remove()
    assert torch.equal((seen[0] != seen[1]).any(dim=-1), mask)


def test_the_prompt_holds_one_picture_and_the_question(tmp_path):
    save_llava_checkpoint(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    prompt = FAMILIES[0].prompt(processor, "how many ?")
    assert prompt == "USER: <image>\nhow many ? ASSISTANT:"
    assert processor.tokenizer(prompt)["input_ids"].count(IMAGE_TOKEN) == 1


def test_a_wrapper_around_a_model_is_refused(model):
    wrapper = torch.nn.Sequential(model)
    wrapper.config = model.config
    with pytest.raises(UnsupportedModelError, match="Sequential"):
        family_of(wrapper).decoder(wrapper)


def test_others_are_refused_by_name():
    small = tiny_llava().config
    config = LlavaNextConfig(vision_config=small.vision_config, text_config=small.text_config)
    cousin = LlavaNextForConditionalGeneration(config)
    for other in (torch.nn.Linear(2, 2), LlamaModel(small.text_config), cousin, None):
        with pytest.raises(UnsupportedModelError, match=type(other).__name__) as caught:
            family_of(other)
        assert "llava" in str(caught.value) and isinstance(caught.value, (FastVError, TypeError))
