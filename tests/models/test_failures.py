"""Every way in which loading fails is provoked, and told in one sentence that says what to do."""

from __future__ import annotations

import errno
import gc
import json
import shutil
import weakref

import fakehub
import pytest
import torch
from layouts import write_as_on_hub
from standins import save_llava_checkpoint
from transformers import AutoModelForImageTextToText, AutoProcessor, LlamaConfig

from fastv.background import Stopped
from fastv.errors import ModelLoadError
from fastv.models import catalogue, loading, loading_hub, loading_precision
from fastv.models.catalogue import ModelEntry
from fastv.models.loading import load
from fastv.ui import shelf as room
from fastv.ui.shelf import Shelf

NAME = "somebody/small-llava"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The model in use before."""
    folder = tmp_path_factory.mktemp("models") / "first"
    save_llava_checkpoint(folder, width=64, ffn_width=128)
    return load(str(folder), "float32", "cpu")


@pytest.fixture(scope="module")
def checkpoint(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "small-llava"
    processor = AutoProcessor.from_pretrained(first.entry.source, backend="pil")
    write_as_on_hub(AutoModelForImageTextToText.from_pretrained(first.entry.source), processor, folder)
    return folder


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A copy of the checkpoint to break."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.fixture
def hub(copy, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its own retries
    with fakehub.serving() as hub:
        hub.repositories[NAME] = fakehub.Repository(copy)
        fakehub.use(hub.address, tmp_path / "cache", monkeypatch)
        yield hub


@pytest.fixture
def failure(first, monkeypatch, tmp_path):
    """Takes a model off the app's shelf, which fails; returns the sentence, when the one in use is still there."""
    def fails(source: str, dtype: str = "float32") -> str:
        monkeypatch.setattr(room, "CATALOGUE", (ModelEntry("wanted", "Wanted", source, ""),))
        shelf = Shelf(first, dtype)
        with pytest.raises(ModelLoadError) as raised:
            shelf.take("wanted")
        assert shelf.take(None).model is first.model and not shelf.is_loaded("wanted")
        told = str(raised.value)
        print(told)
        assert "\n" not in told and str(tmp_path) not in told and told[-1] in ".)" and raised.value.__context__ is None
        return told

    return fails


# The hub

@pytest.mark.parametrize("source, told", [
    ("somebody/nothing", "There is no model somebody/nothing on the hub, or it is private: check the name, or log in"),
    (f"{NAME}@v9", f"{NAME} has no revision “v9”: choose one that"),
])
def test_what_the_hub_does_not_have(hub, failure, source, told):
    assert told in failure(source)


def test_a_gated_repository(hub, failure):
    hub.repositories[NAME].gated = True
    told = failure(NAME)
    assert f"{NAME} asks for permission: accept its terms at {hub.address}/{NAME} and log in with “hf auth l" in told


def test_a_repository_that_is_no_model(hub, copy, failure):
    (copy / "config.json").unlink()
    assert f"{NAME} holds no model that can be loaded here: it has no config.json" in failure(NAME)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_busy(hub, failure, status):
    hub.status = status
    assert f"The hub answered {status} when asked for {NAME}: try again later" in failure(NAME)


