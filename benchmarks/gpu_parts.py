"""What ``gpu.py`` measures: the models in memory, one prefill or answer of a side, and the parts made of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from random_models import Prompt, build, config_of, prompt
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import DeviceType, ProfilerActivity, profile

from fastv import FastV
from fastv.costs.flops import cost
from fastv.costs.solver import BASES, Solution, Target, Workload, solve
from fastv.errors import UnsupportedModelError
from fastv.measurement.memory import peak_memory
from fastv.measurement.profiling import seconds_of
from fastv.measurement.timing import Spread, generate, interleaved, now


class SkippedError(Exception):
    """A part that cannot run here, and why."""


@dataclass(frozen=True)
class Setting:
    """``k`` None: without FastV."""

    k: int | None = None
    r: float = 0.0

    def __str__(self) -> str:
        return "baseline" if self.k is None else f"K={self.k} R={self.r:.4g}"

    def on(self, model: nn.Module):
        return nullcontext() if self.k is None else FastV(k=self.k, r=self.r)(model)


BASELINE = Setting()


class Bench:
    """The models in memory and the sizes of this run."""

    def __init__(self, device: torch.device, smoke: bool) -> None:
        self.device, self.smoke = device, smoke
        self.dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        self._models: dict[str, nn.Module] = {}

    def model(self, key: str, *, alone: bool = True) -> nn.Module:
        """The model of that name, built if need be. alone: all others leave the memory before."""
        if key not in self._models:
            if alone:
                self.release()
            self._models[key] = build(config_of(key, small=self.smoke), self.device, self.dtype)
        return self._models[key]

    def release(self) -> None:
        self._models.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def rounds(self, batch: int) -> dict[str, int]:
        if self.smoke:
            return {"warmup": 1, "repeats": 2}
        return {"warmup": 3, "repeats": 15} if batch == 1 else {"warmup": 2, "repeats": 7}

    def served(self, key: str, k: int) -> None:
        """Raises SkippedError where the engine does not serve the kind of model: tried on a tiny one."""
        model = build(config_of(key, small=True), self.device, self.dtype)
        try:
            self.prefill_seconds(model, prompt(model, grid=4), Setting(k, 0.5))
        except UnsupportedModelError as error:
            raise SkippedError(str(error)) from None

    # What is measured of one side.

    @torch.inference_mode()
    def prefill_seconds(self, model: nn.Module, given: Prompt, setting: Setting) -> float:
        with setting.on(model):
            start = now(self.device)
            model(**given.inputs, use_cache=True, logits_to_keep=1)
            return now(self.device) - start

    @torch.inference_mode()
    def decoder_seconds(self, model: nn.Module, given: Prompt, setting: Setting) -> float:
        with setting.on(model), seconds_of(model.base_model.language_model, self.device) as seconds:
            model(**given.inputs, use_cache=True, logits_to_keep=1)
        return seconds[0]

    @torch.inference_mode()
    def busy_seconds(self, model: nn.Module, given: Prompt, setting: Setting, passes: int = 3) -> float | None:
        """Seconds of a prefill in which the GPU ran kernels; None on a CPU."""
        if self.device.type != "cuda":
            return None
        with setting.on(model), profile(activities=[ProfilerActivity.CUDA]) as profiled:
            for _ in range(passes):
                model(**given.inputs, use_cache=True, logits_to_keep=1)
            torch.cuda.synchronize(self.device)
        kernels = [event for event in profiled.events() if event.device_type == DeviceType.CUDA]
        return sum(event.time_range.elapsed_us() for event in kernels) * 1e-6 / passes

    @torch.inference_mode()
    def peak_bytes(self, model: nn.Module, given: Prompt, setting: Setting) -> int:
        with setting.on(model), peak_memory(model) as memory:
            model(**given.inputs, use_cache=True, logits_to_keep=1)
        return memory.peak_bytes


def flops_of(model: nn.Module, given: Prompt, setting: Setting) -> tuple[float | None, float | None]:
    """``exact`` FLOPs of the whole prefill and of the decoder's layers, for the batch; None where not known."""
    try:
        one = cost(
            model.config,
            text_tokens=given.text_tokens,
            visual_tokens=given.visual_tokens,
            answer_tokens=1,
            k=setting.k,
            r=setting.r,
            convention="exact",
        )
    except UnsupportedModelError:
        return None, None
    return one.prefill_flops * given.batch, one.decoder_prefill_flops * given.batch


