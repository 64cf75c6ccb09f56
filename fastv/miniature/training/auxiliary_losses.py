"""Losses beside the answers' own, without which the answers are learnt very slowly; all of them are thrown away after
training.
"""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize, smooth_l1_loss
from transformers import PreTrainedTokenizerFast

from fastv.miniature.training.grounding_labels import DIGITS, Facts
from fastv.miniature.training.vision_stage import HEADS, label_loss
from fastv.miniature.world.scenes import NO_LABEL
from fastv.miniature.world.vocabulary import CATEGORIES, CATEGORY_OF, CELLS, COLOURS, NAMES, NUMBERS, plural


class WordAlignmentLoss(torch.nn.Module):
    """Draws each projected visual token towards the word for what it shows, so that a word can find its thing by
    likeness.

    Without it the decoder takes very long to find out that a name in the question and a patch in the picture have to do
    with each other.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.3))

        def ids(words: list[str]) -> torch.Tensor:
            return torch.tensor([tokenizer(f" {word}", add_special_tokens=False).input_ids[0] for word in words])

        colours = list(COLOURS)
        categories = list(CATEGORIES)
        same = torch.arange(len(NAMES))
        of_category = torch.tensor(
            [categories.index(CATEGORY_OF[name]) if name in CATEGORY_OF else len(categories) for name in NAMES]
        )
        # each: the words to choose from, and for each name which of them is right
        self.readings = [
            (ids([*NAMES, *colours]), same),
            (ids([*map(plural, NAMES), *colours]), same),
            (ids([*categories, NAMES[-1], *colours]), of_category),
        ]

    def forward(
        self, projected: torch.Tensor, words: torch.Tensor, names: torch.Tensor, colours: torch.Tensor
    ) -> torch.Tensor:
        """projected: (batch, v, width); words: the embedding table; names, colours: (batch, v), name 0 is
        background.
        """
        reading, right = self.readings[int(torch.randint(len(self.readings), ()))]
        likeness = normalize(projected.float(), dim=-1) @ normalize(words[reading].float(), dim=-1).T * self.scale.exp()
        background = names == 0
        target = torch.where(background, len(reading) - len(COLOURS) + colours, right[(names - 1).clamp(min=0)])
        loss = cross_entropy(likeness.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
        return loss[~background].mean() + 0.3 * loss[background].mean()


class PatchProbeLoss(torch.nn.Module):
    """Reads from each projected visual token what a name does not say: where its thing is, and which digit stands
    there.

    Without it naming has the projector all to itself, which then lets go of the rest.
    """

    def __init__(self, width: int):
        super().__init__()
        self.heads = torch.nn.ModuleDict(
            {label: torch.nn.Linear(width, HEADS[label][0]) for label in ("cell", "digit", "place", "centre")}
        )

    def forward(self, projected: torch.Tensor, labels: dict[str, torch.Tensor]) -> torch.Tensor:
        """projected: (batch, v, width); labels: int64 (batch, v) each."""
        losses = [label_loss(label, head(projected), labels[label]) for label, head in self.heads.items()]
        return torch.stack(losses).sum()


class GroundingLoss(torch.nn.Module):
    """Asks, where a question names a thing, how many of it there are and where, and where it names a place, what is
    there.

    Read from the naming token a few layers up; so the way from a word to its things in the picture, and from a place to
    what is in it, is learnt by itself, before anything has to be concluded from it.
    """

    def __init__(self, width: int):
        super().__init__()
        self.count, self.cells = torch.nn.Linear(width, len(NUMBERS)), torch.nn.Linear(width, len(CELLS))
        self.centre, self.digits = torch.nn.Linear(width, 2), torch.nn.Linear(width, DIGITS * 11)
        self.content = torch.nn.Linear(width, 1 + len(NAMES))

    def forward(self, hidden: torch.Tensor, facts: Facts) -> tuple[torch.Tensor, dict[str, float]]:
        """hidden: (batch, n, width) -> the loss, and how often count, digits and content would have been right."""
        named, placed = hidden[facts.rows, facts.columns], hidden[facts.place_rows, facts.place_columns]
        counts, digits, contents = (
            self.count(named).float(),
            self.digits(named).float().view(-1, 11),
            self.content(placed).float(),
        )
        loss = cross_entropy(counts, facts.counts) + 2 * binary_cross_entropy_with_logits(
            self.cells(named).float(), facts.cells
        )
        single = facts.centres.isfinite().all(-1)
        if single.any():
            loss = loss + 4 * smooth_l1_loss(self.centre(named).float()[single], facts.centres[single], beta=0.05)
        figures = {"counted": _right(counts, facts.counts)}
        for name, logits, truth in (("digits", digits, facts.digits.flatten()), ("content", contents, facts.contents)):
            if (truth != NO_LABEL).any():
                loss = loss + cross_entropy(logits, truth, ignore_index=NO_LABEL)
                figures[name] = _right(logits, truth)
        return loss, figures


def _right(logits: torch.Tensor, truth: torch.Tensor) -> float:
    known = truth != NO_LABEL
    return (logits.argmax(-1) == truth)[known].float().mean().item()
