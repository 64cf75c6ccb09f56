"""Weights counted by a config alone, for models whose sizes no reader knows."""

from __future__ import annotations

import json

import pytest
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, Phi3Config

from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.errors import ModelLoadError
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from fastv.loading import load as load_module
from fastv.loading.machine_memory import MachineMemory
from fastv.loading.weight_count import count_weights
from tests.support.standins import llava_config

SEVEN_BILLION = LlavaConfig(
    vision_config=CLIPVisionConfig(hidden_size=1024, num_attention_heads=16, num_hidden_layers=24),
    text_config=LlamaConfig(),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", [llava_config(), SEVEN_BILLION], ids=["tiny", "7B"])
def test_the_bytes_are_those_of_the_reader_where_there_is_one(config, dtype):
    counted = count_weights(config, family_for("llava")).bytes_in(dtype)
    read = parameter_bytes(read_shape(config), dtype)
    assert counted == pytest.approx(read, rel=0.02 if config is SEVEN_BILLION else 0.2)


def test_what_fits_nowhere_is_refused_by_its_config_alone(tmp_path, monkeypatch):
    config = LlavaConfig(vision_config=SEVEN_BILLION.vision_config, text_config=Phi3Config())
    (tmp_path / "config.json").write_text(
        json.dumps(config.to_dict() | {"architectures": ["LlavaForConditionalGeneration"]})
    )
    small = MachineMemory(8 * 10**9, 8 * 10**9, ())
    monkeypatch.setattr(load_module.MachineMemory, "here", classmethod(lambda cls: small))
    monkeypatch.setattr(load_module, "fetch_files", lambda *_: pytest.fail("its files were asked for"))
    with pytest.raises(ModelLoadError, match="needs 16.* GB|needs 15.* GB|needs 8.* GB"):
        load_module.load(tmp_path, dtype="float32")
