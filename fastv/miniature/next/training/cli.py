"""Train the pair from nothing, or write checkpoints from kept weights.

    python -m fastv.miniature.next.training train --tower-steps 3000 --steps 3600
    python -m fastv.miniature.next.training export runs/next --output assets/next

On a GPU the two decoders learn fastest in a process each, beside each other, as their many small operations are
launched slowly:

    python -m fastv.miniature.next.training train --device cuda --half --compiled --tower-seconds 90
    for twin in mini-7 mini-13; do python -m fastv.miniature.next.training train --device cuda --half --compiled \\
        --workers 5 --tower runs/next/tower.pt --twins $twin --seconds 320 & done; wait

A schedule by seconds makes the best of a machine that is there for a limited time; one by steps is the same everywhere.
Both decoders are trained on the same pictures. Kept weights (half precision) and curves go to ``--runs`` all the while.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fastv.miniature.model import checkpoint
from fastv.miniature.next.model.architecture import DECODERS
from fastv.miniature.next.model.tokenizer import build_processor
from fastv.miniature.next.training.runs import (
    TrainingMachine,
    Variant,
    kept_model,
    kept_tower,
    train_decoders,
    train_tower,
)
from fastv.miniature.next.training.tower_stage import TELL
from fastv.miniature.next.training.trainer import Schedule

COARSE = 0.3  # share of the decoders' training with pictures at half the resolution


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.next.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="tower and decoders, from nothing")
    training.add_argument("--runs", type=Path, default=Path("runs/next"), help="where weights and curves go")
    training.add_argument("--device", default="cpu")
    training.add_argument("--half", action="store_true", help="compute in bfloat16")
    training.add_argument("--compiled", action="store_true", help="compile the layers with torch.compile")
    training.add_argument("--workers", type=int, default=2, help="processes that make scenes and questions")
    training.add_argument("--tower", type=Path, help="kept weights of a tower to take instead of training one")
    training.add_argument(
        "--tell", choices=TELL, default="things", help="which tokens of the tower must know the picture"
    )
    training.add_argument("--tower-steps", type=int, default=0)
    training.add_argument("--tower-seconds", type=float, default=0.0)
    training.add_argument("--tower-batch", type=int, default=128, help="pictures")
    training.add_argument(
        "--steps", type=int, default=0, help="of the decoders; without it and --seconds the tower alone is trained"
    )
    training.add_argument("--seconds", type=float, default=0.0, help="for the decoders")
    training.add_argument("--batch", type=int, default=64, help="pictures, with their questions")
    training.add_argument("--twins", nargs="+", choices=sorted(DECODERS), default=sorted(DECODERS, reverse=True))
    exporting = commands.add_parser("export", help="checkpoints as llava-hf lays them out, from kept weights")
    exporting.add_argument("runs", type=Path, help="a folder with tower.pt and <twin>.pt")
    exporting.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    {"train": _train, "export": _export}[arguments.command](arguments)


def _train(arguments: argparse.Namespace) -> None:
    tower_length = arguments.tower_steps or arguments.tower_seconds
    if not (arguments.tower or tower_length):
        raise SystemExit(
            "Say for how long to train the tower (--tower-steps or --tower-seconds), or name one (--tower)."
        )
    machine = TrainingMachine(arguments.device, arguments.half, arguments.workers, arguments.compiled)
    if arguments.tower:
        tower = kept_tower(arguments.tower)
    else:
        schedule = Schedule(arguments.tower_steps, arguments.tower_seconds, arguments.tower_batch, warmup=100)
        tower = train_tower(schedule, machine, arguments.runs, tell=arguments.tell)
    if not (arguments.steps or arguments.seconds):
        return
    schedule = Schedule(arguments.steps, arguments.seconds, arguments.batch, warmup=150)
    variants = [Variant(twin, twin, coarse=COARSE) for twin in arguments.twins]
    train_decoders(variants, tower, build_processor().tokenizer, schedule, machine, arguments.runs)


def _export(arguments: argparse.Namespace) -> None:
    processor = build_processor()
    tower = kept_tower(arguments.runs / "tower.pt")
    for twin in DECODERS:
        kept = arguments.runs / f"{twin}.pt"
        if kept.exists():
            model = kept_model(twin, kept, tower, processor.tokenizer)
            with torch.no_grad():
                checkpoint.save(model, processor, arguments.output / twin)
            print(arguments.output / twin)


if __name__ == "__main__":
    main()
