"""What attending by rows saves of a step of the miniatures' training, beside torch's fused kernel, on this machine.

    python benchmarks/training.py --half

A step is a batch of the real feed, forward and backward, of an untaught model; the two kernels take turns on the same
batch. The decoder's coarse stage has a quarter of the visual tokens, its others have all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from transformers import CLIPVisionModel

from fastv.measurement.timing import Spread, interleaved, now
from fastv.miniature.model.architecture import DECODERS, tower_config
from fastv.miniature.model.tokenizer import build_processor
from fastv.miniature.training import decoder_stage, vision_stage
from fastv.miniature.training.dataloader import batches
from fastv.miniature.training.packing import Questioner
from fastv.miniature.world.scenes import GRID


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)

    whole = next(batches(partial(vision_stage._windows, side=GRID, count=1, signs=0.0), settings.pictures))
    labeller = _held(vision_stage.Labeller(CLIPVisionModel(tower_config())), settings)
    line = _line(vision_stage, lambda: vision_stage.labelling_loss(labeller, whole)[0], settings.repeats)
    print(f"vision tower: {line}", flush=True)

    tokenizer = build_processor().tokenizer
    batch = next(batches(Questioner(tokenizer, decoder_stage.QUESTIONS), settings.pictures))
    for twin in DECODERS:
        model = decoder_stage.new_model(twin, CLIPVisionModel(tower_config()), tokenizer)
        model.model.vision_tower.requires_grad_(False)
        trainer = _held(decoder_stage.DecoderTrainer(model, tokenizer), settings)
        for stage, coarse in (("coarse", True), ("full", False)):
            line = _line(
                decoder_stage, lambda: decoder_stage.answering_loss(trainer, batch, coarse=coarse)[0], settings.repeats
            )
            print(f"{twin} {stage}: {line}", flush=True)


def _held(module: torch.nn.Module, settings: argparse.Namespace) -> torch.nn.Module:
    """As the training loop holds it: the buffers keep their precision."""
    for weight in module.parameters() if settings.half else ():
        weight.data = weight.data.bfloat16()
    return module


def _line(room: ModuleType, loss: Callable[[], torch.Tensor], repeats: int) -> str:
    def by_rows() -> float:
        started = now(torch.device("cpu"))
        loss().backward()
        return now(torch.device("cpu")) - started

    def fused() -> float:
        with patch.object(room, "chunked_attention", lambda _: nullcontext()):
            return by_rows()

    before, after = (Spread.of(times).median for times in interleaved([fused, by_rows], repeats=repeats, warmup=1))
    return f"fused kernel {before:.2f} s a step, by rows {after:.2f} s: {before / after:.2f}x as fast"


if __name__ == "__main__":
    main()
