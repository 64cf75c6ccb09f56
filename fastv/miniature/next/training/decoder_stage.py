"""The projector's and decoder's training on the finished tower: answers, and for a while losses that help to find
them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.miniature.next.model.architecture import DECODERS, FEATURE_LAYER, llava_config
from fastv.miniature.next.model.tokenizer import IMAGE, OPENING
from fastv.miniature.next.training.auxiliary_losses import GroundingLoss, WordAlignmentLoss
from fastv.miniature.next.training.fast_forward import Kernels, decoder_states, rotary_table, tower_states
from fastv.miniature.next.training.packing import NO_TARGET, Batch
from fastv.miniature.next.training.tower_stage import HEADS, linear_of
from fastv.miniature.next.world.patch_labels import patch_labels
from fastv.miniature.next.world.question_templates import TASKS
from fastv.miniature.next.world.rendering import NO_LABEL, Parameters, normalised, render
from fastv.miniature.next.world.scenes import GRID

_KEPT_LABELS = ("cell", "tint", "digit", "place")


@dataclass(frozen=True)
class Auxiliary:
    """The helping losses: their weights at first, the share of training after which they are gone, and where nouns are
    read.

    depth: after which share of the layers the grounding loss reads: not before mid-depth, so that the first layers stay
    generic.
    """

    naming: float = 0.5
    keeping: float = 0.5
    grounding: float = 0.5
    until: float = 0.6
    depth: float = 0.5

    def scale(self, progress: float) -> float:
        return max(0.0, 1 - progress / self.until) if self.until else 0.0


@dataclass(frozen=True)
class Seen:
    """What both decoders get of a batch's pictures: tower features (batch, v, width) and the patches' labels."""

    features: Tensor
    labels: dict[str, Tensor]


@torch.no_grad()
def see(tower: CLIPVisionModel, scenes: Parameters, dtype: torch.dtype, kernels: Kernels) -> Seen:
    """Draw the scenes and pass them through the tower up to the layer that the decoder reads."""
    pictures, owners = render(scenes)
    features = tower_states(tower, normalised(pictures).to(dtype), kernels.tower)[FEATURE_LAYER][:, 1:]
    return Seen(features, patch_labels(scenes, owners))


def pooled(seen: Seen) -> Seen:
    """The picture at half the resolution: 2 x 2 patches' features averaged, labels of the first of them."""
    batch, half = len(seen.features), GRID // 2
    features = seen.features.view(batch, half, 2, half, 2, -1).mean((2, 4)).flatten(1, 2)
    labels = {
        name: label.view(batch, half, 2, half, 2)[:, :, 0, :, 0].flatten(1) for name, label in seen.labels.items()
    }
    return Seen(features, labels)


