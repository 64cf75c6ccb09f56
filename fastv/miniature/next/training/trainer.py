"""The training loop of towers and decoders: a schedule by steps or by the clock, curves, checkpoints in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fastv.miniature.next.training.optimizer import Muon, hidden_matrices

_CLIP = 1.0  # norm of the gradient


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: the learning rate warms up, then falls in a line to 0.

    steps: how many; or, if 0, seconds: for how long (the time of the first step, in which kernels are compiled, is not
    counted).
    """

    steps: int = 0
    seconds: float = 0.0
    batch: int = 64
    warmup: int = 200
    log_every: int = 50
    save_seconds: float = 45.0


class Learner:
    """One module that learns, with its optimizers.

    Parameters
    ----------
    rate : AdamW's peak learning rate
    muon : Muon's, for the matrices of hidden layers; 0 leaves all to AdamW
    """

    def __init__(self, name: str, module: nn.Module, rate: float, muon: float = 0.0, weight_decay: float = 0.05):
        self.name, self.module, self.rate = name, module, rate
        matrices = hidden_matrices(module) if muon else []
        chosen = {id(weight) for weight in matrices}
        rest = [weight for weight in module.parameters() if weight.requires_grad and id(weight) not in chosen]
        self.muon = Muon(matrices, muon, weight_decay=weight_decay)
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in rest if weight.dim() > 1]},
            {"params": [weight for weight in rest if weight.dim() <= 1], "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(
            groups, lr=rate, betas=(0.9, 0.98), weight_decay=weight_decay, fused=rest[0].is_cuda
        )
        self.weights = rest + matrices
        self.best, self.scale = float("inf"), 1.0
        self.snapshot: list[Tensor] = []

    def watch(self, loss: float) -> None:
        """Goes back to the best weights so far, and on at half the rates, if ``loss`` (of one batch) tells of a
        divergence.
        """
        if loss < self.best:
            self.best = loss
            self.snapshot = [weight.detach().clone() for weight in self.weights]
        elif not loss < 1.5 * self.best + 0.5 and self.snapshot:
            print(
                f"[{self.name}] loss {loss:.3g} after {self.best:.3g}: back to those weights, at half the rates",
                flush=True,
            )
            with torch.no_grad():
                for weight, kept in zip(self.weights, self.snapshot, strict=True):
                    weight.copy_(kept)
            self.adam.state.clear()
            self.muon.forget()
            self.scale *= 0.5

    def step(self, loss: Tensor, factor: float) -> None:
        """factor: of the learning rates, at this point of the schedule."""
        factor *= self.scale
        self.adam.zero_grad(set_to_none=True)
        self.muon.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, _CLIP, foreach=True)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * factor
        self.adam.step()
        self.muon.step(factor)


StepLosses = Callable[[object, float, bool], Iterator[tuple[Learner, Tensor, Mapping[str, Tensor]]]]


def train(
    learners: Sequence[Learner],
    losses: StepLosses,
    feed: Iterator,
    schedule: Schedule,
    folder: Path,
    save: Callable[[], None] = lambda: None,
) -> int:
    """Train until the schedule ends; returns the number of steps.

    Parameters
    ----------
    losses : (batch, progress, report) -> for each learner its loss and figures
        ``progress`` is the share of training that is over; ``report`` asks for the costlier figures.
    feed : batches, on the CPU
    folder : where ``curve-<name>.jsonl`` go
    save : called now and then, and at the end
    """
    folder.mkdir(parents=True, exist_ok=True)
    for learner in learners:
        learner.module.train()
    step, began = 0, time.perf_counter()
    logged = saved = began
    while True:
        elapsed = time.perf_counter() - began
        progress = step / schedule.steps if schedule.steps else elapsed / schedule.seconds
        if progress >= 1:
            break
        factor = min(1.0, (step + 1) / schedule.warmup) * (1 - progress)
        report = step % schedule.log_every == 0 and step > 0
        records = []
        for learner, loss, figures in losses(next(feed), progress, report):
            learner.step(loss, factor)
            records.append((learner.name, figures))
        step += 1
        if step == 1:
            _wait(records)
            print(f"first step: {time.perf_counter() - began:.1f} s", flush=True)
            began = logged = saved = time.perf_counter()
        if report:
            values = [
                (name, {key: float(value.detach()) for key, value in figures.items()}) for name, figures in records
            ]
            speed = schedule.log_every * schedule.batch / (time.perf_counter() - logged)
            logged = time.perf_counter()
            for learner, (name, shares) in zip(learners, values, strict=True):
                _note(folder, name, step, logged - began, speed, shares)
                learner.watch(shares["loss"])
        if time.perf_counter() - saved > schedule.save_seconds:
            save()
            saved = time.perf_counter()
    save()
    print(f"{step} steps of {schedule.batch} pictures in {time.perf_counter() - began:.0f} s", flush=True)
    return step


def _wait(records: list[tuple[str, Mapping[str, Tensor]]]) -> None:
    for _, figures in records:
        for value in figures.values():
            float(value.detach())


def _note(folder: Path, name: str, step: int, seconds: float, speed: float, figures: Mapping[str, float]) -> None:
    record = {"step": step, "seconds": round(seconds, 1), **{key: round(value, 4) for key, value in figures.items()}}
    with (folder / f"curve-{name}.jsonl").open("a", encoding="utf-8") as file:
        print(json.dumps(record), file=file)
    told = ", ".join(f"{key} {value:.3g}" for key, value in figures.items())
    print(f"[{name}] {step} ({seconds:.0f} s, {speed:.0f}/s): {told}", flush=True)