def prefill(bench: Bench, sides: Sequence[tuple[nn.Module, Prompt, Setting]]) -> list[dict[str, Any]]:
    """Sides in turn: seconds, FLOPs, memory, and ratios to the first side."""
    rounds = bench.rounds(sides[0][1].batch)
    whole = interleaved([partial(bench.prefill_seconds, *side) for side in sides], **rounds)
    decoder = interleaved([partial(bench.decoder_seconds, *side) for side in sides], repeats=3 if bench.smoke else 5)
    made: list[dict[str, Any]] = []
    for side, seconds, inside in zip(sides, whole, decoder, strict=True):
        model, given, setting = side
        flops, decoder_flops = flops_of(model, given, setting)
        entry: dict[str, Any] = {
            "setting": str(setting),
            "k": setting.k,
            "r": setting.r,
            "prefill_seconds": asdict(Spread.of(seconds)),
            "decoder_seconds": asdict(Spread.of(inside)),
            "prefill_flops": flops,
            "decoder_flops": decoder_flops,
            "peak_bytes": bench.peak_bytes(*side),
        }
        with noted(entry, "device_busy_error"):
            entry["device_busy_seconds"] = bench.busy_seconds(*side)
        first = made[0] if made else entry
        entry["speedup"] = first["prefill_seconds"]["median"] / entry["prefill_seconds"]["median"]
        entry["decoder_speedup"] = first["decoder_seconds"]["median"] / entry["decoder_seconds"]["median"]
        if flops and decoder_flops:
            entry["speedup_by_flops"] = first["prefill_flops"] / flops
            entry["decoder_speedup_by_flops"] = first["decoder_flops"] / decoder_flops
            entry["decoder_flops_per_second"] = decoder_flops / entry["decoder_seconds"]["median"]
        if entry.get("device_busy_seconds"):
            entry["device_busy_speedup"] = first["device_busy_seconds"] / entry["device_busy_seconds"]
        made.append(entry)
    return made


@contextmanager
def noted(entry: dict[str, Any], name: str) -> Iterator[None]:
    """Records an error in the block in place of raising it."""
    try:
        yield
    except Exception as error:
        entry[name] = f"{type(error).__name__}: {error}"[:500]


# The parts.


def ceilings(bench: Bench) -> dict[str, Any]:
    """The rate of a large matrix product and of a large copy: what this device can do at best."""
    size, repeats = (8192, 10) if bench.device.type == "cuda" else (256, 3)
    left, right = (torch.randn(size, size, device=bench.device, dtype=bench.dtype) for _ in range(2))
    source = torch.randn(size, size * 4, device=bench.device)
    target = torch.empty_like(source)
    product = interleaved([partial(_timed, bench, torch.matmul, left, right)], repeats=repeats, warmup=3)[0]
    copy = interleaved([partial(_timed, bench, target.copy_, source)], repeats=repeats, warmup=3)[0]
    return {
        "matmul_flops_per_second": 2 * size**3 / Spread.of(product).median,
        "copy_bytes_per_second": 2 * source.nbytes / Spread.of(copy).median,
        "dtype": str(bench.dtype).removeprefix("torch."),
    }


def _timed(bench: Bench, work: Callable, *args: Any) -> float:
    start = now(bench.device)
    work(*args)
    return now(bench.device) - start


def prefill_of(
    bench: Bench, key: str, settings: Sequence[Setting], *, batch: int, grid: int = 24, padding: int = 0
) -> dict[str, Any]:
    bench.served(key, settings[0].k)
    model = bench.model(key)
    given = prompt(model, grid=4 if bench.smoke else grid, batch=batch, padding=padding)
    # One token dropped: all of the ranking and gathering, and next to nothing saved.
    sides = [BASELINE, Setting(settings[0].k, 1 / given.visual_tokens), *settings]
    made = prefill(bench, [(model, given, setting) for setting in sides])
    overhead = {}
    for name, seconds in (
        ("prefill", [one["prefill_seconds"]["median"] for one in made]),
        ("device_busy", [one.get("device_busy_seconds") for one in made]),
    ):
        if seconds[0] and seconds[1]:
            overhead[f"{name}_seconds"] = seconds[1] - seconds[0]
            overhead[f"{name}_share"] = (seconds[1] - seconds[0]) / seconds[1]
    return {
        "model": key,
        "batch": batch,
        "text_tokens": given.text_tokens,
        "visual_tokens": given.visual_tokens,
        "padding": padding,
        "ranking_and_gathering": overhead,
        "sides": made,
    }


