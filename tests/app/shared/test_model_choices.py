"""The models in a list to choose from: which group each is in, and in which order."""

from __future__ import annotations

import pytest

from fastv.app.service.model_pool import ModelPool, Unavailable
from fastv.app.shared.model_choices import NOT_KNOWN, RUNS_HERE, TOO_LARGE, model_choices
from fastv.families.catalogue import CATALOGUE, ModelEntry, find
from fastv.loading.machine_memory import Gpu, MachineMemory
from fastv.loading.memory_fit import fit, gb

GB = 10**9
LAPTOP = MachineMemory(16 * GB, 12 * GB)
SERVER = MachineMemory(512 * GB, 400 * GB, (Gpu("large", 192 * GB, 190 * GB),))
UNKNOWN = ModelEntry("unknown", "Unknown", "owner/unknown", "")


@pytest.mark.parametrize("memory", [LAPTOP, SERVER])
def test_what_runs_here_comes_first_and_a_group_keeps_the_order_of_families(memory):
    pool = ModelPool(find("mini-7"), catalogue=(UNKNOWN, *CATALOGUE))
    listed = {key: text for text, key in model_choices(pool, memory)}
    assert sorted(listed) == sorted(pool.entries) and len(set(listed.values())) == len(listed)
    place = {key: [RUNS_HERE, NOT_KNOWN, TOO_LARGE].index(text.split(" · ")[-1]) for key, text in listed.items()}
    assert list(listed) == sorted(pool.entries, key=place.__getitem__)  # sorted() keeps the order of equals
    for key, entry in pool.entries.items():
        assert entry.embedded or place[key] == {True: 0, None: 1, False: 2}[fit(entry, "auto", memory).fits]
        assert listed[key].split(" · ")[0] == entry.name
        assert (gb(entry.download_bytes or 0) in listed[key]) == bool(entry.download_bytes)
    assert place["unknown"] == 1 and (2 in place.values()) == (memory is LAPTOP)


def test_a_precision_of_fewer_bits_lets_more_models_run():
    def here(dtype):
        texts = model_choices(ModelPool(find("mini-7"), dtype), LAPTOP)
        return {key for text, key in texts if text.endswith(RUNS_HERE)}

    assert here("float16") < here("4bit") and "llava-1.5-13b" in here("4bit") - here("float16")


def test_what_is_not_offered_says_so_whatever_fits_and_the_model_of_the_app_always_runs():
    refused = {"qwen2-vl-2b": Unavailable("never here", "Never.")}
    pool = ModelPool(find("qwen3-vl-32b"), unavailable=refused)
    texts = {key: text for text, key in model_choices(pool, MachineMemory(4 * GB, 3 * GB))}
    assert next(iter(texts)) == "qwen3-vl-32b" and texts["qwen3-vl-32b"].endswith(RUNS_HERE)
    assert texts["qwen2-vl-2b"].endswith("never here") and not texts["qwen2-vl-7b"].endswith(RUNS_HERE)
    assert model_choices(pool, SERVER)[-1][1] == "qwen2-vl-2b"
