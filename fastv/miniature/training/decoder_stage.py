"""The projector and the decoder, taught on the finished vision tower: to answer, to call what is seen by its name, and
to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.miniature.model.architecture import DECODERS, llava_config
from fastv.miniature.model.tokenizer import IMAGE
from fastv.miniature.training.auxiliary_losses import GroundingLoss, PatchProbeLoss, WordAlignmentLoss
from fastv.miniature.training.chunked_attention import chunked_attention
from fastv.miniature.training.dataloader import batches
from fastv.miniature.training.packing import Example, Packed, Questioner, pack
from fastv.miniature.training.trainer import StageConfig, train
from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.scenes import GRID

QUESTIONS = 16  # about each picture
_WEIGHTS = {"naming": 0.5, "keeping": 1.0, "grounding": 0.5}  # of the auxiliary losses
_GROUNDED_AFTER = 3  # decoder layers
STAGES = ("coarse", "full", "last", "wording")
_READING = 2  # first decoder layers
FEW = 152  # visual tokens: about a quarter


class DecoderTrainer(torch.nn.Module):
    """The model with what only training needs."""

    def __init__(self, model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.model, self.naming, self.tokenizer = model, WordAlignmentLoss(tokenizer), tokenizer
        text: Any = model.config.text_config
        width = text.hidden_size
        self.keeping, self.grounding = PatchProbeLoss(width), GroundingLoss(width)
        self.image_token: Any = tokenizer.convert_tokens_to_ids(IMAGE)

    def forward(self, packed: Packed) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float]]:
        """Logits (m, vocabulary) for the m answer tokens, the auxiliary losses by name, and the grounding's figures."""
        inner = self.model.model
        with torch.no_grad(), chunked_attention(inner.vision_tower):
            seen = inner.vision_tower(pixel_values=packed.pixels).last_hidden_state[:, 1:]
            seen = seen.gather(1, packed.patches[..., None].expand(-1, -1, seen.shape[-1]))
        projected = inner.multi_modal_projector(seen)
        words = inner.language_model.embed_tokens.weight
        at_image = packed.input_ids.eq(self.image_token)
        embeds = inner.language_model.embed_tokens(packed.input_ids).masked_scatter(at_image[..., None], projected)
        forbidden = torch.zeros(packed.visible.shape, dtype=words.dtype).masked_fill(
            ~packed.visible, torch.finfo(words.dtype).min
        )
        with chunked_attention(inner.language_model):
            out = inner.language_model(
                inputs_embeds=embeds,
                attention_mask=forbidden,
                position_ids=packed.position_ids,
                use_cache=False,
                output_hidden_states=True,
            )
        grounding, figures = self.grounding(out.hidden_states[_GROUNDED_AFTER], packed.facts)
        losses = {
            "naming": self.naming(projected, words, packed.labels["name"], packed.labels["colour"]),
            "keeping": self.keeping(projected, packed.labels),
            "grounding": grounding,
        }
        return self.model.lm_head(out.last_hidden_state[packed.rows, packed.columns]), losses, figures


def answering_loss(
    trainer: DecoderTrainer, examples: list[Example], *, coarse: bool = False, helped: bool = True
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss, and for each task the share of questions whose whole answer would have been given greedily.

    coarse: with about a quarter of the visual tokens. helped: with the auxiliary losses beside that of the answers.
    """
    packed = pack(
        examples,
        trainer.tokenizer,
        few_patches(examples) if coarse else torch.arange(GRID * GRID).expand(len(examples), -1),
    )
    logits, auxiliary, grounded = trainer(packed)
    lengths = torch.bincount(packed.owner).float()
    weight = lengths[
        packed.owner
    ].rsqrt()  # so that a description counts for more than a yes, but not as its many tokens
    answering = (cross_entropy(logits.float(), packed.targets, reduction="none") * weight).sum() / weight.sum()
    right = torch.ones(len(packed.tasks)).scatter_reduce(
        0, packed.owner, (logits.argmax(-1) == packed.targets).float(), "amin"
    )
    auxiliary, grounded = (auxiliary, grounded) if helped else ({}, {})
    figures = {
        "loss": answering.item(),
        **{name: loss.item() for name, loss in auxiliary.items()},
        **grounded,
        "right": right.mean().item(),
    }
    for index, task in enumerate(TASKS):
        asked = packed.tasks == index
        if asked.any():
            figures[task] = right[asked].mean().item()
    return answering + sum(_WEIGHTS[name] * loss for name, loss in auxiliary.items()), figures


def few_patches(examples: list[Example]) -> torch.Tensor:
    """Ascending patch numbers, int64 (batch, ``FEW``): those at a thing's centre or on a digit, then one, at random, of
    each 2 x 2.

    Things are counted by their centres and signs read from their digits: with most of those cut away neither would be
    learnt.
    """
    half = GRID // 2
    draw = torch.rand(len(examples), half, 2, half, 2)
    first = draw == draw.amax((2, 4), keepdim=True)
    telling = torch.stack([(example.labels["centre"] > 0) | (example.labels["digit"] > 0) for example in examples])
    return ((draw + first).flatten(1) + 2 * telling).topk(FEW).indices.sort().values


def new_model(name: str, tower: CLIPVisionModel, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untaught miniature on a finished tower."""
    torch.manual_seed(0)
    image_token = tokenizer.convert_tokens_to_ids(IMAGE)
    assert isinstance(image_token, int)  # a list only for a list of tokens
    config = llava_config(
        DECODERS[name],
        tower.config,
        vocabulary=len(tokenizer),
        image_token=image_token,
        bos=tokenizer.bos_token_id,
        eos=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    return model


def train_decoder(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    plans: Sequence[StageConfig],
    folder: Path,
    only: str | None = None,
) -> None:
    """The stages, each by its plan and about other scenes; or the ``only`` one of them, of a model that has had those
    before it.

    First to answer from about a quarter of the visual tokens (several times cheaper), then from all; "last" raises the
    learning rate once more: what is learnt late, as relations are, needs it. "wording" asks the same in other words
    (see ``wording``). Resumes where it stopped.
    """
    torch.manual_seed(0)
    model.model.vision_tower.requires_grad_(False)
    trainer, used = DecoderTrainer(model, tokenizer), 0
    for stage, plan in zip(STAGES, plans, strict=True):
        if only in (None, stage):
            in_other_words = stage == "wording"
            if in_other_words:
                _hold_all_but_reading(trainer)
            feed = partial(_batches_after, used, Questioner(tokenizer, QUESTIONS, varied=in_other_words), plan.pictures)
            train(
                trainer,
                partial(answering_loss, trainer, coarse=stage == "coarse", helped=not in_other_words),
                feed,
                plan,
                folder / stage,
            )
        used += plan.steps * plan.pictures
    model.eval()


def _hold_all_but_reading(trainer: DecoderTrainer) -> None:
    """Words' embeddings and the first layers alone go on learning: what has been learnt of pictures stays."""
    inner = trainer.model.model.language_model
    trainer.requires_grad_(False)
    for part in (inner.embed_tokens, *inner.layers[:_READING]):
        part.requires_grad_(True)


def _batches_after(used: int, example: Questioner, size: int, skip: int) -> Iterator[list[Example]]:
    """Of the scenes after the ``used`` ones of an earlier stage; ``skip`` of this stage are used up too."""
    return batches(example, size, used + skip)
