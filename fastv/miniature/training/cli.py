"""Train a miniature from nothing: the vision tower alone, then a decoder on it, then its checkpoint.

    python -m fastv.miniature.training mini-7 --output assets/models/mini-7
    python -m fastv.miniature.training mini-13 --tower assets/models/mini-7 --output assets/models/mini-13
    python -m fastv.miniature.training mini-7 --start assets/models/mini-7 --stage wording --output assets/models/mini-7
    python -m fastv.miniature.training mini-7 --smoke

An interrupted run goes on where it stopped when the same command is given again. One that began from other weights, as
one does that is to go on from its own result, needs other --runs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from fastv.evidence.measurements import fingerprint
from fastv.miniature.model import checkpoint
from fastv.miniature.model.architecture import DECODERS
from fastv.miniature.model.tokenizer import build_processor
from fastv.miniature.training import learning_curves
from fastv.miniature.training.decoder_stage import STAGES, new_model, train_decoder
from fastv.miniature.training.trainer import StageConfig
from fastv.miniature.training.vision_stage import train_tower

TOWER = (
    StageConfig(2000, pictures=32, final=0.286),
    StageConfig(1000, pictures=32, learning_rate=1e-3, warmup=20, final=0.4),
    StageConfig(1200, learning_rate=4e-4, warmup=20),
)
DECODER = (
    StageConfig(3000, final=0.3),
    StageConfig(1000, learning_rate=5e-4, warmup=20),
    StageConfig(3000, learning_rate=5e-4, warmup=20),
    StageConfig(400, learning_rate=3e-4, warmup=20, weight_decay=0.0),
)
_SMOKE = StageConfig(2, pictures=2, warmup=1, save_every=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fastv.miniature.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("twin", choices=sorted(DECODERS))
    parser.add_argument("--output", type=Path, help="where the checkpoint goes (default: in the run's folder)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where unfinished work is kept")
    parser.add_argument("--tower", type=Path, help="take the vision tower of this checkpoint instead of training one")
    parser.add_argument("--start", type=Path, help="go on from this checkpoint instead of from nothing")
    parser.add_argument(
        "--stage", choices=STAGES, help="only this one of the decoder's; of a checkpoint that had those before it"
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="compute in bfloat16: much faster where the processor does (AMX, AVX-512 BF16)",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true", help="two steps of everything, to see that it works")
    arguments = parser.parse_args()
    if arguments.stage and not arguments.start:
        parser.error("--stage needs --start: a checkpoint that has had the stages before it")
    torch.set_num_threads(arguments.threads)
    tower_plans, decoder_plans = (
        [_SMOKE if arguments.smoke else replace(plan, half=arguments.half) for plan in plans]
        for plans in (TOWER, DECODER)
    )
    runs = arguments.runs / ("smoke" if arguments.smoke else "")
    _begin(runs / arguments.twin, arguments.start or arguments.tower)
    processor = build_processor()
    if arguments.start:
        model = checkpoint.saved(arguments.start)
    else:
        tower = (
            checkpoint.saved(arguments.tower).model.vision_tower
            if arguments.tower
            else train_tower(tower_plans, runs / "tower")
        )
        model = new_model(arguments.twin, tower.float(), processor.tokenizer)
    train_decoder(model, processor.tokenizer, decoder_plans, runs / arguments.twin, arguments.stage)
    output = arguments.output or runs / arguments.twin / "checkpoint"
    checkpoint.save(model.float(), processor, output)
    learning_curves.tabulate(
        runs / arguments.twin, STAGES, output / "curves.csv", arguments.start and arguments.start / "curves.csv"
    )


def _begin(run: Path, given: Path | None) -> None:
    """Notes which weights a run begins from. Raises SystemExit where it has begun from others, or is to without any."""
    weights, note = fingerprint(given) if given else "none", run / "begun_from.txt"
    if note.exists() and note.read_text() != weights:
        raise SystemExit(
            f"The run in {run} began from other weights: remove that folder, or choose another with --runs."
        )
    run.mkdir(parents=True, exist_ok=True)
    note.write_text(weights)
