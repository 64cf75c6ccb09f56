"""The training loop both stages share: schedule, mixed precision, checkpoints that survive an interruption."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fastv.measurement.timing import now
from fastv.miniature.training import learning_curves

_LOG_EVERY = 50  # steps
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class StageConfig:
    """How long and how fast to learn. The learning rate warms up, then falls in a line to ``final`` of what it was.

    half: compute in bfloat16 with float32 master weights; several times faster, but only where the processor has
    bfloat16 arithmetic (AMX, AVX-512 BF16); emulated elsewhere, and then very slow.
    """

    steps: int
    pictures: int = 16
    learning_rate: float = 1.5e-3
    warmup: int = 200
    final: float = 0.0
    weight_decay: float = 0.05
    half: bool = False
    save_every: int = 100


def train(
    module: torch.nn.Module,
    loss: Callable[[object], tuple[torch.Tensor, dict[str, float]]],
    feed: Callable[[int], Iterator],
    plan: StageConfig,
    folder: Path,
) -> None:
    """Train ``module``'s parameters that ask for it; progress and a resumable checkpoint go to ``folder``.

    loss: batch -> (scalar loss, figures to log). feed: number of scenes already used -> batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    masters: Mapping[str, torch.Tensor] = (
        {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()} if plan.half else weights
    )
    if plan.half:
        for weight in module.parameters():  # parameters only: the rotary embedding's buffers need their precision
            weight.data = weight.data.bfloat16()
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in masters.values() if weight.dim() > 1]},
        {"params": [weight for weight in masters.values() if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=plan.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=plan.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / plan.warmup, 1 - (1 - plan.final) * step / plan.steps)
    )
    done, saved = 0, folder / "state.pt"
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        _copy(state["weights"], masters)
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done = state["steps"]
    _copy(masters, weights)
    sums: dict[str, float] = defaultdict(float)
    stream, since = feed(done * plan.pictures), now(_CPU)
    for step in range(done + 1, plan.steps + 1):
        total, figures = loss(next(stream))
        module.zero_grad(set_to_none=True)
        total.backward()
        for name, weight in weights.items():
            masters[name].grad = weight.grad if weight.grad is None else weight.grad.float()
        torch.nn.utils.clip_grad_norm_(masters.values(), 1.0)
        optimizer.step()
        schedule.step()
        if plan.half:
            _copy(masters, weights)
        for key, value in figures.items():
            sums[key] += value
        if step % _LOG_EVERY == 0:
            record = {
                "step": step,
                "pictures": step * plan.pictures,
                **{key: value / _LOG_EVERY for key, value in sums.items()},
            }
            learning_curves.note(folder, record)
            speed = _LOG_EVERY * plan.pictures / (now(_CPU) - since)
            print(
                ", ".join(f"{key} {value:.4g}" for key, value in record.items()) + f" ({speed:.3g} pictures a second)",
                flush=True,
            )
            sums, since = defaultdict(float), now(_CPU)
        if step % plan.save_every == 0 or step == plan.steps:
            torch.save(
                {
                    "weights": {name: weight.detach() for name, weight in masters.items()},
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "steps": step,
                },
                saved.with_suffix(".new"),
            )
            os.replace(saved.with_suffix(".new"), saved)
    for name, weight in weights.items():
        weight.data = masters[name].data


def _copy(source: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, weight in target.items():
            weight.copy_(source[name])
