"""What FastV saves on a GPU at real model sizes, with random weights: measured, and as the FLOPs predict it.

    python benchmarks/gpu.py --output gpu.json
    python benchmarks/gpu.py --smoke --device cpu --output smoke.json     # tiny models, to try the script itself

Parts, in this order: the device's ceilings; agreement with masking on a small model in three dtypes; prefill, decoding
and memory of LLaVA-1.5 7B and 13B, Qwen2.5-VL 7B and Qwen3-VL 8B at batch 1 and 8; the 13B at the 7B's FLOPs beside the
7B. A part that fails is recorded with its error, and the next one begins; the file is written after each.

Prefill is a forward over the whole prompt with an empty cache, vision tower included, until the logits of the last
position are there. Sides take turns, round by round. ``device_busy_seconds`` is the time in which the GPU ran kernels,
by torch's profiler, in passes of their own: where it is well below the seconds, the GPU waited for Python.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from gpu_agreement import agreement, small_agreement
from gpu_parts import (
    Bench,
    Setting,
    SkippedError,
    ceilings,
    decoding,
    flash_attention,
    flash_kernel_of,
    parity,
    prefill_of,
)

from fastv.measurement.machine import Machine


def parts(bench: Bench) -> list[tuple[str, Callable[[], Any]]]:
    few = [Setting(2, 0.5), Setting(2, 0.9)]
    many = [Setting(2, 0.5), Setting(2, 0.75), Setting(2, 0.9), Setting(3, 0.5), Setting(5, 0.5)]
    late = [Setting(3, 0.5), Setting(3, 0.9)]  # Qwen3-VL adds picture features after layers 0 to 2
    seven, thirteen, qwen, qwen3 = "llava-1.5-7b", "llava-1.5-13b", "qwen2.5-vl-7b", "qwen3-vl-8b"
    return [
        ("ceilings", partial(ceilings, bench)),
        ("agreement with masking, small models", partial(small_agreement, bench)),
        ("prefill 7B, batch 1", partial(prefill_of, bench, seven, many, batch=1)),
        ("prefill 7B, batch 8", partial(prefill_of, bench, seven, many, batch=8)),
        ("decoding 7B, batch 1", partial(decoding, bench, seven, few, batch=1)),
        ("decoding 7B, batch 8", partial(decoding, bench, seven, few, batch=8)),
        ("prefill 7B, batch 8, padded", partial(prefill_of, bench, seven, few, batch=8, padding=24)),
        ("parity, batch 1", partial(parity, bench, batch=1)),
        ("parity, batch 8", partial(parity, bench, batch=8)),
        ("prefill 13B, batch 8", partial(prefill_of, bench, thirteen, many[:3], batch=8)),
        ("prefill Qwen2.5-VL 7B, batch 1", partial(prefill_of, bench, qwen, few, batch=1)),
        ("prefill Qwen2.5-VL 7B, batch 8", partial(prefill_of, bench, qwen, few, batch=8)),
        ("prefill Qwen2.5-VL 7B, large picture", partial(prefill_of, bench, qwen, few, batch=1, grid=46)),
        ("prefill Qwen3-VL 8B, batch 1", partial(prefill_of, bench, qwen3, late, batch=1)),
        ("prefill Qwen3-VL 8B, batch 8", partial(prefill_of, bench, qwen3, late, batch=8)),
        ("agreement with masking, 7B", partial(agreement, bench, seven, "bfloat16", small=bench.smoke)),
        ("prefill 7B, batch 8, flash kernel", partial(flash_kernel_of, bench, seven, few, batch=8)),
        ("prefill Qwen3-VL 8B, batch 8, flash kernel", partial(flash_kernel_of, bench, qwen3, late, batch=8)),
        ("flash attention 2", partial(flash_attention, bench)),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    settings = arguments(argv)
    device = torch.device(settings.device)
    bench, deadline = Bench(device, settings.smoke), time.monotonic() + settings.seconds
    record: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/gpu.py", *(sys.argv[1:] if argv is None else argv)]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(Machine.here(device)),
        "cuda": torch.version.cuda,
        "smoke": settings.smoke,
        "parts": [],
    }
    if device.type == "cuda":
        record["device_memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
    failed = 0
    for name, part in parts(bench):
        if settings.only and not any(piece in name for piece in settings.only):
            continue
        entry: dict[str, Any] = {"part": name}
        begun = time.monotonic()
        try:
            if time.monotonic() > deadline:
                raise SkippedError(f"the {settings.seconds:g} seconds of --seconds were over")
            entry["result"] = part()
        except SkippedError as error:
            entry["skipped"] = str(error)
        except Exception as error:  # one part that fails must not take the others along
            failed += 1
            entry["error"] = f"{type(error).__name__}: {error}"[:1_000]
            entry["traceback"] = traceback.format_exc()[-3_000:]
            bench.release()
        entry["seconds"] = round(time.monotonic() - begun, 2)
        record["parts"].append(entry)
        settings.output.write_text(json.dumps(record, indent=1) + "\n")
        outcome = entry.get("error") or (f"skipped: {entry['skipped']}" if "skipped" in entry else "done")
        print(f"{entry['seconds']:7.1f} s  {name}: {outcome}", flush=True)
        if "result" in entry:
            for line in summary(entry["result"]):
                print(f"             {line}", flush=True)
    return 1 if failed else 0


def summary(result: Any) -> Iterator[str]:
    """A line for each side of a part's result."""
    for one in result if isinstance(result, list) else result.get("sides", [result]):
        if "speedup" in one:
            by_flops = (
                f" (by FLOPs {one['speedup_by_flops']:.2f}x, of the decoder alone {one['decoder_speedup']:.2f}x and "
                f"{one['decoder_speedup_by_flops']:.2f}x)"
                if "speedup_by_flops" in one
                else ""
            )
            busy = f", GPU busy {one['device_busy_speedup']:.2f}x" if "device_busy_speedup" in one else ""
            yield (
                f"{one.get('model', ''):14}{one['setting']:16} {one['prefill_seconds']['median'] * 1e3:8.1f} ms, "
                f"{one['speedup']:.2f}x{by_flops}{busy}; peak {one['peak_bytes'] / 2**30:.2f} GiB"
            )
        elif "decode_seconds_per_token" in one:
            yield (
                f"{one['setting']:16} first token {one['prefill_seconds']['median'] * 1e3:.1f} ms, "
                f"then {one['decode_seconds_per_token']['median'] * 1e3:.2f} ms a token"
            )
        else:
            yield json.dumps(one)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the JSON file that all numbers go to")
    parser.add_argument("--device", default="cuda", help="torch device (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=125, help="no part begins later (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only parts with one of these in their names")
    parser.add_argument("--smoke", action="store_true", help="tiny models and two rounds, to try the script")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