class DecoderTrainer(nn.Module):
    """A miniature with what only its training needs. The tower is not among its parameters that learn."""

    def __init__(
        self,
        model: LlavaForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        kernels: Kernels,
        auxiliary: Auxiliary,
    ):
        super().__init__()
        self.model, self.kernels, self.auxiliary = model, kernels, auxiliary
        model.model.vision_tower.requires_grad_(False)
        text: Any = model.config.text_config
        self.naming = WordAlignmentLoss(tokenizer)
        self.keeping = nn.ModuleDict({label: nn.Linear(text.hidden_size, HEADS[label][0]) for label in _KEPT_LABELS})
        self.grounding = GroundingLoss(text.hidden_size, tokenizer)
        opening = tokenizer(OPENING).input_ids
        image = tokenizer.convert_tokens_to_ids(IMAGE)
        self.start = opening.index(image)
        self.opening: Tensor
        self.register_buffer("opening", torch.tensor(opening[: self.start]), persistent=False)

    def forward(
        self, batch: Batch, seen: Seen, *, progress: float = 0.0, answers: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """batch, on the device -> loss and figures; ``answers`` adds the share of whole answers that are right, by
        task.
        """
        inner, language = self.model.model, self.model.model.language_model
        dtype, words = seen.features.dtype, language.embed_tokens.weight
        projector = inner.multi_modal_projector
        projected = linear_of(projector.linear_2, nn.functional.gelu(linear_of(projector.linear_1, seen.features)))
        opening = embedding(self.opening, words).to(dtype).expand(len(projected), -1, -1)
        hidden = torch.cat([opening, projected, embedding(batch.ids, words).to(dtype)], 1)
        rotary = self._rotary(batch, projected.shape[1], dtype)
        visible = _visible(batch.block, self.start + projected.shape[1], dtype)
        states = decoder_states(language, hidden, rotary, visible, self.kernels.decoder)
        read_at = round(self.auxiliary.depth * len(language.layers))
        for number, state in enumerate(states, start=1):
            if number == read_at:
                middle = state
            last = state
        text = last[:, -batch.ids.shape[1] :]
        logits = nn.functional.linear(text, self.model.lm_head.weight.to(dtype)).float()
        losses = cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=NO_TARGET, reduction="none")
        answering = (losses.view_as(batch.weight) * batch.weight).sum() / batch.weight.sum()
        figures = {"loss": answering.detach()}
        total, scale = answering, self.auxiliary.scale(progress)
        if scale:
            total = total + scale * self._help(projected, words, middle[:, -batch.ids.shape[1] :], batch, seen, figures)
        if answers:
            figures |= _right(logits.detach(), batch)
        return total, figures

    def _rotary(self, batch: Batch, visual: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Half-resolution pictures take the positions of the first patch of each 2 x 2."""
        patches = torch.arange(GRID * GRID, device=batch.ids.device)
        if visual != GRID * GRID:
            patches = patches.view(GRID // 2, 2, GRID // 2, 2)[:, 0, :, 0].flatten()
        before = torch.arange(self.start, device=patches.device)
        prefix = torch.cat([before, self.start + patches]).expand(len(batch.ids), -1)
        positions = torch.cat([prefix, self.start + GRID * GRID + batch.offset], 1)
        config: Any = self.model.config.text_config
        return rotary_table(positions, config.head_dim, config.rope_parameters["rope_theta"], dtype)

    def _help(
        self, projected: Tensor, words: Tensor, middle: Tensor, batch: Batch, seen: Seen, figures: dict[str, Tensor]
    ) -> Tensor:
        naming = self.naming(projected, words, seen.labels)
        keeping = projected.new_zeros((), dtype=torch.float32)
        for label, head in self.keeping.items():
            logits = linear_of(head, projected).float().flatten(0, 1)
            weights, truth = _class_weights(label, projected.device), seen.labels[label].flatten()
            keeping = keeping + HEADS[label][1] * cross_entropy(logits, truth, weights, ignore_index=NO_LABEL)
        grounding = self.grounding(middle, batch)
        figures |= {"naming": naming.detach(), "keeping": keeping.detach(), "grounding": grounding.detach()}
        share = self.auxiliary
        return share.naming * naming + share.keeping * keeping + share.grounding * grounding


def _class_weights(label: str, device: torch.device) -> Tensor:
    weights = torch.ones(HEADS[label][0], device=device)
    weights[0] = HEADS[label][2]
    return weights


def _visible(block: Tensor, prefix: int, dtype: torch.dtype) -> Tensor:
    """block: int64 (batch, n) -> (batch, 1, n, prefix + n), added to scores: all see the picture, and their question so
    far.
    """
    batch, length = block.shape
    own = (block[:, :, None] == block[:, None, :]) & block.new_ones(length, length, dtype=torch.bool).tril()
    hidden = torch.zeros(batch, length, prefix + length, dtype=dtype, device=block.device)
    hidden[:, :, prefix:].masked_fill_(~own, -math.inf)
    return hidden[:, None]


def _right(logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    """task -> share of its questions whose whole answer would have been given greedily."""
    asked = batch.target != NO_TARGET
    wrong = (asked & (logits.argmax(-1) != batch.target)).float()
    shape = len(batch.ids), int(batch.block.max()) + 1
    zeros = torch.zeros(shape, device=logits.device)
    mistakes = zeros.scatter_add(1, batch.block, wrong)
    tasks = torch.full(shape, -1, device=logits.device).scatter(1, batch.block, batch.task)
    tasks[:, 0] = -1  # padding
    right = (mistakes == 0).float()
    figures = {"right": right[tasks >= 0].mean()}
    for index, task in enumerate(TASKS):
        figures[task] = right[tasks == index].mean()
    return figures


def new_model(
    name: str, tower: CLIPVisionModel, tokenizer: PreTrainedTokenizerFast, seed: int = 0
) -> LlavaForConditionalGeneration:
    """An untaught miniature on a finished tower."""
    torch.manual_seed(seed)
    config = llava_config(
        DECODERS[name],
        tower.config,
        vocabulary=len(tokenizer),
        image_token=tokenizer.get_vocab()[IMAGE],
        bos=tokenizer.bos_token_id,
        eos=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    return model
