"""What the tests of failing loads share: a model in use, a checkpoint to break, and a hub to fail on."""

from __future__ import annotations

import shutil

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from fastv.errors import ModelLoadError
from fastv.loading.load import load
from tests.support import fake_hub as fakehub
from tests.support.hub_layouts import write_as_on_hub
from tests.support.standins import save_llava_checkpoint


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
        hub.repositories[fakehub.NAME] = fakehub.Repository(copy)
        fakehub.use(hub.address, tmp_path / "cache", monkeypatch)
        yield hub


@pytest.fixture
def failure(first, tmp_path):
    """Loads a model, which fails; returns the sentence, when the one in use has all its weights as before."""
    before = {name: weight.clone() for name, weight in first.model.state_dict().items()}

    def fails(source: str, dtype: str = "float32") -> str:
        with pytest.raises(ModelLoadError) as raised:
            load(source, dtype)
        assert all(torch.equal(weight, before[name]) for name, weight in first.model.state_dict().items())
        told = str(raised.value)
        assert "\n" not in told and str(tmp_path) not in told and told[-1] in ".)" and raised.value.__context__ is None
        return told

    return fails
