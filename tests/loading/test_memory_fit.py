"""Whether a model fits a machine, and what must go before it can be loaded: arithmetic, for machines of any kind."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fastv.costs.memory import DTYPES, kv_cache_bytes, parameter_bytes
from fastv.errors import ModelLoadError
from fastv.families.catalogue import CATALOGUE, REFERENCE_CONFIGS, ModelEntry, find, known_shape
from fastv.families.config_reader import read_shape
from fastv.loading.machine_memory import RAM, Gpu, MachineMemory
from fastv.loading.memory_fit import LoadPlan, Placement, find_placement, fit, plan_load, required_bytes
from tests.support.standins import llava_config

GB = 10**9


def machine(ram: float, *gpus: float, free_ram: float | None = None) -> MachineMemory:
    """A machine with so many GB, all of it free unless said otherwise."""
    return MachineMemory(
        int(ram * GB),
        int((ram if free_ram is None else free_ram) * GB),
        tuple(Gpu(f"gpu {number}", int(size * GB), int(size * GB)) for number, size in enumerate(gpus)),
    )


LAPTOP, T4, TWO, BIG = machine(24), machine(32, 16), machine(64, 16, 16), machine(128, 80)


# How much


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_and_cache_are_counted(dtype):
    entry = find("llava-1.5-7b")
    shape = read_shape(REFERENCE_CONFIGS[entry.key])
    cache = required_bytes(entry, dtype) - parameter_bytes(shape, dtype)
    assert cache == required_bytes(entry, dtype, shape) - parameter_bytes(shape, dtype)
    assert cache == kv_cache_bytes(shape.decoder, (576 + 512,) * 32, dtype)
    longer = required_bytes(replace(entry, visual_tokens=577), dtype) - required_bytes(entry, dtype)
    assert longer == kv_cache_bytes(shape.decoder, (1,) * 32, dtype)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.key)
def test_a_finer_precision_never_needs_less(entry):
    sizes = [required_bytes(entry, dtype) for dtype in ("4bit", "8bit", "float16", "float32")]
    assert sizes == sorted(set(sizes)) and required_bytes(entry, "bfloat16") == sizes[2]


def test_sizes_come_from_what_is_at_hand(tmp_path):
    unknown = ModelEntry("x", "X", "some/where", "")
    assert known_shape(unknown) is None is required_bytes(unknown, "float16")
    llava_config().save_pretrained(tmp_path)
    local = replace(unknown, source=str(tmp_path))
    assert known_shape(local) == read_shape(llava_config())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "frobnicator"}))
    assert known_shape(local) is None


# Where


@pytest.mark.parametrize(
    "machine, gigabytes, where",
    [
        (LAPTOP, 23, Placement()),
        (LAPTOP, 25, None),
        (T4, 15, Placement((0,))),
        (T4, 20, Placement((0,), offload=True)),
        (T4, 48, None),
        (TWO, 15, Placement((0,))),
        (TWO, 29, Placement((0, 1))),
        (TWO, 31, Placement((0, 1), offload=True)),
        (machine(64, 4, 16), 10, Placement((1,))),
    ],
)
def test_the_fastest_place_with_room_is_taken(machine, gigabytes, where):
    assert find_placement(gigabytes * GB, machine) == where


def test_quantized_weights_do_not_wait_in_ram():
    assert find_placement(20 * GB, T4, quantized=True) == Placement()  # all of it on the CPU instead
    assert find_placement(40 * GB, TWO, quantized=True) == Placement()


def test_one_gpu_is_better_than_two_and_two_than_waiting():
    ranks = [Placement((0,)).rank, Placement((0, 1)).rank, Placement((0,), offload=True).rank, Placement().rank]
    assert ranks == sorted(set(ranks))


UNKNOWN = ModelEntry("x", "X", "some/where", "")


def auto_dtype(entry: ModelEntry, memory: MachineMemory, **more) -> str:
    return plan_load(entry, "auto", memory, **more).dtype


def test_auto_is_never_quantized():
    seven = find("llava-1.5-7b")
    assert auto_dtype(seven, machine(64)) == "float32"
    assert auto_dtype(seven, LAPTOP) == "bfloat16"
    with pytest.raises(ModelLoadError, match="7B in bfloat16 needs 14.7 GB of memory and 2.0 GB are free: choose a sm"):
        auto_dtype(seven, machine(2))
    assert auto_dtype(seven, T4) == "float16" and auto_dtype(seven, T4, own_dtype="bfloat16") == "bfloat16"
    assert auto_dtype(UNKNOWN, LAPTOP) == "float32"
    assert auto_dtype(UNKNOWN, T4) == "float16"


def test_a_full_gpu_is_no_reason_for_16_bits_on_the_cpu():
    full = MachineMemory(64 * GB, 60 * GB, (Gpu("full", 8 * GB, GB // 2),))
    assert find_placement(required_bytes(find("llava-1.5-7b"), "float16"), full) == Placement()
    assert auto_dtype(find("llava-1.5-7b"), full) == "float32"


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
@pytest.mark.parametrize("dtype", ["auto", "4bit"])
def test_a_plan_is_made_of_what_the_device_has(device, dtype):
    plan = plan_load(find("llava-1.5-7b"), dtype, TWO, device=device)
    gpus = {"auto": (0,), "cpu": (), "cuda": (0,), "cuda:1": (1,)}[device]
    own = "float32" if device == "cpu" else "float16"
    assert plan == LoadPlan(
        own if dtype == "auto" else dtype,
        Placement(gpus),
        required_bytes(find("llava-1.5-7b"), own if dtype == "auto" else dtype),
    )


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
            machine(4, 8),
            False,
            "LLaVA-1.5 7B in float16 needs a GPU with 16 GB or 14.7 GB of RAM; "
            "this machine has 4 GB of RAM and a GPU with 8 GB. In 4bit it fits.",
        ),
        (
            "llava-1.5-13b",
            "4bit",
            machine(4),
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
    assert said.fits is None and "config.json" in said.sentence


def test_what_else_is_in_memory_now_does_not_count():
    assert fit(find("llava-1.5-7b"), "float16", machine(24, free_ram=1)).fits
    assert fit(find("mini-7"), "float32", LAPTOP).fits


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.key)
@pytest.mark.parametrize("dtype", ("auto", *DTYPES))
@pytest.mark.parametrize("machine", [machine(1), LAPTOP, T4, BIG])
def test_a_sentence_is_whole_for_every_model_and_machine(entry, dtype, machine):
    said = fit(entry, dtype, machine)
    assert said.sentence.startswith(entry.name) and said.sentence.endswith(".") and said.fits is not None
    assert ("fits" in said.sentence) or not said.fits


# What has to go

HELD = {"mini": {RAM: 100_000_000}, "seven": {RAM: 14 * GB}}
SEVEN = find("llava-1.5-7b")  # 14.7 GB in 16 bits


def evicted(held, memory: MachineMemory, dtype: str = "float16", **more) -> tuple[str, ...]:
    return plan_load(SEVEN, dtype, memory, held=held, **more).evict


def test_what_fits_beside_the_others_evicts_none():
    assert evicted(HELD, machine(64, free_ram=40)) == ()


def test_only_what_is_in_the_way_goes():
    assert evicted(HELD, machine(24, free_ram=8)) == ("seven",)
    assert set(evicted(HELD, machine(24, free_ram=0.65))) == {"mini", "seven"}


def test_of_two_that_would_do_one_goes():
    held = {"one": {RAM: 10 * GB}, "two": {RAM: 12 * GB}}
    assert evicted(held, machine(24, free_ram=5)) == ("two",)


def test_what_may_not_go_does_not_count():
    with pytest.raises(ModelLoadError, match="14.7 GB of memory and 13.0 GB are free: choose the dtype 4bit"):
        evicted({"one": {RAM: 12 * GB}}, machine(48, free_ram=1))


def test_auto_counts_on_what_may_go_and_on_no_more():
    memory = machine(64, free_ram=5)
    assert plan_load(SEVEN, "auto", memory, held={"one": {RAM: 30 * GB}}).dtype == "float32"
    assert plan_load(SEVEN, "auto", memory, held={"one": {RAM: 12 * GB}}).dtype == "bfloat16"


def test_a_gpu_is_cleared_rather_than_spilled_over():
    busy = MachineMemory(64 * GB, 60 * GB, (Gpu("a", 16 * GB, 2 * GB),))
    assert find_placement(15 * GB, busy) == Placement((0,), offload=True)
    plan = plan_load(SEVEN, "float16", busy, held={"seven": {0: 14 * GB}})
    assert (plan.evict, plan.placement) == (("seven",), Placement((0,)))


def test_the_place_is_where_room_was_made():
    two = MachineMemory(64 * GB, 60 * GB, (Gpu("a", 16 * GB, GB), Gpu("b", 16 * GB, GB)))
    plan = plan_load(SEVEN, "float16", two, held={"small": {0: 14 * GB}, "large": {1: 14 * GB + 1}})
    assert (plan.evict, plan.placement) == (("large",), Placement((1,)))


def test_what_lies_elsewhere_is_not_in_the_way():
    two = MachineMemory(64 * GB, 60 * GB, (Gpu("a", 16 * GB, GB), Gpu("b", 16 * GB, GB)))
    held = {"first": {0: 14 * GB}, "second": {1: 14 * GB}, "third": {RAM: 30 * GB}}
    assert evicted(held, two, device="cuda:1") == ("second",)


def test_for_a_model_of_unknown_size_all_go():
    assert plan_load(UNKNOWN, "auto", LAPTOP, held=HELD) == LoadPlan("float32", Placement(), None, ("mini", "seven"))


def test_what_never_fits_is_refused():
    with pytest.raises(ModelLoadError, match="needs 27.6 GB"):
        plan_load(find("llava-1.5-13b"), "float16", LAPTOP, held={"mini": {RAM: 100_000_000}})
