"""The vision tower's training: what covers each patch, and, as CLIP learns it, what the whole picture shows.

Patches are read where the decoder reads them, one layer before the last. The class token of the last layer is
contrasted with the caption in the batch, and it and patches drawn at random must tell which kinds of things are
anywhere in the picture.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, layer_norm, normalize
from transformers import CLIPVisionModel

from fastv.miniature.next.model.architecture import FEATURE_LAYER
from fastv.miniature.next.training.fast_forward import Kernels, tower_states
from fastv.miniature.next.world.patch_labels import patch_labels
from fastv.miniature.next.world.rendering import NO_LABEL, Parameters, normalised, render
from fastv.miniature.next.world.vocabulary import CELLS, COLOURS, NAMES, TINTS

# label -> (classes, weight in the loss, weight of class 0 in it: "nothing here" is what most patches say)
HEADS = {
    "name": (1 + len(NAMES), 1.0, 0.2),
    "cell": (len(CELLS), 0.2, 1.0),
    "tint": (1 + len(TINTS), 0.5, 0.5),
    "digit": (11, 1.0, 0.02),
    "place": (4, 0.5, 0.02),
    "background": (len(COLOURS), 0.1, 1.0),
}
# Which tokens must tell what is anywhere in the picture: the class token alone, with patches of things, with any
# patches. "anywhere" makes background patches into registers, which the decoder's first layers then attend to in place
# of things.
TELL = ("class", "things", "anywhere")
_SAMPLED = 36  # patches a picture that tell of the whole picture
_BAG = 0.15  # weight of a picture's bag of names in the loss, summed over names
_CONTRAST = 0.2


class TowerTrainer(nn.Module):
    """The tower with what only its training needs: linear readings of patches, and captions to contrast pictures
    with.
    """

    def __init__(self, tower: CLIPVisionModel, kernels: Kernels, tell: str = "things"):
        super().__init__()
        if tell not in TELL:
            raise ValueError(f"tell={tell!r}: choose one of {', '.join(TELL)}.")
        self.tower, self.kernels, self.tell = tower, kernels, tell
        width = tower.config.hidden_size
        self.heads = nn.ModuleDict({label: nn.Linear(width, classes) for label, (classes, *_) in HEADS.items()})
        self.patch_bag, self.picture_bag = (nn.Linear(width, len(NAMES)) for _ in range(2))
        self.things, self.tints = nn.Embedding(1 + len(NAMES), width), nn.Embedding(1 + len(TINTS), width)
        self.backgrounds = nn.Embedding(len(COLOURS), width)
        self.mix = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, scenes: Parameters, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
        """scenes, on the device -> loss, and figures: the share of right labels where there is something to tell."""
        with torch.no_grad():
            pictures, owners = render(scenes)
            labels = patch_labels(scenes, owners)
            pixels = normalised(pictures).to(dtype)
        states = tower_states(self.tower, pixels, self.kernels.tower)
        patches = plain_norm(states[FEATURE_LAYER][:, 1:])
        total, figures = self._labels(patches, labels)
        bag = torch.zeros(len(owners), 1 + len(NAMES), device=owners.device).scatter_(1, scenes.name, 1.0)[:, 1:]
        whole = plain_norm(states[-1][:, 0])
        told_whole = linear_of(self.picture_bag, whole).float()
        bags = binary_cross_entropy_with_logits(told_whole, bag)
        if self.tell != "class":
            told = linear_of(self.patch_bag, self._sampled(patches, owners)).float()
            bags = bags + binary_cross_entropy_with_logits(told, bag[:, None].expand_as(told))
        contrast, matched = self._contrast(whole.float(), scenes)
        figures |= {"bag": bags, "contrast": contrast, "matched": matched}
        total = total + _BAG * len(NAMES) * bags + _CONTRAST * contrast
        return total, {"loss": total.detach(), **figures}

    def _sampled(self, patches: Tensor, owners: Tensor) -> Tensor:
        """(batch, sampled, width): states of patches drawn at random, of all or of those that things cover."""
        wanted = (owners >= 0).float() + 1e-6 if self.tell == "things" else torch.ones_like(owners, dtype=torch.float32)
        chosen = torch.multinomial(wanted, _SAMPLED, replacement=True)
        return patches.gather(1, chosen[..., None].expand(-1, -1, patches.shape[-1]))

    def _labels(self, patches: Tensor, labels: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        total, figures = patches.new_zeros((), dtype=torch.float32), {}
        for label, (classes, share, nothing) in HEADS.items():
            logits, truth = linear_of(self.heads[label], patches).float(), labels[label]
            weights = torch.ones(classes, device=logits.device)
            weights[0] = nothing
            loss = cross_entropy(logits.flatten(0, 1), truth.flatten(), weights, ignore_index=NO_LABEL)
            total = total + share * loss
            asked = truth > 0 if label in ("name", "digit", "place", "tint") else truth != NO_LABEL
            right = ((logits.argmax(-1) == truth) & asked).sum() / asked.sum().clamp(min=1)
            figures[label] = right
        return total, figures

    def _contrast(self, whole: Tensor, scenes: Parameters) -> tuple[Tensor, Tensor]:
        """Pictures against captions (the large things with their colours, and the background), as CLIP contrasts
        them.
        """
        names = scenes.name.gather(1, scenes.large_index) * (scenes.large > 0)
        tints = scenes.colour.gather(1, scenes.large_index) * (scenes.large > 0)
        said = self.mix[1](self.things(names) + self.tints(tints)).sum(1) + self.backgrounds(scenes.background)
        logits = normalize(whole, dim=-1) @ normalize(self.mix(said), dim=-1).T * self.scale.exp().clamp(max=100)
        own = torch.arange(len(logits), device=logits.device)
        loss = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
        return loss, (logits.argmax(1) == own).float().mean()


def linear_of(module: Any, hidden: Tensor) -> Tensor:
    """What a linear layer reads, computed in the dtype of ``hidden``."""
    return nn.functional.linear(hidden, module.weight.to(hidden.dtype), module.bias.to(hidden.dtype))


def plain_norm(hidden: Tensor) -> Tensor:
    """Layer norm without weights, so that linear readings of a tower's states share one scale."""
    return layer_norm(hidden, (hidden.shape[-1],))
