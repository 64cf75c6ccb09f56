"""A whole training: the tower, then decoders on it, side by side, of the same batches; weights kept in half
precision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.miniature.next.model.architecture import FEATURE_LAYER, tower_config
from fastv.miniature.next.training.decoder_stage import Auxiliary, DecoderTrainer, new_model, pooled, see
from fastv.miniature.next.training.fast_forward import Kernels, tower_layer, tower_states
from fastv.miniature.next.training.packing import Batch, Questioner, batches
from fastv.miniature.next.training.tower_stage import TowerTrainer, linear_of, plain_norm
from fastv.miniature.next.training.trainer import Learner, Schedule, train
from fastv.miniature.next.world.rendering import Parameters, normalised, parameters, render
from fastv.miniature.next.world.scenes import GRID, scene
from fastv.miniature.next.world.vocabulary import NAMES

TOWER_RATE, TOWER_MUON = 1.5e-3, 0.02
RATES = {"mini-7": 3e-3, "mini-13": 2.5e-3}
MUON = {"mini-7": 0.02, "mini-13": 0.02}


@dataclass(frozen=True)
class TrainingMachine:
    """Where a training runs: device, dtype of the computation, processes that make batches, compiled kernels or not."""

    device: str = "cpu"
    half: bool = False
    workers: int = 1
    compiled: bool = False

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.half else torch.float32

    @property
    def kernels(self) -> Kernels:
        return Kernels.compiled() if self.compiled else Kernels.plain()


@dataclass(frozen=True)
class Variant:
    """One decoder to train. coarse: for which share of the training pictures are seen at half the resolution."""

    name: str
    twin: str
    rate: float | None = None
    muon: float | None = None
    coarse: float = 0.0
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    seed: int = 0


def train_tower(
    schedule: Schedule,
    machine: TrainingMachine,
    folder: Path,
    *,
    start: CLIPVisionModel | None = None,
    muon: float = TOWER_MUON,
    tell: str = "things",
    probe_scenes: int = 512,
) -> CLIPVisionModel:
    """The tower, from nothing or from ``start``; ``folder`` gets tower.pt and the curve.

    probe_scenes: on how many scenes it is measured at the end, see ``summary_auc``.
    """
    torch.manual_seed(0)
    tower = start or CLIPVisionModel(tower_config())
    trainer = TowerTrainer(tower, machine.kernels, tell).to(machine.device)
    learner = Learner("tower", trainer, TOWER_RATE, muon)

    def losses(scenes: object, progress: float, report: bool) -> Iterator[tuple[Learner, Tensor, Mapping[str, Tensor]]]:
        assert isinstance(scenes, Parameters)
        yield learner, *trainer(scenes.to(machine.device), machine.dtype)

    feed = batches(schedule.batch, workers=machine.workers)
    train([learner], losses, feed, schedule, folder, lambda: keep(tower, folder / "tower.pt"))
    for where in ("background", "things"):
        area = summary_auc(trainer, machine, where, probe_scenes)
        print(f"a patch of {where} tells what is in the picture: AUC {area:.4f}", flush=True)
    return tower.eval()


@torch.inference_mode()
def summary_auc(trainer: TowerTrainer, machine: TrainingMachine, where: str, scenes: int = 512) -> float:
    """How well one patch, of "things" or of "background" far from them, tells which kinds are in a new picture.

    The area under the curve over all kinds and pictures together, read by the tower's own linear head; 0.5 is chance.
    """
    told, truth = [], []
    for first in range(0, scenes, 64):
        made = parameters([scene(seed) for seed in range(first, min(first + 64, scenes))]).to(machine.device)
        pictures, owners = render(made)
        states = tower_states(trainer.tower, normalised(pictures).to(machine.dtype), tower_layer)
        thing = (owners >= 0).float().view(-1, 1, GRID, GRID)
        near = torch.nn.functional.max_pool2d(thing, 5, 1, 2).flatten(1)
        wanted = thing.flatten(1) if where == "things" else -near
        patch = (torch.rand_like(near) + 2 * wanted).argmax(1)
        hidden = plain_norm(states[FEATURE_LAYER][torch.arange(len(patch)), 1 + patch])
        told.append(linear_of(trainer.patch_bag, hidden).float().cpu())
        there = torch.zeros(len(patch), 1 + len(NAMES), device=patch.device).scatter_(1, made.name, 1.0)
        truth.append(there[:, 1:].cpu())
    scores, there = torch.cat(told).flatten(), torch.cat(truth).flatten().bool()
    ranks = scores.argsort().argsort().double() + 1
    positive, negative = int(there.sum()), int((~there).sum())
    return float((ranks[there].sum() - positive * (positive + 1) / 2) / (positive * negative))


def train_decoders(
    variants: Sequence[Variant],
    tower: CLIPVisionModel,
    tokenizer: PreTrainedTokenizerFast,
    schedule: Schedule,
    machine: TrainingMachine,
    folder: Path,
) -> dict[str, LlavaForConditionalGeneration]:
    """All ``variants`` of the same batches, side by side; ``folder`` gets <name>.pt (without the tower) and curves."""
    plain, learners, trainers = Kernels.plain(), [], []
    torch.nn.Module.to(tower, machine.device)
    for variant in variants:
        model = new_model(variant.twin, tower, tokenizer, variant.seed)
        trainer = DecoderTrainer(model, tokenizer, machine.kernels, variant.auxiliary).to(machine.device)
        trainers.append(trainer)
        rate, muon = variant.rate or RATES[variant.twin], variant.muon
        learners.append(Learner(variant.name, trainer, rate, MUON[variant.twin] if muon is None else muon))

    def losses(batch: object, progress: float, report: bool) -> Iterator[tuple[Learner, Tensor, Mapping[str, Tensor]]]:
        assert isinstance(batch, Batch)
        batch = batch.to(machine.device)
        seen = see(tower, batch.scenes, machine.dtype, plain)
        for variant, learner, trainer in zip(variants, learners, trainers, strict=True):
            shown = pooled(seen) if progress < variant.coarse else seen
            yield learner, *trainer(batch, shown, progress=progress, answers=report)

    def save() -> None:
        for variant, trainer in zip(variants, trainers, strict=True):
            keep(trainer.model, folder / f"{variant.name}.pt", without="model.vision_tower.")

    feed = batches(schedule.batch, first=5_000_000, make=Questioner(tokenizer), workers=machine.workers)
    train(learners, losses, feed, schedule, folder, save)
    return {variant.name: trainer.model.eval() for variant, trainer in zip(variants, trainers, strict=True)}


def keep(model: torch.nn.Module, path: Path, without: str | None = None) -> None:
    """Weights in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: weight.detach().half().cpu()
        for name, weight in model.state_dict().items()
        if not (without and name.startswith(without))
    }
    torch.save(weights, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def kept_tower(path: Path) -> CLIPVisionModel:
    """The tower that ``train_tower`` saved, in float32."""
    tower = CLIPVisionModel(tower_config())
    tower.load_state_dict(torch.load(path, weights_only=True))
    return tower.eval()


def kept_model(
    twin: str, path: Path, tower: CLIPVisionModel, tokenizer: PreTrainedTokenizerFast
) -> LlavaForConditionalGeneration:
    """The miniature that ``train_decoders`` saved, on its tower, in float32."""
    model = new_model(twin, tower, tokenizer)
    missing = model.load_state_dict(torch.load(path, weights_only=True), strict=False)
    assert not missing.unexpected_keys and all("vision_tower" in name for name in missing.missing_keys)
    return model.eval()
