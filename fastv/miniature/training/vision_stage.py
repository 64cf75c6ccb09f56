"""The vision tower, taught first and alone: what covers each patch, where that thing is, and which digit stands
there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel

from fastv.miniature.model.architecture import tower_config
from fastv.miniature.training.chunked_attention import chunked_attention
from fastv.miniature.training.dataloader import batches, normalised, pixels
from fastv.miniature.training.trainer import StageConfig, train
from fastv.miniature.world.scenes import GRID, MOST_THINGS, NO_LABEL, PATCH, Scene, patch_labels, scene
from fastv.miniature.world.vocabulary import CELLS, COLOURS, NAMES, SIGN

# label -> (number of classes, weight in the loss, weight of class 0 in it: "nothing here" is what most patches say)
HEADS = {
    "name": (1 + len(NAMES), 1.0, 0.3),
    "cell": (len(CELLS), 0.3, 1.0),
    "centre": (2, 0.5, 0.1),
    "digit": (11, 1.0, 0.02),
    "place": (4, 0.5, 0.02),
    "colour": (len(COLOURS), 0.2, 1.0),
}

_MARGIN = 2  # patches of a window around the middle of the thing it shows


class Labeller(torch.nn.Module):
    """The tower with a linear reading of each label from each patch; the readings are thrown away after training."""

    def __init__(self, tower: CLIPVisionModel):
        super().__init__()
        self.tower = tower
        self.heads = torch.nn.ModuleDict(
            {label: torch.nn.Linear(tower.config.hidden_size, classes) for label, (classes, *_) in HEADS.items()}
        )

    def forward(self, pixel_values: torch.Tensor, patches: torch.Tensor) -> dict[str, torch.Tensor]:
        """Windows of pictures -> label: logits (batch, n, classes).

        pixel_values: (batch, 3, side, side), the pixels of each window. patches: int64 (batch, n), the n = (side /
        14)^2 patches of the whole picture the window shows; the whole picture is the window of all 576, and then this
        is the tower's own forward.
        """
        embeddings = self.tower.embeddings
        seen = (
            embeddings.patch_embedding(pixel_values.to(embeddings.patch_embedding.weight.dtype))
            .flatten(2)
            .transpose(1, 2)
        )
        whole = embeddings.class_embedding.expand(len(seen), 1, -1)
        places = embeddings.position_embedding(torch.cat([torch.zeros_like(patches[:, :1]), 1 + patches], dim=1))
        hidden = self.tower.pre_layrnorm(torch.cat([whole, seen], dim=1) + places)
        with chunked_attention(self.tower):
            hidden = self.tower.encoder(inputs_embeds=hidden).last_hidden_state[:, 1:]
        return {label: head(hidden) for label, head in self.heads.items()}


def label_loss(label: str, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """One label's share of the loss: logits (batch, n, classes), truth int64 (batch, n) with NO_LABEL."""
    classes, share, nothing = HEADS[label]
    weights = torch.ones(classes).index_fill(0, torch.tensor(0), nothing)
    return share * cross_entropy(logits.float().flatten(0, 1), truth.flatten(), weights, ignore_index=NO_LABEL)


def labelling_loss(
    labeller: Labeller, batch: list[list[tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]]]
) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted cross-entropies, and how often the labels that matter are right (names and cells on things, digits on
    digits).
    """
    windows = [window for scene_windows in batch for window in scene_windows]
    pixel_values = torch.stack([pixels for pixels, _, _ in windows])
    patches = torch.stack([places for _, places, _ in windows])
    total, figures = torch.zeros(()), {}
    for label, logits in labeller(normalised(pixel_values), patches).items():
        truth = torch.stack([window[2][label] for window in windows])
        total = total + label_loss(label, logits, truth)
        asked = truth > 0 if label in ("name", "centre", "digit", "place") else truth != NO_LABEL
        figures[label] = (logits.argmax(-1) == truth)[asked].float().mean().item() if asked.any() else 1.0
    return total, {"loss": total.item(), **figures}


def _windows(
    made: Scene, *, side: int, count: int, signs: float
) -> list[tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]]:
    """``count`` windows of ``side`` x ``side`` patches, each around a thing: pixels, patch numbers, labels.

    signs: in place of this share of the scenes others are taken that show nothing but signs: digits are small, and
    rare.
    """
    rng = random.Random(made.seed)
    if rng.random() < signs:
        made = scene(made.seed, held_out=False, names=[SIGN] * rng.randint(3, MOST_THINGS))
    whole, labels = pixels(made), {label: torch.from_numpy(values) for label, values in patch_labels(made).items()}
    numbers = torch.arange(GRID * GRID).view(GRID, GRID)
    windows = []
    for _ in range(count):
        x, y = rng.choice(made.things).centre
        top, left = (
            min(max(0, int(value // PATCH) - rng.randint(_MARGIN, side - _MARGIN)), GRID - side) for value in (y, x)
        )
        patches = numbers[top : top + side, left : left + side].flatten()
        seen = whole[:, top * PATCH : (top + side) * PATCH, left * PATCH : (left + side) * PATCH]
        windows.append((seen, patches, {label: values[patches] for label, values in labels.items()}))
    return windows


def train_tower(plans: Sequence[StageConfig], folder: Path) -> CLIPVisionModel:
    """Learn from quarter windows of pictures (a sixth of the work), from small ones mostly of signs, then from whole
    pictures.

    Resumes where it stopped.
    """
    windows, signs, whole = plans
    torch.manual_seed(0)
    labeller = Labeller(CLIPVisionModel(tower_config()))
    for name, plan, example in (
        ("windows", windows, partial(_windows, side=GRID // 2, count=2, signs=0.3)),
        ("signs", signs, partial(_windows, side=GRID // 3, count=4, signs=0.7)),
        ("whole", whole, partial(_windows, side=GRID, count=1, signs=0.3)),
    ):
        train(
            labeller, partial(labelling_loss, labeller), partial(batches, example, plan.pictures), plan, folder / name
        )
    return labeller.tower
