"""Losses beside the answers' own, which help to learn them and are gone before training ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from transformers import PreTrainedTokenizerFast

from fastv.miniature.next.training.packing import Batch
from fastv.miniature.next.training.tower_stage import linear_of
from fastv.miniature.next.world.rendering import NO_LABEL, Parameters
from fastv.miniature.next.world.scenes import MOST_THINGS
from fastv.miniature.next.world.vocabulary import (
    CATEGORIES,
    CATEGORY_OF,
    CELLS,
    COLOURS,
    COLUMNS,
    NAMES,
    PLATE,
    ROWS,
    plural,
)

_DIGITS = 3  # on a plate, at most


class WordAlignmentLoss(nn.Module):
    """Draws each projected visual token towards the word for what it shows, so that a word can find its thing by
    likeness.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.3))
        categories, colours = list(CATEGORIES), list(COLOURS)
        plate = len(categories)
        of_category = [categories.index(CATEGORY_OF[name]) if name in CATEGORY_OF else plate for name in NAMES]
        readings = (
            ([*NAMES, *colours], range(len(NAMES))),
            ([*map(plural, NAMES), *colours], range(len(NAMES))),
            ([*categories, PLATE, *colours], of_category),
        )
        self.lengths = [len(words) - len(colours) for words, _ in readings]
        for number, (words, right) in enumerate(readings):
            ids = [tokenizer(f" {word}", add_special_tokens=False).input_ids[0] for word in words]
            self.register_buffer(f"words_{number}", torch.tensor(ids), persistent=False)
            self.register_buffer(f"right_{number}", torch.tensor(list(right)), persistent=False)

    def forward(self, projected: Tensor, words: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """projected: (batch, v, width); words: the embedding table; labels: see ``rendering.patch_labels``."""
        number = int(torch.randint(len(self.lengths), ()))
        reading, right = self.get_buffer(f"words_{number}"), self.get_buffer(f"right_{number}")
        likeness = normalize(projected.float(), dim=-1) @ normalize(words[reading].float(), dim=-1).T
        names = labels["name"]
        background = names == 0
        target = torch.where(background, self.lengths[number] + labels["background"], right[(names - 1).clamp(min=0)])
        loss = cross_entropy((likeness * self.scale.exp()).flatten(0, 1), target.flatten(), reduction="none").view_as(
            target
        )
        thing = (~background).float()
        return (loss * thing).sum() / thing.sum().clamp(min=1) + 0.3 * (loss * (1 - thing)).sum() / (
            1 - thing
        ).sum().clamp(min=1)


class GroundingLoss(nn.Module):
    """Asks at mid-depth, where a question names a thing, how many there are and where, and where it names a place, what
    is there.
    """

    def __init__(self, width: int, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.count, self.cells = nn.Linear(width, MOST_THINGS + 1), nn.Linear(width, len(CELLS))
        self.digits, self.content = nn.Linear(width, _DIGITS * 11), nn.Linear(width, 1 + len(NAMES))
        categories = list(CATEGORIES)
        size = len(tokenizer)
        kinds, groups = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
        rows, columns = (torch.full((size,), -1) for _ in range(2))

        def token(word: str) -> int:
            return tokenizer(f" {word}", add_special_tokens=False).input_ids[0]

        for index, name in enumerate(NAMES):
            kinds[token(name)] = kinds[token(plural(name))] = 1 + index
        for index, category in enumerate(categories):
            groups[token(category)] = groups[token(plural(category))] = 1 + index
        for index, (row, column) in enumerate(zip(ROWS, COLUMNS, strict=True)):
            rows[token(row)], columns[token(column)] = index, index
        group_of = [0, *(1 + categories.index(CATEGORY_OF[name]) if name in CATEGORY_OF else 0 for name in NAMES)]
        tables = {
            "kinds": kinds,
            "groups": groups,
            "rows": rows,
            "columns": columns,
            "group_of": torch.tensor(group_of),
        }
        for name, table in tables.items():
            self.register_buffer(f"{name}_table", table, persistent=False)

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """hidden: (batch, n, width) of the questions' tokens."""
        scenes, ids = batch.scenes, batch.ids
        kind, group = self.get_buffer("kinds_table")[ids], self.get_buffer("groups_table")[ids]
        named = (kind > 0) | (group > 0)
        there = scenes.name > 0
        same = (scenes.name[:, None] == kind[..., None]) | (
            (self.get_buffer("group_of_table")[scenes.name][:, None] == group[..., None]) & (group[..., None] > 0)
        )
        same = same & there[:, None]  # (batch, n, things)
        cells = torch.zeros(*ids.shape, len(CELLS), device=ids.device)
        cells = cells.scatter_add(2, scenes.cell[:, None].expand_as(same), same.float()).clamp(max=1)
        weight = named.float()
        loss = _mean(_entropy(linear_of(self.count, hidden), same.sum(-1)), weight)
        placed = binary_cross_entropy_with_logits(linear_of(self.cells, hidden).float(), cells, reduction="none")
        loss = loss + 2 * _mean(placed.mean(-1), weight)
        digits = _digits(scenes)  # (batch, 3)
        shown = linear_of(self.digits, hidden).float().view(*ids.shape, _DIGITS, 11)
        reading = _entropy(shown, digits[:, None].expand(*ids.shape, _DIGITS)).mean(-1)
        loss = loss + _mean(reading, ((kind == len(NAMES)) & (digits[:, :1] != NO_LABEL)).float())
        return loss + self._contents(hidden, batch)

    def _contents(self, hidden: Tensor, batch: Batch) -> Tensor:
        """What is in the cell that the tokens up to here name."""
        ids, scenes = batch.ids, batch.scenes
        rows, columns = self.get_buffer("rows_table")[ids], self.get_buffer("columns_table")[ids]
        before = torch.nn.functional.pad(rows[:, :-1], (1, 0), value=-1)
        after = torch.nn.functional.pad(columns[:, 1:], (0, 1), value=-1)
        pair = (before >= 0) & (columns >= 0)
        middle = (rows == 1) & (after < 0)
        cell = torch.where(pair, before * 3 + columns, 4)
        inside = (scenes.cell[:, None] == cell[..., None]) & (scenes.name > 0)[:, None]
        names = torch.where(inside, scenes.name[:, None], 0)
        highest = names.max(-1).values
        several = (inside & (names != highest[..., None])).any(-1)
        content = _entropy(linear_of(self.content, hidden), torch.where(several, NO_LABEL, highest))
        return _mean(content, ((pair | middle) & ~several).float())


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    losses = cross_entropy(logits.float().flatten(0, -2), truth.flatten(), ignore_index=NO_LABEL, reduction="none")
    return losses.view_as(truth)


def _mean(losses: Tensor, weight: Tensor) -> Tensor:
    return (losses * weight).sum() / weight.sum().clamp(min=1)


def _digits(scenes: Parameters) -> Tensor:
    """int64 (batch, 3): 1 + each digit of the plate's number, 0 after the last; NO_LABEL without a plate."""
    number = scenes.number.amax(1)
    length = 1 + (number >= 10).long() + (number >= 100).long()
    digits = []
    for place in range(_DIGITS):
        power = length - 1 - place
        digit = number // (10 ** power.clamp(min=0)) % 10
        digits.append(torch.where(power >= 0, 1 + digit, 0))
    return torch.where((number >= 0)[:, None], torch.stack(digits, 1), NO_LABEL)
