"""The catalogue says before any download what the real models are: held against the real classes, built weightless."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModelForImageTextToText,
    LlavaConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    VideoLlavaConfig,
)

from fastv.errors import ModelLoadError
from fastv.families import catalogue
from fastv.families.catalogue import CATALOGUE, REFERENCE_CONFIGS, find
from fastv.families.config_reader import read_shape
from tests.support.standins import save_llava_checkpoint

CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
VICUNA_7 = {"model_type": "llama", "vocab_size": 32064}
VICUNA_13 = VICUNA_7 | {
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
}
QWEN2_7 = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
QWEN2_2 = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
QWEN25_3 = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
WINDOWS = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
CONFIGS = {
    "llava-1.5-7b": lambda: LlavaConfig(text_config=VICUNA_7, vision_config=CLIP),
    "llava-1.5-13b": lambda: LlavaConfig(text_config=VICUNA_13, vision_config=CLIP),
    "video-llava-7b": lambda: VideoLlavaConfig(text_config=VICUNA_7, vision_config=CLIP | {"image_size": 224}),
    "qwen2-vl-2b": lambda: Qwen2VLConfig(
        text_config=QWEN2_2, vision_config={"hidden_size": 1536}, tie_word_embeddings=True
    ),
    "qwen2-vl-7b": lambda: Qwen2VLConfig(text_config=QWEN2_7, vision_config={"hidden_size": 3584}),
    "qwen2.5-vl-3b": lambda: Qwen2_5_VLConfig(
        text_config=QWEN25_3, tie_word_embeddings=True, vision_config=WINDOWS | {"out_hidden_size": 2048}
    ),
    "qwen2.5-vl-7b": lambda: Qwen2_5_VLConfig(text_config=QWEN2_7, vision_config=WINDOWS | {"out_hidden_size": 3584}),
}
REAL = [entry for entry in CATALOGUE if not entry.embedded]


def of_class(settings):
    """The entry's own settings over the defaults of the real config class."""
    settings = dict(settings)
    return CONFIG_MAPPING[settings.pop("model_type")](**settings)


@pytest.mark.parametrize("entry", REAL, ids=lambda entry: entry.key)
def test_the_sizes_are_those_of_the_real_classes(entry):
    config = CONFIGS[entry.key]() if entry.key in CONFIGS else of_class(entry.config)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    model.tie_weights()
    assert sum(weight.numel() for weight in model.parameters()) == entry.parameters
    text, shape = config.get_text_config(), read_shape(REFERENCE_CONFIGS[entry.key])
    first = text.per_layer_config[0] if getattr(text, "per_layer_config", None) else text
    assert (shape.decoder.layers, shape.decoder.kv_heads) == (text.num_hidden_layers, first.num_key_value_heads)


def test_the_revision_is_told_of_what_is_fetched_alone(tmp_path):
    assert find("llava-1.5-7b").revision_words == "revision b234b80"
    assert find("gemma-4-e2b").revision_words == find("owner/name").revision_words == "newest revision"
    assert find("owner/name@0.1").revision_words == "revision 0.1"
    assert find("mini-7").revision_words == find(str(tmp_path)).revision_words == ""


@pytest.mark.parametrize("entry", REAL, ids=lambda entry: entry.key)
def test_an_entry_says_all_there_is_to_say(entry):
    assert re.fullmatch(r"[0-9a-f]{40}|main", entry.revision) and entry.repository == entry.source
    assert "{question}" in entry.prompt and f"{entry.visual_tokens:,}" in entry.visual_span
    assert entry.download_bytes == entry.file_bits // 8 * entry.parameters
    assert entry.file_bits == (32 if entry.key.startswith("molmo2") else 16)
    assert ("QwenVL-Chat" in entry.description) == entry.key.startswith("qwen2")


def test_the_models_that_come_along_need_no_download():
    embedded = [entry for entry in CATALOGUE if entry.embedded]
    assert embedded[0].key == catalogue.DEFAULT and all(entry.download_bytes == 0 for entry in embedded)
    assert len({entry.key for entry in CATALOGUE}) == len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)


def test_keys_folders_and_hub_ids_are_found(tmp_path):
    save_llava_checkpoint(tmp_path / "standin")
    assert find(catalogue.DEFAULT).embedded
    assert find("llava-1.5-7b") is find("llava-hf/llava-1.5-7b-hf")
    assert find(str(tmp_path / "standin")).source == str(tmp_path / "standin")
    given = find("someone/some-llava")
    assert (given.source, given.revision, given.name, given.download_bytes) == (
        "someone/some-llava",
        "main",
        "some-llava",
        None,
    )
    assert find(given.source) == given


def test_a_revision_can_be_given_and_is_found_again_by_the_source():
    given = find("someone/some-llava@refs/pr/3")
    assert (given.repository, given.revision, given.name) == ("someone/some-llava", "refs/pr/3", "some-llava")
    assert find(given.source) == given


@pytest.mark.parametrize("name", ["", "nothing", "/no/such/folder", "a/b/c", "a/b@", "@main"])
def test_what_is_none_of_them_is_told_the_choices(name):
    with pytest.raises(ModelLoadError, match="llava-1.5-7b"):
        find(name)
