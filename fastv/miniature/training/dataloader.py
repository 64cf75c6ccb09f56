"""Scenes as training batches, made in a process beside the one that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from fastv.miniature.world.scenes import Scene, scene

TRAINING_SEEDS = 10_000_000  # training draws its scenes from here on; the benchmark's seeds lie far below


def pixels(made: Scene) -> torch.Tensor:
    """The picture as uint8 (3, 336, 336): small to hand from process to process."""
    return torch.from_numpy(np.array(made.picture)).permute(2, 0, 1).contiguous()


def normalised(stacked: torch.Tensor) -> torch.Tensor:
    """uint8 (batch, 3, h, w) -> float32, as CLIP's image processor does it (scene pictures have their final size
    already).
    """
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return stacked.float().div_(255).sub_(mean).div_(deviation)


class _Scenes(IterableDataset):
    def __init__(self, first: int, example: Callable[[Scene], object]):
        self.first, self.example = first, example

    def __iter__(self) -> Iterator[object]:
        torch.set_num_threads(1)
        seed = self.first
        while True:
            yield self.example(scene(TRAINING_SEEDS + seed, held_out=False))
            seed += 1


def batches(example: Callable[[Scene], object], size: int, skip: int = 0) -> Iterator[list]:
    """Endless lists of ``size`` training examples; ``skip`` scenes were used up before an interruption."""
    loader = DataLoader(_Scenes(skip, example), batch_size=size, num_workers=1, prefetch_factor=4, collate_fn=list)
    return iter(loader)
