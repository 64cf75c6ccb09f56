"""Checkpoints in the hub's own layout, by folder, fetched from a hub, and from the cache it leaves behind."""

from __future__ import annotations

import shutil

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from fastv import FastV
from fastv.loading.load import load
from tests.support import fake_hub as fakehub
from tests.support.fake_hub import NAME
from tests.support.hub_layouts import old_name, write_as_on_hub
from tests.support.standins import VISUAL_TOKENS, save_llava_checkpoint

PRECISIONS = ("float32", "bfloat16", "float16", "8bit", "4bit")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "original"
    save_llava_checkpoint(folder, width=64, ffn_width=128)
    return AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder, backend="pil")


@pytest.fixture(scope="module")
def checkpoint(original, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "small-llava"
    write_as_on_hub(*original, folder)
    return folder


@pytest.fixture
def hub(checkpoint, tmp_path, monkeypatch):
    with fakehub.serving() as hub:
        hub.repositories[NAME] = fakehub.Repository(checkpoint)
        fakehub.use(hub.address, tmp_path / "cache", monkeypatch)
        yield hub


def answered(loaded, budget):
    """The tokens of an answer with FastV, and what was kept."""
    prompt = loaded.family.prompt(loaded.processor, "what is in the picture ?")
    picture = Image.effect_noise((70, 90), 80).convert("RGB")
    inputs = loaded.processor(images=picture, text=prompt, return_tensors="pt").to(loaded.device, loaded.model.dtype)
    with budget(loaded.model) as trace:
        output = loaded.model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    return output[0, inputs["input_ids"].shape[1] :], trace.kept


def test_the_layout_is_the_hubs(checkpoint):
    names = {path.name for path in checkpoint.iterdir()}
    assert names >= {
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "model-00001-of-00003.safetensors",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer_config.json",
        "chat_template.json",
    }
    assert old_name("model.language_model.layers.0.mlp.up_proj.weight", "llava").startswith(
        "language_model.model.layers.0."
    )
    assert old_name("lm_head.weight", "llava") == "language_model.lm_head.weight"
    assert old_name("model.vision_tower.x", "llava") == "vision_tower.vision_model.x"


@pytest.mark.parametrize("source", ["folder", "hub id"])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_it_loads_in_every_precision_and_answers_with_fastv(source, dtype, checkpoint, hub):
    loaded = load(str(checkpoint) if source == "folder" else NAME, dtype, "cpu")
    tokens, kept = answered(loaded, FastV(k=2, r=0.5))
    assert loaded.dtype == dtype and len(tokens) == 3 and kept.shape == (1, VISUAL_TOKENS // 2)
    linear = {
        name: type(module).__name__
        for name, module in loaded.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    kinds = {kind for name, kind in linear.items() if ".language_model.layers." in name}
    assert kinds == {{"8bit": "Linear8bitLt", "4bit": "Linear4bit"}.get(dtype, "Linear")}
    assert {kind for name, kind in linear.items() if ".language_model.layers." not in name} == {"Linear"}


def test_names_of_earlier_versions_find_their_weights(checkpoint, original):
    was = original[0].state_dict()
    now = load(str(checkpoint), "float32").model.state_dict()
    assert was.keys() == now.keys()
    assert all(torch.equal(now[name], was[name].half().float()) for name in was)


def test_what_was_fetched_once_is_there_without_a_network(hub, monkeypatch):
    fetched = load(NAME, "float32")
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = load(NAME, "float32")
    assert hub.requests == []
    assert torch.equal(cached.model.lm_head.weight, fetched.model.lm_head.weight)


def test_a_hub_that_is_down_does_not_matter_for_what_is_in_the_cache(hub):
    load(NAME, "float32")
    hub.status = 503
    assert load(NAME, "float32").entry.repository == NAME


def test_what_is_there_is_not_fetched_again(hub):
    load(NAME, "float32")
    hub.requests.clear()
    load(NAME, "float32")
    assert hub.downloads() == []


def test_a_commit_can_be_asked_for(hub):
    assert load(f"{NAME}@{fakehub.COMMIT}", "float32").entry.revision == fakehub.COMMIT
    assert any(f"/resolve/{fakehub.COMMIT}/config.json" in request for request in hub.requests)


def test_the_config_comes_first_and_other_files_never(hub, checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / "pytorch_model.bin").write_bytes(b"not wanted")
    hub.repositories[NAME] = fakehub.Repository(folder)
    load(NAME, "float32")
    assert hub.downloads()[0] == "config.json" and "pytorch_model.bin" not in hub.downloads()


def test_progress_goes_from_nothing_to_all_bytes_and_then_through_the_weights(hub, checkpoint):
    told = []
    load(NAME, "float32", report=told.append)
    fetched = [step for step in told if step.stage == "downloading"]
    read = [step for step in told if step.stage == "loading"]
    assert told == fetched + read
    wanted = sum(path.stat().st_size for path in checkpoint.iterdir() if path.name != "config.json")
    assert {step.total_bytes for step in fetched} == {wanted}
    assert fetched[0].done_bytes == 0 and fetched[-1].done_bytes == wanted
    for steps in (fetched, read):
        fractions = [step.fraction for step in steps]
        assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1 and len(fractions) > 3
    assert told[0].sentence.startswith("Downloading: 0.0 of") and told[-1].sentence == "Loading: 100%"


def test_a_folder_is_not_downloaded(checkpoint):
    told = []
    load(str(checkpoint), "4bit", "cpu", report=told.append)
    assert {step.stage for step in told} == {"loading"}
