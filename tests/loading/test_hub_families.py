"""Every family's checkpoints in the hub's own layout, by folder and by hub id, in every precision."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.costs.flops import kept_tokens
from fastv.loading.load import load
from tests.support import fake_hub as fakehub
from tests.support.hub_layouts import write_as_on_hub
from tests.support.standins import QUESTION_WORDS, STANDINS

QUANTIZED = {"8bit": "Linear8bitLt", "4bit": "Linear4bit"}


@pytest.fixture(scope="module")
def originals():
    return {key: STANDINS[key].model(width=64, ffn_width=128) for key in STANDINS}


@pytest.fixture(scope="module")
def folders(originals, tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    for key, model in originals.items():
        write_as_on_hub(model, STANDINS[key].processor(), root / key)
    return root


def answered(loaded):
    """How many visual tokens a picture has, how many FastV kept, and the answer's length."""
    prompt = loaded.family.prompt(loaded.processor, " ".join(QUESTION_WORDS[:5]))
    picture = Image.effect_noise((40, 24), 80).convert("RGB")
    inputs = loaded.processor(images=picture, text=prompt, return_tensors="pt").to(loaded.device, loaded.model.dtype)
    visual = int(loaded.family.visual_mask(loaded.model, inputs["input_ids"]).sum())
    with FastV(k=2, r=0.5)(loaded.model) as trace:
        output = loaded.model.generate(**inputs, max_new_tokens=2, min_new_tokens=2, do_sample=False)
    return visual, trace.kept.shape[1], output.shape[1] - inputs["input_ids"].shape[1]


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "8bit", "4bit"])
def test_a_folder_loads_in_every_precision(key, dtype, folders):
    loaded = load(str(folders / key), dtype, "cpu")
    visual, kept, length = answered(loaded)
    assert (kept, length) == (kept_tokens(visual, 0.5), 2) and visual > 3
    kinds = {
        name: type(module).__name__
        for name, module in loaded.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    assert {kind for name, kind in kinds.items() if ".language_model.layers." in name} == {
        QUANTIZED.get(dtype, "Linear")
    }
    assert {kind for name, kind in kinds.items() if ".language_model.layers." not in name} == {"Linear"}


@pytest.mark.parametrize("key", STANDINS)
def test_a_hub_id_loads_and_is_then_in_the_cache(key, folders, tmp_path, monkeypatch):
    with fakehub.serving() as hub:
        hub.repositories[fakehub.NAME] = fakehub.Repository(folders / key)
        fakehub.use(hub.address, tmp_path / "cache", monkeypatch)
        fetched = load(fakehub.NAME, "float32")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = load(fakehub.NAME, "4bit", "cpu")
    assert fetched.family is cached.family and answered(fetched)[:2] == answered(cached)[:2]


@pytest.mark.parametrize("key", STANDINS)
def test_names_of_earlier_versions_find_their_weights(key, folders, originals):
    names = json.loads((folders / key / "model.safetensors.index.json").read_text())["weight_map"]
    assert not any(name.startswith("model.language_model") for name in names)
    was, now = originals[key].state_dict(), load(str(folders / key), "float32").model.state_dict()
    assert was.keys() == now.keys() and all(torch.equal(now[name], was[name].half().float()) for name in was)
