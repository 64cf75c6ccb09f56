"""Broken folders and machines that are too small: each failure is told in one sentence that says what to do."""

from __future__ import annotations

import gc
import json
import shutil
import weakref

import pytest
import torch
from transformers import LlamaConfig

from fastv.errors import ModelLoadError
from fastv.families import catalogue
from fastv.loading import load as loading
from fastv.loading import packages
from fastv.loading.load import load
from tests.support.fake_hub import NAME
from tests.support.hub_layouts import change_config

# Files


def broken(copy, case: str) -> None:
    shard = copy / "model-00002-of-00003.safetensors"
    if case == "empty folder":
        shutil.rmtree(copy)
        copy.mkdir()
    elif case == "no weights":
        for path in copy.glob("model*"):
            path.unlink()
    elif case == "missing shard":
        shard.unlink()
    elif case == "cut weights":
        shard.write_bytes(shard.read_bytes()[:5_000])
    elif case == "not weights":
        shard.write_bytes(b"<html>404</html>" * 10)
    elif case == "no processor":
        (copy / "preprocessor_config.json").unlink()
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


@pytest.mark.parametrize(
    "case, told",
    [
        ("empty folder", "no config.json"),
        ("no weights", "no complete model"),
        ("missing shard", "no complete model"),
        ("cut weights", "damaged or incomplete: fetch its files again"),
        ("not weights", "damaged"),
        ("no processor", "processor of copy"),
        ("no tokenizer", "processor of copy"),
        ("text model", "type “llama”"),
        ("unknown type", "frobnicator"),
        ("torn config", "no complete model"),
        ("more layers", "lacks 9 weights"),
        ("other width", "could not be loaded"),
    ],
)
def test_a_broken_folder(copy, failure, case, told):
    broken(copy, case)
    assert told in failure(str(copy))


@pytest.mark.parametrize("name", ["", "no such model", "/no/such/folder", "../elsewhere", "a/b/c", "a/b@c d"])
def test_a_name_that_is_nothing_is_told_the_choices(name):
    with pytest.raises(ModelLoadError, match="mini-7"):
        load(name)


def test_a_missing_embedded_model(monkeypatch, tmp_path):
    entry = catalogue.ModelEntry("mini-7", "mini-7", str(tmp_path / "mini-7"), "", embedded=True)
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry,))
    with pytest.raises(ModelLoadError, match="missing from this copy"):
        load("mini-7")


# The machine


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"dtype": "float64"}, "4bit"),
        ({"dtype": "int4"}, "4bit"),
        ({"device": "toaster"}, "auto, cpu or cuda"),
        ({"device": "mps"}, "auto, cpu or cuda"),
        ({"device": "cuda:x"}, "auto, cpu or cuda"),
        ({"device": "cuda:9"}, "There is no GPU"),
    ],
)
def test_an_unknown_dtype_or_device_is_told_the_choices(checkpoint, arguments, told):
    with pytest.raises(ModelLoadError, match=told):
        load(str(checkpoint), **arguments)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
@pytest.mark.parametrize("dtype, told", [("float32", "choose the dtype 4bit"), ("4bit", "choose a smaller model")])
def test_out_of_memory(copy, failure, monkeypatch, error, dtype, told):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr("transformers.core_model_loading.WeightTransform.materialize_tensors", refuse)
    assert f"in {dtype} does not fit in memory: {told}" in failure(str(copy), dtype)


def test_a_model_larger_than_the_machine_is_refused_before_it_is_read(copy, failure):
    change_config(copy, hidden_size=8192, num_hidden_layers=100_000)
    assert "copy in float32 needs 2159.7 GB" in (told := failure(str(copy))) and told.endswith("a smaller model.")
    assert "4bit" not in told  # which would not fit either


def test_nothing_of_a_failed_load_stays_in_memory(checkpoint, monkeypatch):
    made = []

    def refuse(model):
        made.append(weakref.ref(model))
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(loading, "family_of", refuse)
    with pytest.raises(ModelLoadError, match="does not fit in memory: choose the dtype 4bit"):
        load(str(checkpoint))
    gc.collect()
    assert made[0]() is None


@pytest.mark.parametrize("dtype", ["8bit", "4bit"])
def test_quantization_that_cannot_run_here_shows_when_loading(copy, failure, monkeypatch, dtype):
    def refuse(*args, **kwargs):
        raise AssertionError("N must be divisible by block_n")

    monkeypatch.setattr("transformers.models.llama.modeling_llama.LlamaMLP.forward", refuse)
    assert f"{dtype} does not work on this machine: choose the dtype auto" in failure(str(copy), dtype)


@pytest.mark.parametrize("dtype", ["8bit", "4bit"])
def test_a_bitsandbytes_that_knows_no_cpu_says_so(copy, failure, monkeypatch, dtype):
    def refuse(raise_exception=False):
        raise RuntimeError("None of the available devices are supported by the bitsandbytes version you have installed")

    monkeypatch.setattr("transformers.integrations.validate_bnb_backend_availability", refuse)
    told = failure(str(copy), dtype)
    assert f"{dtype} does not work on this machine: choose the dtype auto. (None of the available devices" in told


@pytest.mark.parametrize("missing", [("bitsandbytes",), ("accelerate",), ("bitsandbytes", "accelerate")])
def test_quantization_without_its_packages_names_them(hub, failure, monkeypatch, missing):
    monkeypatch.setattr(packages, "find_spec", lambda package: None if package in missing else object())
    assert f"4bit needs {' and '.join(missing)}: install that with pip" in failure(NAME, "4bit")
    assert hub.downloads() == ["config.json"]  # said before the weights are fetched
