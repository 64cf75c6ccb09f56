"""Loading: one function for every place a model can come from, and a sentence for every way it can fail."""

from __future__ import annotations

import gc
import json
import shutil
import weakref

import pytest
import torch
from PIL import Image
from standins import QUESTION_WORDS, VISUAL_TOKENS, save_llava_checkpoint
from transformers import AutoModelForImageTextToText, LlamaConfig

from fastv.errors import ModelLoadError
from fastv.footprint import parameter_bytes
from fastv.measure import weight_bytes
from fastv.models import catalogue, loading
from fastv.models.loading import load
from fastv.shapes import read_shape


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, width=64, ffn_width=128)
    return folder


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A copy of the checkpoint to break."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_folder_becomes_a_model_that_answers(checkpoint):
    loaded = load(str(checkpoint))
    assert (loaded.entry.name, loaded.dtype, loaded.device.type) == ("standin", "float32", "cpu")
    assert loaded.model.dtype == torch.float32 and not loaded.model.training
    assert loaded.model.config._attn_implementation == "sdpa"
    prompt = loaded.family.prompt(loaded.processor, "what is in the picture ?")
    inputs = loaded.processor(images=Image.new("RGB", (70, 90)), text=prompt, return_tensors="pt")
    assert loaded.family.visual_mask(loaded.model, inputs["input_ids"]).sum() == VISUAL_TOKENS
    assert all(word in loaded.processor.tokenizer.get_vocab() for word in QUESTION_WORDS)
    assert loaded.model.generate(**inputs, max_new_tokens=2).shape[0] == 1


def test_loading_yields_the_weights_that_were_saved(checkpoint):
    saved = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).state_dict()
    for name, weight in load(str(checkpoint)).model.state_dict().items():
        assert torch.equal(weight, saved[name])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_dtype_holds_for_all_weights(checkpoint, dtype):
    loaded = load(str(checkpoint), dtype=dtype, device="cpu")
    assert loaded.dtype == dtype
    assert {weight.dtype for weight in loaded.model.parameters()} == {getattr(torch, dtype)}


@pytest.mark.parametrize("dtype, kind", [("8bit", "Linear8bitLt"), ("4bit", "Linear4bit")])
def test_quantization_spares_pictures_and_the_last_layer(checkpoint, dtype, kind):
    pytest.importorskip("bitsandbytes")
    model = load(str(checkpoint), dtype=dtype, device="cpu").model
    kinds = {name: type(module).__name__ for name, module in model.named_modules()
             if isinstance(module, torch.nn.Linear)}
    decoder = {name for name in kinds if name.startswith("model.language_model.layers")}
    assert len(decoder) == 4 * 7 and {kinds[name] for name in decoder} == {kind}
    assert {kinds[name] for name in kinds.keys() - decoder} == {"Linear"}
    weights = weight_bytes(model) - sum(buffer.nbytes for buffer in model.buffers())
    assert weights == pytest.approx(parameter_bytes(read_shape(model.config), dtype), rel=0.04)
    ids = torch.tensor([[1, 4, 5]])
    assert model.generate(input_ids=ids, max_new_tokens=2, min_new_tokens=2).shape == (1, 5)


def test_the_catalogue_finds_keys_folders_and_hub_ids(checkpoint):
    assert catalogue.find(catalogue.DEFAULT).embedded
    assert catalogue.find("llava-1.5-7b") is catalogue.find("llava-hf/llava-1.5-7b-hf")
    assert catalogue.find(str(checkpoint)).source == str(checkpoint)
    assert catalogue.find("someone/some-llava").source == "someone/some-llava"
    assert len({entry.key for entry in catalogue.CATALOGUE}) == len(catalogue.CATALOGUE)


@pytest.mark.parametrize("name", ["", "no such model", "/no/such/folder", "../elsewhere", "a/b/c"])
def test_a_name_that_is_nothing_is_told_the_choices(name):
    with pytest.raises(ModelLoadError, match="mini-7"):
        load(name)


def test_a_missing_embedded_model_says_so(monkeypatch, tmp_path):
    entry = catalogue.ModelEntry("mini-7", "Mini 7", str(tmp_path / "mini-7"), "", embedded=True)
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry,))
    with pytest.raises(ModelLoadError, match="missing from this copy"):
        load("mini-7")


