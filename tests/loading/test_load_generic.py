"""Checkpoints of model types that no family names: loaded by what a look finds, or refused before their weights."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from fastv import FastV
from fastv.errors import ModelLoadError
from fastv.families.generic import Generic
from fastv.loading.load import load
from fastv.measurement.model_check import check_loaded
from fastv.measurement.prompt import prompt_of
from tests.support.benchmark_scripts import script
from tests.support.family_standins.llava import llava_config, llava_processor
from tests.support.standins import IMAGE_TOKEN


def test_a_type_of_no_family_is_loaded_pruned_and_checked(tmp_path):
    base = llava_config()
    config = VipLlavaConfig(
        vision_config=base.vision_config,
        text_config=base.text_config,
        image_token_index=IMAGE_TOKEN,
        vision_feature_layers=[-2, -1],
    )
    torch.manual_seed(0)
    VipLlavaForConditionalGeneration(config).save_pretrained(tmp_path)
    llava_processor().save_pretrained(tmp_path)
    loaded = load(str(tmp_path), "float32", "cpu")
    assert isinstance(loaded.family, Generic) and loaded.shape is None
    prompt = prompt_of(loaded, Image.new("RGB", (64, 48), (200, 30, 90)), "what is in the picture ?", answer_tokens=2)
    (place,) = prompt.places  # in which no token has a known spot
    assert place.grid == (1, 16) == (1, prompt.visual_tokens) and place.picture.size == (64, 48)
    with FastV(k=2)(loaded.model) as trace:
        loaded.model.generate(**prompt.inputs, max_new_tokens=2)
    assert trace.kept.shape == (1, 8)
    found = check_loaded(loaded)
    assert found.exact and not found.geometry and found.family == "generic"


@pytest.mark.parametrize("model_type, reason", [("mllama", "cross-attention"), ("nemotron_h_omni", "does not attend")])
def test_what_cannot_be_pruned_is_refused_before_its_weights_are_read(model_type, reason, tmp_path):
    with script("tiny_configs") as module:
        module.tiny_config(model_type).save_pretrained(tmp_path)
    with pytest.raises(ModelLoadError, match=reason):
        load(str(tmp_path), "float32", "cpu")
