"""What the page says while a model is on its way, and that it says it."""

from __future__ import annotations

import time

from transformers import AutoModelForImageTextToText, AutoProcessor

from fastv.app.service.load_progress import load_with_progress
from fastv.app.service.model_pool import ModelPool
from fastv.families.catalogue import ModelEntry
from fastv.loading.load import load
from fastv.worker import Stopped
from tests.support import fake_hub as fakehub
from tests.support.hub_layouts import write_as_on_hub
from tests.support.standins import save_llava_checkpoint


def test_download_and_load_report_progress(tmp_path, monkeypatch):
    save_llava_checkpoint(tmp_path / "here")
    write_as_on_hub(
        AutoModelForImageTextToText.from_pretrained(tmp_path / "here"),
        AutoProcessor.from_pretrained(tmp_path / "here", backend="pil"),
        tmp_path / "there",
    )
    with fakehub.serving() as hub:
        hub.repositories[fakehub.NAME] = fakehub.Repository(tmp_path / "there")
        fakehub.use(hub.address, tmp_path / "cache", monkeypatch)
        pool = ModelPool(load(str(tmp_path / "here")), catalogue=(ModelEntry("far", "Far", fakehub.NAME, ""),))
        steps = [step for step in load_with_progress(pool, "far", "far") if step is not None]
    said = [step.sentence for step in steps]
    assert said[0].startswith("Downloading: ") and said[-1].startswith("Loading: ") and pool.is_loaded("far")
    assert len(set(said)) == len(said) and all(0 <= step.fraction <= 1 for step in steps if step.fraction is not None)


def test_a_load_without_messages_can_be_cancelled(tmp_path, monkeypatch):
    save_llava_checkpoint(tmp_path / "here")
    model, ended = load(str(tmp_path / "here")), []

    def endless(source, dtype, *, stopped, **following):
        while not stopped():
            time.sleep(0.01)
        ended.append(source)
        raise Stopped

    monkeypatch.setattr("fastv.loading.load.load", endless)
    monkeypatch.setattr("fastv.app.service.load_progress._SILENCE", 0.05)
    steps = load_with_progress(ModelPool(model, catalogue=(ModelEntry("far", "Far", "some/where", ""),)), "far", "far")
    assert [next(steps), next(steps)] == [None, None] and ended == []
    steps.close()
    assert ended == ["some/where"]