def test_a_hub_model_that_is_not_here_says_how_to_fetch_it():
    with pytest.raises(ModelLoadError, match="hf download nobody/no-such-llava"):
        load("nobody/no-such-llava")


@pytest.mark.parametrize("arguments, told", [
    ({"dtype": "float64"}, "4bit"), ({"dtype": "int4"}, "4bit"), ({"device": "toaster"}, "auto, cpu or cuda"),
    ({"device": "mps"}, "auto, cpu or cuda"), ({"device": "cuda:x"}, "auto, cpu or cuda"),
    ({"device": "cuda:9"}, "There is no GPU"),
])
def test_an_unknown_dtype_or_device_is_told_the_choices(checkpoint, arguments, told):
    with pytest.raises(ModelLoadError, match=told):
        load(str(checkpoint), **arguments)


def broken(copy, case: str) -> None:
    weights = copy / "model.safetensors"
    if case == "empty folder":
        shutil.rmtree(copy)
        copy.mkdir()
    elif case == "no weights":
        weights.unlink()
    elif case == "cut weights":
        weights.write_bytes(weights.read_bytes()[:5_000])
    elif case == "not weights":
        weights.write_bytes(b"<html>404</html>" * 10)
    elif case == "no processor":
        (copy / "processor_config.json").unlink()
    elif case == "no tokenizer":
        (copy / "tokenizer.json").unlink()
        (copy / "tokenizer_config.json").unlink()
    elif case == "text model":
        LlamaConfig(num_hidden_layers=1).save_pretrained(copy)
    elif case == "unknown type":
        (copy / "config.json").write_text(json.dumps({"model_type": "frobnicator"}))
    elif case == "torn config":
        (copy / "config.json").write_text('{"model_type": "lla')
    elif case == "more layers":
        change_config(copy, num_hidden_layers=5)
    elif case == "other width":
        change_config(copy, intermediate_size=99)


def change_config(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(changes)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("case, told", [
    ("empty folder", "no config.json"), ("no weights", "no complete model"), ("cut weights", "damaged"),
    ("not weights", "damaged"),
    ("no processor", "processor of copy"), ("no tokenizer", "processor of copy"), ("text model", "type “llama”"),
    ("unknown type", "frobnicator"), ("torn config", "no complete model"), ("more layers", "lacks 9 weights"),
    ("other width", "could not be loaded"),
])
def test_a_broken_folder_is_one_clear_error(copy, case, told):
    broken(copy, case)
    with pytest.raises(ModelLoadError, match=told) as failure:
        load(str(copy))
    assert "\n" not in str(failure.value) and failure.value.__context__ is None


def test_nothing_of_a_failed_load_stays_in_memory(checkpoint, monkeypatch):
    made = []

    def refuse(model):
        made.append(weakref.ref(model))
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(loading, "family_of", refuse)
    with pytest.raises(ModelLoadError, match="does not fit in memory: choose the dtype 4bit"):
        load(str(checkpoint))
    gc.collect()
    assert made[0]() is None


def test_a_model_larger_than_the_machine_is_refused_before_it_is_read(copy):
    change_config(copy, hidden_size=8192, num_hidden_layers=100_000)
    with pytest.raises(ModelLoadError, match=r"in float32 needs [\d.]+ GB of memory and [\d.]+ GB are free"):
        load(str(copy))


@pytest.mark.parametrize("dtype", ["8bit", "4bit"])
def test_quantization_that_cannot_run_here_shows_when_loading(checkpoint, monkeypatch, dtype):
    def refuse(*args, **kwargs):
        raise AssertionError("N must be divisible by block_n")

    monkeypatch.setattr("transformers.models.llama.modeling_llama.LlamaMLP.forward", refuse)
    with pytest.raises(ModelLoadError, match=f"{dtype} does not work .* choose the dtype auto"):
        load(str(checkpoint), dtype=dtype, device="cpu")


def test_quantization_without_its_packages_names_them(checkpoint, monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda package: None)
    with pytest.raises(ModelLoadError, match="bitsandbytes and accelerate"):
        load(str(checkpoint), dtype="4bit")
