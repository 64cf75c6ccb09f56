"""The least time a device could take, from its peak rates alone: an estimate, and a floor, never a measurement.

A step takes at least its FLOPs at the peak rate, and at least as long as reading its weights and cache once from
memory. Whichever takes longer bounds it. Real runs stay below both peaks. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fastv.costs.flops import Cost
from fastv.costs.memory import parameter_bytes
from fastv.costs.solver import Workload
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.paths import ASSETS

FILE = ASSETS / "devices.json"


@dataclass(frozen=True)
class Device:
    """What a vendor states of a device.

    Parameters
    ----------
    peak_flops
        FLOP/s by number type (float32, float16, bfloat16, int8), dense.
    urls
        Pages that state these figures; none where they are arithmetic alone.
    """

    key: str
    name: str
    peak_flops: Mapping[str, float]
    bandwidth_bytes_per_second: float
    memory_bytes: float
    source: str
    urls: tuple[str, ...] = ()

    def peak(self, dtype: str) -> float:
        """FLOP/s for weights held in ``dtype``, one of ``memory.DTYPES``; 4-bit ones are computed with in 16."""
        kind = {"8bit": "int8", "4bit": "float16"}.get(dtype, dtype)
        return self.peak_flops.get(kind, self.peak_flops["float32"])


@dataclass(frozen=True)
class Estimate:
    """Floors in seconds; each ``..._bound`` is "compute" or "memory". A decode step yields a token per sequence."""

    prefill_seconds: float
    prefill_bound: str
    decode_seconds_per_token: float
    decode_bound: str
    memory_bytes: int
    fits: bool


@lru_cache(maxsize=1)
def devices() -> dict[str, Device]:
    """The devices of assets/devices.json, by key."""
    listed = json.loads(FILE.read_text(encoding="utf-8"))["devices"]
    return {device["key"]: Device(**device | {"urls": tuple(device["urls"])}) for device in listed}


def estimate(config: Any, workload: Workload, device: Device, k: int | None, r: float) -> Estimate:
    """The least time that prompt and answer of ``workload`` take on a device. Raises InvalidBudgetError."""
    shape = read_shape(config)
    figures = workload.cost(shape, k, r, "exact")
    peak, bandwidth = device.peak(workload.dtype), device.bandwidth_bytes_per_second
    prefill = (figures.prefill_flops / peak, _weights_read(shape, workload.dtype) / bandwidth)
    # The cache is a little smaller before its end: a floor may count what it is when decoding begins.
    begun = Workload(workload.text_tokens, workload.visual_tokens, 1, workload.pictures, workload.dtype, workload.batch)
    cache = begun.cost(shape, k, r, "exact").kv_cache_bytes
    decoder = _weights_read(ModelShape(shape.decoder), workload.dtype)
    decode = (figures.decode_flops_per_token / peak, (decoder + cache) / bandwidth)
    needed = memory_bytes(shape, workload, figures)
    return Estimate(max(prefill), _bound(prefill), max(decode), _bound(decode), needed, needed <= device.memory_bytes)


def memory_bytes(shape: ModelShape, workload: Workload, figures: Cost) -> int:
    """Weights, the finished KV cache, and what the widest layer holds at once while it reads the whole prompt.

    That is the residual, its normalized copy and three FFN activations per token; layers before K read all tokens, so
    pruning changes the cache alone. Allocator, kernels' own room and the vision tower's activations are left out.
    """
    decoder, element = shape.decoder, 4 if workload.dtype == "float32" else 2
    tokens = workload.batch * (workload.text_tokens + workload.visual_tokens)
    working = tokens * (2 * decoder.width + 3 * max(kind.ffn_width for kind in decoder.kinds)) * element
    return figures.parameter_bytes + figures.kv_cache_bytes + working


def capacity(config: Any, workload: Workload, device: Device, k: int | None, r: float) -> int:
    """How many such prompts the device's memory holds at once, by ``memory_bytes``; 0 where the weights fill it.

    ``workload.batch`` does not matter: the answer is how large it may be. Raises InvalidBudgetError.
    """
    shape = read_shape(config)
    one = replace(workload, batch=1)
    weights = parameter_bytes(shape, workload.dtype)
    each = memory_bytes(shape, one, one.cost(shape, k, r, "exact")) - weights
    return max(0, int((device.memory_bytes - weights) // each))


def _weights_read(shape: ModelShape, dtype: str) -> int:
    """Bytes of the weights that a step reads: of the table of embeddings it reads only a few rows, unless tied."""
    decoder = shape.decoder
    table = 0 if decoder.tied_embeddings else decoder.vocabulary * decoder.width * (4 if dtype == "float32" else 2)
    return parameter_bytes(shape, dtype) - table


def _bound(seconds: tuple[float, float]) -> str:
    return "compute" if seconds[0] >= seconds[1] else "memory"
