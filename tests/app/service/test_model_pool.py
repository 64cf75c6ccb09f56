"""Which models can be had, which stay in memory, and what a failed choice leaves behind."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest

from fastv.app.api import health
from fastv.app.service.model_pool import ModelPool
from fastv.errors import ModelLoadError
from fastv.families.catalogue import CATALOGUE, ModelEntry
from fastv.loading import load
from fastv.loading.machine_memory import RAM, MachineMemory
from fastv.loading.memory_fit import required_bytes
from fastv.loading.precision import held_bytes
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pool")
    for name in ("one", "two", "mini-7"):
        save_llava_checkpoint(root / name)
    return root


@pytest.fixture
def first(folders):
    return load.load(str(folders / "one"))


def test_the_first_model_is_there_under_its_name_and_its_path_is_not(folders, first):
    pool = ModelPool(first)
    assert pool.default == "one" and pool.load(None).model is first.model is pool.load("one").model
    assert list(pool.entries) == ["one", *(entry.key for entry in CATALOGUE)]
    assert not any(str(folders) in key or str(folders) in entry.name for key, entry in pool.entries.items())
    assert pool.load(None).entry.key == "one"


def test_a_folder_named_like_a_catalogue_model_does_not_hide_it(folders):
    pool = ModelPool(load.load(str(folders / "mini-7")))
    assert pool.default == "mini-7 (given)" and pool.entries["mini-7"] in CATALOGUE


@pytest.mark.parametrize("key", ["two", "/etc", "owner/name", "", 7, ["one"]])
def test_no_other_model_can_be_loaded(first, key):
    with pytest.raises(ModelLoadError, match="There is no model"):
        ModelPool(first).load(key)


def there(pool):
    return [key for key in pool.entries if pool.is_loaded(key)]


@pytest.fixture
def machine(monkeypatch):
    """Gives this machine a memory, which a function tells."""
    return lambda memory: monkeypatch.setattr(MachineMemory, "here", staticmethod(memory))


def holding(pool, models):
    """A machine with room for so many of the pool's models, all of one size; one more fits where one of them goes."""
    loaded = pool.load(None)
    needed, held = required_bytes(loaded.entry, "float32"), held_bytes(loaded.model)[RAM]
    return lambda: MachineMemory(100 * needed, needed if len(there(pool)) < models else needed - held // 2)


@pytest.fixture
def listed(folders):
    return (
        ModelEntry("small", "Small", str(folders / "mini-7"), "", embedded=True),
        ModelEntry("big", "Big", str(folders / "two"), ""),
    )


def test_models_stay_in_memory_while_they_fit(first, listed):
    pool = ModelPool(first, catalogue=listed)
    small, big = pool.load("small").model, pool.load("big").model
    assert there(pool) == ["one", "small", "big"]
    assert pool.load("small").model is small and pool.load("big").model is big


def test_where_they_do_not_fit_all_but_the_embedded_ones_are_dropped(first, listed, machine):
    pool = ModelPool(first, catalogue=listed)
    machine(holding(pool, 2))
    small = pool.load("small").model
    assert there(pool) == ["one", "small"]
    assert pool.load("big").entry == listed[1] and there(pool) == ["small", "big"]
    assert pool.load("one").entry.key == "one" and there(pool) == ["one", "small"]  # from its folder again
    assert pool.load("small").model is small


def test_asking_for_the_apps_health_changes_nothing(first, listed, machine):
    page = SimpleNamespace(_queue=SimpleNamespace(stopped=False, event_queue_per_concurrency_id={}))
    pool = ModelPool(first, catalogue=listed)
    machine(holding(pool, 1))
    before = health.facts(page, pool, 20)
    pool.load("big")
    now = health.facts(page, pool, 20)
    assert before["loaded"] == ["one"] and now["loaded"] == there(pool) == ["big"]
    assert {name: now[name] for name in ("status", "model", "device", "dtype")} == {
        "status": "ok",
        "model": "one",
        "device": "cpu",
        "dtype": "float32",
    } and before == now | {"loaded": ["one"]}


def test_a_model_that_went_is_not_in_memory_any_more(folders, listed, machine):
    pool = ModelPool(load.load(str(folders / "one")), catalogue=listed)
    machine(holding(pool, 1))
    model = weakref.ref(pool.load(None).model)
    pool.load("big")
    gc.collect()
    assert model() is None


def test_what_was_freed_for_a_load_that_failed_is_there_again(first, listed, monkeypatch, machine):
    pool = ModelPool(first, catalogue=listed)
    machine(holding(pool, 1))
    read = load.AutoModelForImageTextToText.from_pretrained

    def broken(folder, **arguments):
        if str(folder) == listed[1].source:
            assert there(pool) == []
            raise ModelLoadError("a broken file")
        return read(folder, **arguments)

    monkeypatch.setattr(load.AutoModelForImageTextToText, "from_pretrained", broken)
    with pytest.raises(ModelLoadError, match="a broken file"):
        pool.load("big")
    assert there(pool) == ["one"]


def test_a_load_that_fails_before_its_weights_are_read_evicts_nothing(first, listed, machine, monkeypatch):
    pool = ModelPool(first, catalogue=listed)
    machine(holding(pool, 1))
    monkeypatch.setattr(load, "fetch_files", lambda *_: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(ModelLoadError):
        pool.load("big")
    assert pool.load("one").model is first.model


def test_a_model_that_could_never_fit_frees_nothing(first, listed, machine):
    pool = ModelPool(first, catalogue=listed)
    machine(lambda: MachineMemory(1, 0))
    with pytest.raises(ModelLoadError, match="choose a smaller model"):
        pool.load("big")
    assert pool.load(None).model is first.model


def test_a_model_that_cannot_be_loaded_leaves_the_others(first):
    pool = ModelPool(first, catalogue=(ModelEntry("gone", "Gone", "/nowhere/at/all", ""),))
    with pytest.raises(ModelLoadError):
        pool.load("gone")
    assert pool.is_loaded("one") and not pool.is_loaded("gone")


def test_both_models_of_a_comparison_stay_whichever_was_there_first(folders, first, machine):
    big = [ModelEntry(key, key, str(folders / name), "") for key, name in (("two", "two"), ("three", "mini-7"))]
    pool = ModelPool(first, catalogue=tuple(big))
    machine(holding(pool, 2))
    one, other = pool.load_pair("one", "two")
    assert one.model is first.model and one is pool.load("one") and other is pool.load("two")
    assert there(pool) == ["one", "two"]
    assert pool.load_pair("three", "two")[1] is other and there(pool) == ["two", "three"]
    assert pool.load_pair("two", "three")[0] is other and there(pool) == ["two", "three"]
    assert pool.load_pair("two", "two") == (other, other) and there(pool) == ["two", "three"]


def test_of_two_models_the_one_that_cannot_be_loaded_leaves_the_others(first, folders):
    pool = ModelPool(first, catalogue=(ModelEntry("gone", "Gone", "/nowhere/at/all", ""),))
    for pair in (("one", "gone"), ("gone", "one"), ("one", "nobody")):
        with pytest.raises(ModelLoadError):
            pool.load_pair(*pair)
        assert pool.is_loaded("one")
    assert pool.gpu_bytes == 0
