from __future__ import annotations

import json

import pytest

from fastv.costs import configs
from fastv.errors import InvalidInputError
from fastv.families.catalogue import REFERENCE_CONFIGS, ModelEntry
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape

BIG = REFERENCE_CONFIGS["llava-1.5-13b"]


def test_a_pasted_config_is_the_model_it_describes():
    assert configs.parse(json.dumps(BIG)) == configs.shape_of("llava-1.5-13b")


def test_the_miniatures_are_known_where_they_are_there(tmp_path, monkeypatch):
    for key, width in (("mini-7", 160), ("mini-13", 200)):
        (tmp_path / key).mkdir()
        text = {"model_type": "llama", "hidden_size": width, "num_attention_heads": 5, "num_hidden_layers": width // 20}
        (tmp_path / key / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": text}))
    entries = [ModelEntry(key, key, str(tmp_path / key), "", embedded=True) for key in ("mini-7", "mini-13", "gone")]
    real = [entry for entry in configs.CATALOGUE if not entry.embedded]
    monkeypatch.setattr(configs, "CATALOGUE", entries + real)
    configs.known.cache_clear()
    try:
        assert set(configs.known()) == {*REFERENCE_CONFIGS, "mini-7", "mini-13"}
        assert configs.shape_of("mini-13").decoder.layers == 10
        assert (configs.smaller_model("mini-13"), configs.smaller_model("llava-1.5-13b")) == ("mini-7", "llava-1.5-7b")
    finally:
        configs.known.cache_clear()


def test_every_model_has_its_visual_tokens():
    for key, shape in configs.known().items():
        tokens, runs = configs.visual_input(shape, key)
        frame = shape.projector.tokens if shape.projector else configs.PICTURE_TOKENS
        assert tokens == (2048 if key == "video-llava-7b" else frame) and runs == round(tokens / frame) >= 1
    assert configs.visual_input(ModelShape(configs.shape_of("llava-1.5-7b").decoder)) == (576, 1)


def test_a_clip_is_eight_frames_of_a_model_that_reads_small_pictures():
    vision = BIG["vision_config"] | {"image_size": 224}
    shape = read_shape({"model_type": "llava", "vision_config": vision})
    assert configs.visual_input(shape, "video-llava-7b") == (2048, 8) and configs.visual_input(shape) == (256, 1)


def test_smaller_models_are_there():
    assert all(configs.smaller_model(key) in configs.known() for key in (*configs.known(), None, "own"))


@pytest.mark.parametrize(
    "text, piece",
    [
        ("", "no config"),
        ("  ", "no config"),
        ("{", "not JSON"),
        ("[1]", "must be"),
        ("{}", "not known"),
        ('"x"', "must be"),
        ("[" * 50_000, "not JSON"),
        ("1" * 5_000, "not JSON"),
        (" " * configs.LONGEST_CONFIG + "{}", "characters"),
        ('{"model_type": "bert"}', "not known"),
        ('{"model_type": [1]}', "kind"),
        ('{"model_type": "llama", "hidden_size": -1}', "hidden_size"),
        ('{"model_type": "llama", "num_hidden_layers": 1000000000}', "layers"),
        ('{"model_type": "llama", "vocab_size": 1e400}', "whole number"),
        ('{"model_type": "llama", "intermediate_size": 100000000000000000}', "10,000,000"),
        ('{"model_type": "llama", "hidden_size": 4, "num_attention_heads": 8}', "head_dim"),
        ('{"model_type": "llava", "vision_feature_layer": null}', "kind"),
        ('{"model_type": "llava", "text_config": 3}', "must be"),
    ],
)
def test_anything_else_gets_a_sentence(text, piece):
    with pytest.raises(InvalidInputError, match=piece) as refusal:
        configs.parse(text)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize("key", ["unknown", "", None, ["llava-1.5-7b"], 3])
def test_unknown_models_are_refused(key):
    with pytest.raises(InvalidInputError, match="no config"):
        configs.shape_of(key)
