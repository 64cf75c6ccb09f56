from __future__ import annotations

from dataclasses import replace

import pytest

from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.costs.roofline import devices, estimate
from fastv.costs.solver import Workload
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape

SMALL, BIG = (read_shape(REFERENCE_CONFIGS[key]) for key in ("llava-1.5-7b", "llava-1.5-13b"))
PROMPT = Workload(answer_tokens=64)
A100 = devices()["a100-80g"]


def test_every_device_is_complete_and_names_its_source():
    assert len(devices()) >= 6
    for key, device in devices().items():
        assert device.key == key and device.name and device.source
        assert device.urls and all(url.startswith("http") for url in device.urls) or "arithmetic" in device.source
        assert min(*device.peak_flops.values(), device.bandwidth_bytes_per_second, device.memory_bytes) > 1e9
        assert all(device.peak(dtype) >= device.peak("float32") for dtype in DTYPES)


def test_a_long_prompt_is_bound_by_compute_and_a_single_answer_by_memory():
    found = estimate(SMALL, PROMPT, A100, None, 0.0)
    assert (found.prefill_bound, found.decode_bound) == ("compute", "memory")
    flops = PROMPT.cost(SMALL, None, 0.0, "exact").prefill_flops
    assert found.prefill_seconds == flops / 312e12
    # A step cannot be faster than reading the decoder once: by hand, 13 GB at 2 TB/s.
    assert 0.0060 < found.decode_seconds_per_token < 0.0068
    assert estimate(SMALL, Workload(4, 0, 64), A100, None, 0.0).prefill_bound == "memory"


def test_many_answers_at_once_end_in_compute():
    bounds = [
        estimate(SMALL, replace(PROMPT, visual_tokens=0, batch=batch), A100, None, 0.0).decode_bound
        for batch in (1, 16, 256, 4096)
    ]
    assert bounds[0] == "memory" and bounds[-1] == "compute" and bounds == sorted(bounds, reverse=True)


def test_published_first_token_times_are_above_the_floor():
    for config, k, r, seconds in ((SMALL, None, 0.0, 0.138), (BIG, None, 0.0, 0.203), (BIG, 2, 0.75, 0.124)):
        assert estimate(config, PROMPT, A100, k, r).prefill_seconds < seconds


@pytest.mark.parametrize("device", devices().values(), ids=lambda device: device.key)
@pytest.mark.parametrize("dtype", DTYPES)
def test_more_pruning_never_takes_longer_nor_more_memory(device, dtype):
    runs = [estimate(BIG, replace(PROMPT, dtype=dtype), device, 2, r) for r in (0.0, 0.3, 0.6, 0.9, 1.0)]
    for more, less in zip(runs, runs[1:]):
        assert less.prefill_seconds <= more.prefill_seconds and less.memory_bytes <= more.memory_bytes
        assert less.decode_seconds_per_token <= more.decode_seconds_per_token


def test_what_fits():
    rtx = devices()["rtx-4090"]
    fits = [
        estimate(config, replace(PROMPT, dtype=dtype), rtx, 2, 0.5).fits
        for config, dtype in ((SMALL, "float16"), (BIG, "float16"), (BIG, "8bit"), (BIG, "4bit"))
    ]
    assert fits == [True, False, True, True]
    assert estimate(BIG, PROMPT, rtx, 2, 0.5).memory_bytes > parameter_bytes(BIG, "float16")
    assert not estimate(SMALL, replace(PROMPT, batch=512), A100, 2, 0.5).fits