def decoding(bench: Bench, key: str, settings: Sequence[Setting], *, batch: int, tokens: int = 16) -> dict[str, Any]:
    """Whole answers of ``generate``: seconds to the first token and for each further one, and the KV cache."""
    model = bench.model(key)
    given = prompt(model, grid=4 if bench.smoke else 24, batch=batch)
    sides = [BASELINE, *settings]

    def answer(setting: Setting):
        with torch.inference_mode(), setting.on(model):
            return generate(model, given.inputs, max_new_tokens=4 if bench.smoke else tokens)

    runs = interleaved([partial(answer, setting) for setting in sides], repeats=2 if bench.smoke else 4, warmup=1)
    return {
        "model": key,
        "batch": batch,
        "tokens": tokens,
        "sides": [
            {
                "setting": str(setting),
                "prefill_seconds": asdict(Spread.of(one.prefill_seconds for one in passes)),
                "decode_seconds_per_token": asdict(Spread.of(one.decode_seconds_per_token for one in passes)),
                "kv_cache_bytes": passes[0].kv_cache_bytes,
            }
            for setting, passes in zip(sides, runs, strict=True)
        ],
    }


def parity(bench: Bench, *, batch: int, k: int = 2) -> dict[str, Any]:
    """LLaVA-1.5 13B at the FLOPs of the 7B, beside the 7B, and at further R: where are they equally fast?"""
    if bench.device.type == "cuda" and torch.cuda.get_device_properties(bench.device).total_memory < 60 * 2**30:
        raise SkippedError("both models need 45 GiB and room for the activations")
    small, large = bench.model("llava-1.5-7b"), bench.model("llava-1.5-13b", alone=False)
    given, given_large = prompt(small, batch=batch), prompt(large, batch=batch)
    load = Workload(text_tokens=given.text_tokens, visual_tokens=given.visual_tokens)
    found = {}
    if not bench.smoke:  # tiny stand-ins of both are one size: there is nothing to solve
        for name, quantity, convention in (
            ("paper, decoder", BASES["total"], "paper"),
            ("exact, whole prefill", "prefill_flops", "exact"),
        ):
            target = Target.of_model(small.config, load, quantity, convention)
            solution = solve(large.config, load, target, k)
            if isinstance(solution, Solution):
                found[name] = solution.r
    settings = [Setting(k, r) for r in (*found.values(), 0.6, 0.7, 0.8)]
    sides = [(small, given, BASELINE), (large, given_large, BASELINE)]
    sides += [(large, given_large, setting) for setting in settings]
    made = prefill(bench, sides)
    for one, (model, _, _) in zip(made, sides, strict=True):
        one["model"] = "llava-1.5-7b" if model is small else "llava-1.5-13b"
    return {"batch": batch, "r_at_equal_flops": found, "sides": made}


def flash_kernel_of(bench: Bench, key: str, settings: Sequence[Setting], *, batch: int) -> dict[str, Any]:
    """``prefill_of`` with torch's flash kernel and no other: what asks for a mask that it does not take fails."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return prefill_of(bench, key, settings, batch=batch)


def flash_attention(bench: Bench) -> dict[str, Any]:
    if importlib.util.find_spec("flash_attn") is None:
        raise SkippedError("flash_attn is not installed")
    bench.release()
    model = build(
        config_of("llava-1.5-7b", small=bench.smoke), bench.device, bench.dtype, attention="flash_attention_2"
    )
    given = prompt(model, batch=8)
    return {"sides": prefill(bench, [(model, given, setting) for setting in (BASELINE, Setting(2, 0.5))])}
