"""What attending by rows saves of a step of a miniature's training, beside torch's fused kernel, on this machine.

    python benchmarks/training.py --half

A step is a batch of the real feed, forward and backward, of an untaught model; the two kernels take turns on the same batch.
The coarse stage has a quarter of the visual tokens, the others have all.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from transformers import CLIPVisionModel

from fastv.measure import Spread, interleaved, now
from fastv.miniature import decoder
from fastv.miniature.architecture import DECODERS, tower_config
from fastv.miniature.feed import batches
from fastv.miniature.packing import Questioner
from fastv.miniature.tokenizer import build_processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    tokenizer = build_processor().tokenizer
    batch = next(batches(Questioner(tokenizer, decoder.QUESTIONS), settings.pictures))
    for twin in DECODERS:
        model = decoder.new_model(twin, CLIPVisionModel(tower_config()), tokenizer)
        model.model.vision_tower.requires_grad_(False)
        student = decoder.Student(model, tokenizer)
        if settings.half:
            for weight in student.parameters():
                weight.data = weight.data.bfloat16()
        for stage, coarse in (("coarse", True), ("full", False)):
            print(f"{twin} {stage}: {_line(student, coarse, batch, settings)}", flush=True)


def _line(student: decoder.Student, coarse: bool, batch: list, settings: argparse.Namespace) -> str:
    def step() -> float:
        student.zero_grad()
        started = now(torch.device("cpu"))
        decoder.answering_loss(student, coarse, batch)[0].backward()
        return now(torch.device("cpu")) - started

    def fused() -> float:
        with patch.object(decoder, "attending_by_rows", lambda _: nullcontext()):
            return step()

    times = interleaved([fused, step], repeats=settings.repeats, warmup=1)
    before, after = (Spread.of(side).median for side in times)
    return f"fused kernel {before:.2f} s a step, by rows {after:.2f} s: {before / after:.2f}x as fast"


if __name__ == "__main__":
    main()
