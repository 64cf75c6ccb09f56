"""The projector and the decoder, taught on the finished vision tower: to answer, and to call what is seen by its name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from fastv.miniature.architecture import DECODERS, llava_config
from fastv.miniature.feed import batches
from fastv.miniature.loop import Plan, learn
from fastv.miniature.packing import Example, Packed, Questioner, pack
from fastv.miniature.questions import TASKS
from fastv.miniature.scenes import GRID
from fastv.miniature.tokenizer import IMAGE
from fastv.miniature.tower import HEADS, label_loss
from fastv.miniature.world import CATEGORIES, CATEGORY_OF, CELLS, COLOURS, NAMES, NUMBERS, plural

QUESTIONS = 16  # about each picture
_NAMING_WEIGHT, _KEEPING_WEIGHT = 0.5, 1.0
_GROUNDING_WEIGHT = 0.5
_GROUNDED_AFTER = 3  # decoder layers


class Naming(torch.nn.Module):
    """Draws each projected visual token towards the word for what it shows, so that a word can find its thing by likeness.

    Without it the decoder takes very long to find out that a name in the question and a patch in the picture have to do
    with each other. Only used in training.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.3))

        def ids(words: list[str]) -> torch.Tensor:
            return torch.tensor([tokenizer(f" {word}", add_special_tokens=False).input_ids[0] for word in words])

        colours = list(COLOURS)
        categories = list(CATEGORIES)
        same = torch.arange(len(NAMES))
        of_category = torch.tensor([categories.index(CATEGORY_OF[name]) if name in CATEGORY_OF else len(categories) for name in NAMES])
        # each: the words to choose from, and for each name which of them is right
        self.readings = [(ids([*NAMES, *colours]), same), (ids([*map(plural, NAMES), *colours]), same),
                         (ids([*categories, NAMES[-1], *colours]), of_category)]

    def forward(self, projected: torch.Tensor, words: torch.Tensor, names: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
        """projected: (batch, v, width); words: the embedding table; names, colours: (batch, v), name 0 is background."""
        reading, right = self.readings[int(torch.randint(len(self.readings), ()))]
        likeness = normalize(projected.float(), dim=-1) @ normalize(words[reading].float(), dim=-1).T * self.scale.exp()
        background = names == 0
        target = torch.where(background, len(reading) - len(COLOURS) + colours, right[(names - 1).clamp(min=0)])
        loss = cross_entropy(likeness.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
        return loss[~background].mean() + 0.3 * loss[background].mean()


class Keeping(torch.nn.Module):
    """Reads from each projected visual token what a name does not say: where its thing is, and which digit stands there.

    Without it naming has the projector all to itself, which then lets go of the rest. Only used in training.
    """

    def __init__(self, width: int):
        super().__init__()
        self.heads = torch.nn.ModuleDict({label: torch.nn.Linear(width, HEADS[label][0]) for label in ("cell", "digit", "centre")})

    def forward(self, projected: torch.Tensor, labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """projected: (batch, v, width); labels: int64 (batch, v) each."""
        return sum(label_loss(label, head(projected), labels[label]) for label, head in self.heads.items())


class Grounding(torch.nn.Module):
    """Asks, where a question names a thing, how many of it there are and in which cells: what most answers follow from.

    Read from the token that names the thing, a few layers up; so the way from a word to its things in the picture is learnt
    by itself, before anything has to be concluded from it. Only used in training.
    """

    def __init__(self, width: int):
        super().__init__()
        self.count, self.cells = torch.nn.Linear(width, len(NUMBERS)), torch.nn.Linear(width, len(CELLS))

    def forward(self, named: torch.Tensor, counts: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, float]:
        """named: (w, width), counts: (w,), cells: (w, 9) -> the loss, and how often the count would have been right."""
        counted = self.count(named).float()
        placed = binary_cross_entropy_with_logits(self.cells(named).float(), cells)
        return cross_entropy(counted, counts) + 2 * placed, (counted.argmax(-1) == counts).float().mean().item()


class Student(torch.nn.Module):
    """The model with what only training needs."""

    def __init__(self, model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.model, self.naming, self.tokenizer = model, Naming(tokenizer), tokenizer
        width = model.config.text_config.hidden_size
        self.keeping, self.grounding = Keeping(width), Grounding(width)
        self.image_token = tokenizer.convert_tokens_to_ids(IMAGE)

    def forward(self, packed: Packed) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, float]]:
        """Logits (m, vocabulary) for the m answer tokens, the losses on what the visual tokens say, and what the grounding gives."""
        inner = self.model.model
        with torch.no_grad():
            seen = inner.vision_tower(pixel_values=packed.pixels).last_hidden_state[:, 1:][:, packed.patches]
        projected = inner.multi_modal_projector(seen)
        words = inner.language_model.embed_tokens.weight
        at_image = packed.input_ids == self.image_token
        embeds = inner.language_model.embed_tokens(packed.input_ids).masked_scatter(at_image[..., None], projected)
        forbidden = torch.zeros(packed.visible.shape, dtype=words.dtype).masked_fill(~packed.visible, torch.finfo(words.dtype).min)
        out = inner.language_model(inputs_embeds=embeds, attention_mask=forbidden, position_ids=packed.position_ids,
                                   use_cache=False, output_hidden_states=True)
        named = out.hidden_states[_GROUNDED_AFTER][packed.mention_rows, packed.mention_columns]
        visual = self.naming(projected, words, packed.labels["name"], packed.labels["colour"]), self.keeping(projected, packed.labels)
        return (self.model.lm_head(out.last_hidden_state[packed.rows, packed.columns]), visual,
                self.grounding(named, packed.counts, packed.cells))


def answering_loss(student: Student, coarse: bool, examples: list[Example]) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss, and for each task the share of questions whose whole answer would have been given greedily."""
    packed = pack(examples, student.tokenizer, _one_in_four() if coarse else torch.arange(GRID * GRID))
    logits, (naming, keeping), (grounding, counted) = student(packed)
    lengths = torch.bincount(packed.owner).float()
    weight = lengths[packed.owner].rsqrt()  # so that a description counts for more than a yes, but not as its many tokens
    answering = (cross_entropy(logits.float(), packed.targets, reduction="none") * weight).sum() / weight.sum()
    right = torch.ones(len(packed.tasks)).scatter_reduce(0, packed.owner, (logits.argmax(-1) == packed.targets).float(), "amin")
    figures = {"loss": answering.item(), "naming": naming.item(), "keeping": keeping.item(), "grounding": grounding.item(), "counted": counted,
               "right": right.mean().item()}
    for index, task in enumerate(TASKS):
        asked = packed.tasks == index
        if asked.any():
            figures[task] = right[asked].mean().item()
    return answering + _NAMING_WEIGHT * naming + _KEEPING_WEIGHT * keeping + _GROUNDING_WEIGHT * grounding, figures


def _one_in_four() -> torch.Tensor:
    """One patch, at random, of each 2 x 2: ascending patch numbers, int64 (144,)."""
    half = GRID // 2
    row, column = (2 * torch.arange(half)[:, None], 2 * torch.arange(half)[None])
    offset = torch.randint(4, (half, half))
    return ((row + offset // 2) * GRID + column + offset % 2).flatten().sort().values


def new_model(name: str, tower: CLIPVisionModel, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untaught miniature on a finished tower."""
    torch.manual_seed(0)
    config = llava_config(DECODERS[name], tower.config, vocabulary=len(tokenizer), image_token=tokenizer.convert_tokens_to_ids(IMAGE),
                          bos=tokenizer.bos_token_id, eos=tokenizer.eos_token_id, pad=tokenizer.pad_token_id)
    model = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    return model


def train_decoder(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, coarse: Plan, full: Plan, folder: Path) -> None:
    """Learn to answer from a quarter of the visual tokens (several times cheaper), then from all; resumes where it stopped."""
    torch.manual_seed(0)
    model.model.vision_tower.requires_grad_(False)
    student = Student(model, tokenizer)
    for stage, plan, is_coarse in (("coarse", coarse, True), ("full", full, False)):
        learn(student, partial(answering_loss, student, is_coarse), partial(batches, Questioner(tokenizer, QUESTIONS), plan.pictures),
              plan, folder / stage)
    model.eval()
