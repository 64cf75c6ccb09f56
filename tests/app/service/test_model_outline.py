"""What the page tells of a model is the same before and after its weights are read."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastv.app.compare.method_choice import k_info
from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.errors import ModelLoadError
from fastv.families.catalogue import ModelEntry, find
from fastv.worker import Stopped
from tests.support.standins import FURTHER_STANDINS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def gate(monkeypatch):
    """A load waits until it is told to go on; ``broken`` makes it fail."""
    from fastv.loading import load as loading

    class Gate:
        open, broken, loads = threading.Event(), False, 0

    read = loading.load

    def gated(*arguments, **options):
        Gate.loads += 1
        assert Gate.open.wait(60)
        if Gate.broken:
            raise ModelLoadError("The file /somewhere/weights is damaged.")
        return read(*arguments, **options)

    monkeypatch.setattr(loading, "load", gated)
    yield Gate
    Gate.open.set()


def test_an_outline_from_the_folder_is_that_of_the_loaded_model():
    from fastv.loading.load import load

    before, after = ModelOutline.of_folder(find("mini-7")), ModelOutline.of_loaded(load("mini-7"))
    assert (before.entry, before.family, before.layers) == (after.entry, after.family, after.layers)
    assert before.config.decoder.layers == before.layers and before.ranked_from == after.ranked_from == 1


def test_attention_ranks_after_the_first_layer_that_attends(tmp_path):
    from fastv.loading.load import load

    kinds = ["linear_attention", "linear_attention", "full_attention", "linear_attention"]
    FURTHER_STANDINS["qwen3_5"].save(tmp_path, layer_types=kinds)
    outlines = ModelOutline.of_folder(find(str(tmp_path))), ModelOutline.of_loaded(load(str(tmp_path)))
    assert [one.ranked_from for one in outlines] == [3, 3]
    for method, says in (("fastv", "3 and more"), ("pyramiddrop", "cuts"), ("random", None)):
        said = k_info(method, 3)
        assert says in said if says else said is None


def test_a_folder_without_a_known_config_is_refused(tmp_path):
    with pytest.raises(ModelLoadError):
        ModelOutline.of_folder(ModelEntry("nothing", "Nothing", str(tmp_path), ""))


def test_a_load_waits_for_the_first_model_and_reads_it_once(gate):
    pool = ModelPool(find("mini-7"))
    pool.load_default_in_background()
    assert not pool.is_loaded("mini-7") and pool.outline().layers == 8 and pool.setup(None).device == "cpu"
    found: list = []
    waiting = threading.Thread(target=lambda: found.append(pool.load(None)))
    waiting.start()
    gate.open.set()
    waiting.join(60)
    assert pool.is_loaded("mini-7") and found == [pool.get_loaded("mini-7")] and gate.loads == 1
    assert pool.default_dtype == "float32"


def test_waiting_for_the_first_model_can_be_stopped(gate):
    pool = ModelPool(find("mini-7"))
    pool.load_default_in_background()
    with pytest.raises(Stopped):
        pool.load("mini-7", stopped=lambda: True)
    assert not pool.is_loaded("mini-7")


def test_a_first_model_that_cannot_be_loaded_is_told_to_the_one_who_asks(gate):
    gate.broken = True
    gate.open.set()
    pool = ModelPool(find("mini-7"))
    pool.load_default_in_background()
    with pytest.raises(ModelLoadError, match="damaged") as told:
        pool.load("mini-7")
    assert "/somewhere" not in str(told.value)


@pytest.mark.slow
def test_the_page_is_built_without_torch():
    code = (
        "import sys\n"
        "from fastv.app import page\n"
        "from fastv.app.service.model_pool import ModelPool\n"
        "from fastv.families.catalogue import find\n"
        "page.build(ModelPool(find('mini-7')))\n"
        "loaded = {'torch', 'transformers'} & set(sys.modules)\n"
        "from fastv.loading.machine_memory import has_gpu_device\n"
        "assert not loaded or has_gpu_device(), loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
