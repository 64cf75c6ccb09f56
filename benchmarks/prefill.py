"""What FastV saves of reading a prompt, on random weights of a given size: measured, and as the FLOPs predict it.

    python benchmarks/prefill.py --width 1024 --layers 8 --visual 576 --text 36 -k 2 -r 0.5 --threads 2
    python benchmarks/prefill.py --record prefill.json      # those are the defaults

Times are of the decoder's layers, with and without FastV in turn; the prediction is the ratio of their FLOPs in the
``exact`` convention. The time FastV takes to rank and gather, and the peak memory, come from passes of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from math import isqrt
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from fastv import FastV
from fastv.costs import flops as cost
from fastv.measurement.machine import Machine
from fastv.measurement.memory import peak_memory
from fastv.measurement.profiling import seconds_inside, seconds_of
from fastv.measurement.timing import Spread, interleaved

IMAGE_TOKEN, VOCABULARY, PATCH = 4, 1_000, 14
GIB, MS = 2**30, 1e-3


def build(settings: argparse.Namespace) -> tuple[LlavaForConditionalGeneration, dict[str, torch.Tensor]]:
    """A LLaVA with LLaMA's proportions and a vision tower of almost no cost, and a prompt for it."""
    side = isqrt(settings.visual)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=PATCH * side,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        intermediate_size=round(settings.width * 11_008 / 4_096 / 32) * 32,
        num_attention_heads=max(1, settings.width // 128),
        max_position_embeddings=8_192,
    )
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=IMAGE_TOKEN, image_seq_length=side**2
    )
    model = LlavaForConditionalGeneration._from_config(config, attn_implementation="sdpa").eval()
    before = settings.text // 4
    ids = torch.randint(IMAGE_TOKEN + 1, VOCABULARY, (1, settings.text + settings.visual))
    ids[0, before : before + settings.visual] = IMAGE_TOKEN
    pixels = torch.randn(1, 3, PATCH * side, PATCH * side)
    where = settings.device, getattr(torch, settings.dtype)
    return model.to(*where), {"input_ids": ids.to(settings.device), "pixel_values": pixels.to(*where)}


def project_modules() -> list[ModuleType]:
    """All that runs for a method, of what is imported by now, but what calls the model or measures."""
    others = ("fastv.pruning.attention_tap", "fastv.measurement.timing", "fastv.measurement.profiling")
    return [module for name, module in sys.modules.items() if name.startswith("fastv.") and name not in others]


def main() -> None:
    settings = arguments()
    torch.set_num_threads(settings.threads)
    model, inputs = build(settings)
    device, decoder = torch.device(settings.device), model.model.language_model
    budget = FastV(k=settings.k, r=settings.r)

    @torch.inference_mode()
    def plain() -> float:
        with seconds_of(decoder, device) as seconds:
            model(**inputs, use_cache=True, logits_to_keep=1)
        return seconds[0]

    def pruned() -> float:
        with budget(model):
            return plain()

    def share() -> float:
        with budget(model), seconds_inside(*project_modules()) as inside:
            whole = plain()
        return inside[0] / whole

    runs = interleaved([plain, pruned], repeats=settings.repeats, warmup=settings.warmup)
    plain_seconds, pruned_seconds = map(Spread.of, runs)
    measured = plain_seconds.median / pruned_seconds.median
    sizes = {"text_tokens": settings.text, "visual_tokens": settings.visual, "convention": "exact"}
    before = cost.prefill_flops(model.config, k=None, r=0.0, **sizes)
    after = cost.prefill_flops(model.config, k=settings.k, r=settings.r, **sizes)
    shares = Spread.of(share() for _ in range(5))
    peaks = []
    for side in (plain, pruned):
        with peak_memory(model) as memory:
            side()
        peaks.append(memory.peak_bytes)

    here = Machine.here(device)
    print(
        f"decoder of {settings.layers} layers, width {settings.width}, {settings.dtype}; "
        f"{settings.text} text + {settings.visual} visual tokens; k={settings.k} r={settings.r}; "
        f"{here.threads} threads, {here.device}, torch {here.torch}"
    )
    for name, seconds, flops, peak in (
        ("baseline", plain_seconds, before, peaks[0]),
        ("FastV", pruned_seconds, after, peaks[1]),
    ):
        print(
            f"{name:>9}: {seconds.median / MS:8.1f} ms (median of {settings.repeats}, {seconds.low / MS:.1f} to "
            f"{seconds.high / MS:.1f})  {flops / 1e9:8.1f} GFLOPs (exact)  peak {peak / GIB:.3f} GiB"
        )
    print(
        f"speed-up: {measured:.3f} measured, {before / after:.3f} predicted by FLOPs: "
        f"{measured * after / before:.1%} of it"
    )
    print(f"ranking and gathering: {shares.median:.2%} of FastV's prefill ({shares.low:.2%} to {shares.high:.2%})")
    print(f"peak memory: {(peaks[1] - peaks[0]) / 2**20:+.1f} MiB against the baseline")
    if settings.record:
        sides = [
            {"seconds": asdict(seconds), "flops": flops, "peak_bytes": peak}
            for seconds, flops, peak in ((plain_seconds, before, peaks[0]), (pruned_seconds, after, peaks[1]))
        ]
        kept = {name: value for name, value in vars(settings).items() if name != "record"}
        record = {
            "machine": asdict(here),
            "settings": kept,
            "baseline": sides[0],
            "fastv": sides[1],
            "fastv_share": asdict(shares),
        }
        settings.record.write_text(json.dumps(record, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--width", type=int, default=1_024, help="decoder width, a multiple of 128 (default: %(default)s)"
    )
    parser.add_argument("--layers", type=int, default=8, help="decoder layers (default: %(default)s)")
    parser.add_argument("--visual", type=int, default=576, help="visual tokens, a square number (default: %(default)s)")
    parser.add_argument("--text", type=int, default=36, help="text tokens (default: %(default)s)")
    parser.add_argument("-k", type=int, default=2, help="prune on entering this layer (default: %(default)s)")
    parser.add_argument("-r", type=float, default=0.5, help="fraction of visual tokens to drop (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each side (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=3, help="untimed runs of each side before (default: %(default)s)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--record", type=Path, help="also writes all numbers and the machine to this JSON file")
    settings = parser.parse_args()
    if isqrt(settings.visual) ** 2 != settings.visual:
        parser.error("--visual must be a square number")
    return settings


if __name__ == "__main__":
    main()