def test_no_network(hub, failure, monkeypatch, tmp_path):
    fakehub.use("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)  # nobody listens there
    told = failure(NAME)
    assert f"{NAME} is not whole on this machine and could not be fetched: check the network" in told
    assert f"“hf download {NAME}”" in told


def test_no_network_by_choice(hub, failure, monkeypatch, tmp_path):
    fakehub.use(hub.address, tmp_path / "cache", monkeypatch, offline=True)
    assert "HF_HUB_OFFLINE forbids to fetch it: unset it, or download the model first with “hf d" in failure(NAME)


def test_a_download_broken_off_and_then_no_network(hub, failure, monkeypatch, tmp_path):
    stop_after(NAME, "downloading", 0.3)
    fakehub.use("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    assert "is not whole on this machine and could not be fetched" in failure(NAME)


def test_a_disk_too_small_for_the_download(hub, failure, monkeypatch):
    monkeypatch.setattr(loading_hub.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1_000))
    told = failure(NAME)
    assert "is a download of" in told and "are free on the disk: make room, or set HF_HOME" in told
    assert hub.downloads() == ["config.json"]


@pytest.mark.parametrize("code, told", [
    (errno.ENOSPC, "The disk became full while"), (errno.EACCES, "check its permissions"),
])
def test_a_disk_that_does_not_take_the_download(hub, failure, monkeypatch, code, told):
    def refuse(*args, **kwargs):
        raise OSError(code, "the disk says no")

    loading_hub.hf_hub_download(NAME, "config.json")
    monkeypatch.setattr("huggingface_hub.file_download.http_get", refuse)
    assert told in failure(NAME)


def test_a_model_too_large_is_refused_before_its_weights_are_fetched(hub, copy, failure):
    change_config(copy, hidden_size=8192, num_hidden_layers=100_000)
    assert "GB of memory and" in failure(NAME)
    assert hub.downloads() == ["config.json"]


# Stopping

def stop_after(source: str, stage: str, fraction: float) -> str:
    """Loads until ``fraction`` of a stage is done; what is said then."""
    seen = []
    with pytest.raises(Stopped) as stopped:
        load(source, "float32", report=seen.append,
             stopped=lambda: any(step.stage == stage and step.fraction >= fraction for step in seen))
    assert seen[-1].stage == stage and seen[-1].fraction < 1
    return str(stopped.value)


def test_a_download_that_is_stopped_goes_on_where_it_was(hub):
    assert "was stopped. What was fetched so far stays on the disk" in stop_after(NAME, "downloading", 0.3)
    before = set(hub.downloads())
    hub.requests.clear()
    assert load(NAME, "float32").entry.repository == NAME
    again = hub.downloads()
    assert again and len(again) < len(before | set(again))


def test_loading_that_is_stopped_leaves_nothing_behind(copy, monkeypatch):
    assert "was stopped" in stop_after(str(copy), "loading", 0.5)
    assert load(str(copy), "float32").dtype == "float32"


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


def change_config(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(changes)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("case, told", [
    ("empty folder", "no config.json"), ("no weights", "no complete model"),
    ("missing shard", "no complete model"), ("cut weights", "damaged or incomplete: fetch its files again"),
    ("not weights", "damaged"),
    ("no processor", "processor of copy"), ("no tokenizer", "processor of copy"), ("text model", "type “llama”"),
    ("unknown type", "frobnicator"), ("torn config", "no complete model"), ("more layers", "lacks 9 weights"),
    ("other width", "could not be loaded"),
])
def test_a_broken_folder(copy, failure, case, told):
    broken(copy, case)
    assert told in failure(str(copy))


def test_a_damaged_file_in_the_cache_is_to_be_fetched_again(hub, failure):
    load(NAME, "float32")
    for path in (loading_hub.Path(loading_hub.constants.HF_HUB_CACHE)).rglob("*.safetensors"):
        path.resolve().write_bytes(b"\0" * 9)
    assert f"damaged or incomplete: fetch them again with “hf download {NAME} --force-download”" in failure(NAME)


@pytest.mark.parametrize("name", ["", "no such model", "/no/such/folder", "../elsewhere", "a/b/c", "a/b@c d"])
def test_a_name_that_is_nothing_is_told_the_choices(name):
    with pytest.raises(ModelLoadError, match="mini-7"):
        load(name)


def test_a_missing_embedded_model(monkeypatch, tmp_path):
    entry = catalogue.ModelEntry("mini-7", "Mini 7", str(tmp_path / "mini-7"), "", embedded=True)
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry,))
    with pytest.raises(ModelLoadError, match="missing from this copy"):
        load("mini-7")


# The machine

@pytest.mark.parametrize("arguments, told", [
    ({"dtype": "float64"}, "4bit"), ({"dtype": "int4"}, "4bit"), ({"device": "toaster"}, "auto, cpu or cuda"),
    ({"device": "mps"}, "auto, cpu or cuda"), ({"device": "cuda:x"}, "auto, cpu or cuda"),
    ({"device": "cuda:9"}, "There is no GPU"),
])
def test_an_unknown_dtype_or_device_is_told_the_choices(checkpoint, arguments, told):
    with pytest.raises(ModelLoadError, match=told):
        load(str(checkpoint), **arguments)


@pytest.mark.parametrize("error", [
    MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
])
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


@pytest.mark.parametrize("missing", [("bitsandbytes",), ("accelerate",), ("bitsandbytes", "accelerate")])
def test_quantization_without_its_packages_names_them(hub, failure, monkeypatch, missing):
    monkeypatch.setattr(loading_precision, "find_spec", lambda package: None if package in missing else object())
    assert f"4bit needs {' and '.join(missing)}: install that with pip" in failure(NAME, "4bit")
    assert hub.downloads() == ["config.json"]  # said before the weights are fetched
