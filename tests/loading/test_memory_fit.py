"""Whether a model fits a machine, and what must go before it can be loaded: arithmetic, for machines of any kind."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fastv.costs.memory import DTYPES, kv_cache_bytes, parameter_bytes
from fastv.errors import ModelLoadError
from fastv.families.catalogue import CATALOGUE, REFERENCE_CONFIGS, ModelEntry, find
from fastv.families.config_reader import read_shape
from fastv.loading.machine_memory import RAM, Gpu, Room
from fastv.loading.memory_fit import Place, auto_dtype, fit, must_free, need, place, shape_at_hand
from tests.support.standins import llava_config

GB = 10**9


def room(ram: float, *gpus: float, free_ram: float | None = None) -> Room:
    """A machine with so many GB, all of it free unless said otherwise."""
    return Room(
        int(ram * GB),
        int((ram if free_ram is None else free_ram) * GB),
        tuple(Gpu(f"gpu {number}", int(size * GB), int(size * GB)) for number, size in enumerate(gpus)),
    )


LAPTOP, T4, TWO, BIG = room(24), room(32, 16), room(64, 16, 16), room(128, 80)


# How much


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_and_cache_are_counted(dtype):
    entry = find("llava-1.5-7b")
    shape = read_shape(REFERENCE_CONFIGS[entry.key])
    cache = need(entry, dtype) - parameter_bytes(shape, dtype)
    assert cache == need(entry, dtype, shape) - parameter_bytes(shape, dtype)
    assert cache == kv_cache_bytes(shape.decoder, (576 + 512,) * 32, dtype)
    longer = need(replace(entry, visual_tokens=577), dtype) - need(entry, dtype)
    assert longer == kv_cache_bytes(shape.decoder, (1,) * 32, dtype)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.key)
def test_a_finer_precision_never_needs_less(entry):
    sizes = [need(entry, dtype) for dtype in ("4bit", "8bit", "float16", "float32")]
    assert sizes == sorted(set(sizes)) and need(entry, "bfloat16") == sizes[2]


def test_sizes_come_from_what_is_at_hand(tmp_path):
    unknown = ModelEntry("x", "X", "some/where", "")
    assert shape_at_hand(unknown) is None is need(unknown, "float16")
    llava_config().save_pretrained(tmp_path)
    local = replace(unknown, source=str(tmp_path))
    assert shape_at_hand(local) == read_shape(llava_config())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "frobnicator"}))
    assert shape_at_hand(local) is None


# Where


@pytest.mark.parametrize(
    "machine, gigabytes, where",
    [
        (LAPTOP, 23, Place()),
        (LAPTOP, 25, None),
        (T4, 15, Place((0,))),
        (T4, 20, Place((0,), offload=True)),
        (T4, 48, None),
        (TWO, 15, Place((0,))),
        (TWO, 29, Place((0, 1))),
        (TWO, 31, Place((0, 1), offload=True)),
        (room(64, 4, 16), 10, Place((1,))),
    ],
)
def test_the_fastest_place_with_room_is_taken(machine, gigabytes, where):
    assert place(gigabytes * GB, machine) == where


def test_quantized_weights_do_not_wait_in_ram():
    assert place(20 * GB, T4, quantized=True) == Place()  # all of it on the CPU instead
    assert place(40 * GB, TWO, quantized=True) == Place()


def test_one_gpu_is_better_than_two_and_two_than_waiting():
    ranks = [Place((0,)).rank, Place((0, 1)).rank, Place((0,), offload=True).rank, Place().rank]
    assert ranks == sorted(set(ranks))


def test_auto_is_never_quantized():
    seven = find("llava-1.5-7b")
    assert auto_dtype(seven, room(64)) == "float32"
    assert auto_dtype(seven, LAPTOP) == auto_dtype(seven, room(2)) == "bfloat16"
    assert auto_dtype(seven, T4) == "float16" and auto_dtype(seven, T4, own="bfloat16") == "bfloat16"
    assert auto_dtype(ModelEntry("x", "X", "some/where", ""), LAPTOP) == "float32"
    assert auto_dtype(ModelEntry("x", "X", "some/where", ""), T4) == "float16"


def test_a_full_gpu_is_no_reason_for_16_bits_on_the_cpu():
    full = Room(64 * GB, 60 * GB, (Gpu("full", 8 * GB, GB // 2),))
    assert place(need(find("llava-1.5-7b"), "float16"), full) == Place()
    assert auto_dtype(find("llava-1.5-7b"), full) == "float32"


# In words


@pytest.mark.parametrize(
    "key, dtype, machine, fits, sentence",
    [
        (
            "llava-1.5-13b",
            "float16",
            LAPTOP,
            False,
            "LLaVA-1.5 13B in float16 needs a GPU with 32 GB or 27.6 GB of RAM; "
            "this machine has 24 GB of RAM and no GPU. In 4bit it fits.",
        ),
        (
            "llava-1.5-7b",
            "float16",
            room(4, 8),
            False,
            "LLaVA-1.5 7B in float16 needs a GPU with 16 GB or 14.7 GB of RAM; "
            "this machine has 4 GB of RAM and a GPU with 8 GB. In 4bit it fits.",
        ),
        (
            "llava-1.5-13b",
            "4bit",
            room(4),
            False,
            "LLaVA-1.5 13B in 4bit needs a GPU with 10 GB or 9.4 GB of RAM; this machine has 4 GB of RAM and no GPU.",
        ),
        (
            "llava-1.5-7b",
            "auto",
            LAPTOP,
            True,
            "LLaVA-1.5 7B in bfloat16 needs 14.7 GB and fits this machine's RAM (24 GB of RAM and no GPU).",
        ),
        (
            "llava-1.5-7b",
            "auto",
            T4,
            True,
            "LLaVA-1.5 7B in float16 needs 14.7 GB and fits the GPU (32 GB of RAM and a GPU with 16 GB).",
        ),
        (
            "llava-1.5-13b",
            "auto",
            TWO,
            True,
            "LLaVA-1.5 13B in float16 needs 27.6 GB and fits the GPUs together (64 GB of "
            "RAM and 2 GPUs with 16 GB and 16 GB).",
        ),
        (
            "llava-1.5-13b",
            "auto",
            T4,
            True,
            "LLaVA-1.5 13B in float16 needs 27.6 GB and fits GPU and RAM together, and is "
            "slow there (32 GB of RAM and a GPU with 16 GB).",
        ),
    ],
)
def test_it_is_said_in_a_sentence(key, dtype, machine, fits, sentence):
    said = fit(find(key), dtype, machine)
    assert (said.fits, said.sentence) == (fits, sentence)


def test_what_is_not_known_is_not_claimed():
    said = fit(ModelEntry("x", "X", "some/where", ""), "auto", LAPTOP)
    assert said.fits is None and "shows in its config.json" in said.sentence


def test_what_else_is_in_memory_now_does_not_count():
    assert fit(find("llava-1.5-7b"), "float16", room(24, free_ram=1)).fits
    assert fit(find("mini-7"), "float32", LAPTOP).fits


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.key)
@pytest.mark.parametrize("dtype", ("auto", *DTYPES))
@pytest.mark.parametrize("machine", [room(1), LAPTOP, T4, BIG])
def test_a_sentence_is_whole_for_every_model_and_machine(entry, dtype, machine):
    said = fit(entry, dtype, machine)
    assert said.sentence.startswith(entry.name) and said.sentence.endswith(".") and said.fits is not None
    assert ("fits" in said.sentence) or not said.fits


# What must go

HELD = {"mini": {RAM: 100_000_000}, "seven": {RAM: 14 * GB}}


def test_what_fits_beside_the_others_moves_nobody():
    assert must_free(5 * GB, HELD, room(64, free_ram=40)) == ()


def test_only_what_is_in_the_way_goes():
    assert must_free(15 * GB, HELD, room(24, free_ram=8)) == ("seven",)
    assert set(must_free(22 * GB, HELD, room(24, free_ram=7.95))) == {"mini", "seven"}


def test_of_two_that_would_do_one_goes():
    held = {"one": {RAM: 10 * GB}, "two": {RAM: 12 * GB}}
    assert must_free(9 * GB, held, room(24, free_ram=1)) == ("two",)


def test_what_is_to_stay_stays():
    held = {"one": {RAM: 10 * GB}, "two": {RAM: 12 * GB}}
    assert must_free(9 * GB, held, room(24, free_ram=1), keep=["two"]) == ("one",)
    with pytest.raises(ModelLoadError, match="does not fit in memory, whatever is freed"):
        must_free(9 * GB, held, room(24, free_ram=1), keep=held)


def test_a_gpu_is_cleared_rather_than_spilled_over():
    held = {"seven": {0: 14 * GB}}
    busy = Room(64 * GB, 60 * GB, (Gpu("a", 16 * GB, 2 * GB),))
    assert place(15 * GB, busy) == Place((0,), offload=True)
    assert must_free(15 * GB, held, busy) == ("seven",)


def test_what_never_fits_frees_nothing():
    with pytest.raises(ModelLoadError, match="100.0 GB"):
        must_free(100 * GB, HELD, LAPTOP)
