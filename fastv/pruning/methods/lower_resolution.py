"""Lower resolution: the plain opponent that reads a smaller picture instead of dropping tokens of the large one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import TYPE_CHECKING

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.reduced_pictures import Size, lattice
from fastv.families.visual_groups import by_rows
from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import STATES

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fastv.families.base import Family
    from fastv.families.visual_groups import VisualGroup
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

_STRETCH = log(4 / 3) + 1e-9  # how far a smaller picture's proportions may be from the picture's


@dataclass(frozen=True)
class LowerResolution(Method):
    """Read each picture at a lower resolution, so that it has as many visual tokens as are to be kept.

    The picture itself is made smaller, and the vision tower runs on the smaller one: CLIP-like towers with their
    position embeddings stretched over fewer patches, towers for pictures of any size on fewer patches. Its tokens stand
    at an even lattice of the places that the prompt has for the picture, the others are dropped before decoder layer 0.
    The smaller picture has at most the number of tokens asked for: of the numbers of rows and columns that keep the
    picture's proportions within a third, those with the most tokens. Of several pictures each gets its share. See
    ``Method`` for the parameters; ``k`` is always 0.

    References
    ----------
    Liao et al., "Are We Using the Right Benchmark: An Evaluation Framework for Visual Token Compression Methods",
    arXiv 2510.07143, where plain downsampling beats many methods.
    """

    name = "lower_resolution"
    label = "Lower resolution"
    phrase = "as a smaller image has them"
    paper = ""
    signals = (STATES,)
    cuts = "before decoder layer 0, and before the vision tower"
    limits = "Ignores the question. Keeps at most the amount, as a grid of rows and columns has it."
    takes_k = False
    default_k = 0
    encodes_kept_alone = True
    needs_places = True

    def reduced(self, group: VisualGroup, total: int) -> Size:
        """The rows and columns that a picture or a frame of ``group`` is read at, in a prompt of ``total`` tokens."""
        return smaller_grid((group.rows, group.columns), max(1, self._patches(group, total)))

    def _share(self, group: VisualGroup, total: int) -> int:
        """Tokens that one frame of a picture or video may keep."""
        if self.per == "image":
            return self.kept_of(group.tokens) // group.frames
        return self.kept_of(total) * (group.tokens // group.frames) // total

    def _patches(self, group: VisualGroup, total: int) -> int:
        """How many of them are for places; tokens of no place, such as a class token, stay where there is room."""
        share = self._share(group, total)
        return share - group.lead if share > group.lead else share

    def places(self, group: VisualGroup, total: int) -> tuple[list[int], list[int]]:
        """Which of a group's tokens the tower makes, and which of these stay, by their number in it."""
        share, each = self._share(group, total), group.tokens // group.frames
        cells = [group.lead + cell for cell in lattice((group.rows, group.columns), self.reduced(group, total))]
        lead = list(range(group.lead))
        kept = [*(lead if share > group.lead else ()), *cells] if share else []

        def everywhere(frame: list[int]) -> list[int]:
            return [number * each + place for number in range(group.frames) for place in frame]

        return everywhere(lead + cells), everywhere(kept)

    def kept_of_groups(self, groups: Sequence[VisualGroup]) -> Sequence[int]:
        total = sum(group.tokens for group in groups)
        return [sum(len(self.places(group, total)[1]) for group in groups)]

    def outside_decoder(
        self, model: nn.Module, family: Family, prompts: Callable[[], Tensor | None]
    ) -> AbstractContextManager[None]:
        def sizes(token: int, groups: Sequence[VisualGroup]) -> list[Size] | None:
            """Of the pictures or videos that a token stands for, by the prompts that they stand in."""
            ids = prompts()
            if ids is None:
                return None
            counts = (ids == token).sum(dim=1).tolist()
            rows, totals = by_rows(groups, counts), family.visual_mask(model, ids).sum(dim=1).tolist()
            if rows is None:
                return None
            once = slice(None, None, sum(counts) // sum(group.tokens for group in groups))  # rows may be repeated
            return [self.reduced(group, total) for row, total in zip(rows[once], totals[once]) for group in row]

        return family.reduced_pictures(model, sizes)

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        import torch

        made, chosen = (torch.zeros(prompt.positions.shape, dtype=torch.bool) for _ in range(2))
        if prompt.layout.rows is None:
            raise UnsupportedModelError(
                "Where the visual tokens of this model stand in their images is not known, so smaller images "
                "cannot take their places. Use another method."
            )
        for row, groups in enumerate(prompt.layout.rows):
            total, start = prompt.counts[row], 0
            for group in groups:
                for marks, places in zip((made, chosen), self.places(group, total)):
                    marks[row, [start + place for place in places]] = True
                start += group.tokens
        assert signals.states is not None
        self._check_reduced(signals.states, prompt.positions.masked_fill(made.to(prompt.positions.device), -1))
        return Choice(chosen.to(prompt.positions.device))

    def _check_reduced(self, states: Tensor, between: Tensor) -> None:
        """Raise where the features were not made by this method, which leaves zeros ``between`` its places."""
        left = states.gather(1, between.clamp(min=0)[..., None].expand(-1, -1, states.shape[2]))
        if (left.abs().amax(dim=-1) * (between >= 0)).any():
            raise InvalidInputError(
                "The images of this prompt were read at their full resolution. Pass the pixels themselves to the "
                "model or to generate, inside the `with`."
            )


@lru_cache(maxsize=256)
def smaller_grid(full: Size, budget: int) -> Size:
    """The rows and columns with the most tokens, at most ``budget``, among those that keep the picture's proportions.

    Proportions may change by a third; where nothing small enough is that close, the closest is taken.
    """
    if budget >= full[0] * full[1]:
        return full

    def worth(size: Size) -> tuple[float, ...]:
        stretch = abs(log(size[0] * full[1] / (size[1] * full[0])))
        tokens = size[0] * size[1]
        return (1, tokens, -stretch) if stretch <= _STRETCH else (0, -stretch, tokens)

    sizes = ((rows, columns) for rows in range(1, full[0] + 1) for columns in range(1, full[1] + 1))
    return max((size for size in sizes if size[0] * size[1] <= budget), key=worth)
