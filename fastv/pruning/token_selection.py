"""The choice: from a prompt, and what a layer's attention says of it, to the visual tokens that are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastv.costs.flops import kept_tokens
from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.pruning.index_selection import Selection, mark, positions_of
from fastv.pruning.scorers import highest, random_scores


@dataclass
class Trace:
    """What FastV did to the latest prompt. Tensors are on the model's device; lengths are columns, padding included.

    kept: long (batch, n_kept), prompt positions of the visual tokens kept, ascending, -1 at the end of rows that keep
    fewer; None before the first run. scores: float32 (batch, n_visual), the higher the sooner kept, -inf where
    visual_positions is -1; None when k = 0. visual_positions: long (batch, n_visual), prompt positions of the visual
    tokens, ascending, -1 at the end. A prompt without visual tokens runs plain: n_visual = n_kept = 0 and
    pruned_length = prompt_length. With beam search the rows are beams.
    """

    kept: Tensor | None = None
    scores: Tensor | None = None
    visual_positions: Tensor | None = None
    prompt_length: int = 0
    pruned_length: int = 0


class Prompt:
    """A prompt being read, for which the choice is still to be made.

    visual: boolean (batch, n). mask: the model's attention_mask or None. Whatever depends on values and not on shapes
    is read here, before the layers run, so that nothing waits for the device between them. Raises InvalidInputError
    for a prompt whose last token is padding or visual.
    """

    def __init__(self, visual: Tensor, mask: Tensor | None) -> None:
        self.visual = visual
        self.real: Tensor | None = None  # boolean (batch, n), False = padding; None when there is none
        self.attention: Tensor | None = None  # float32 (batch, n), what layer k - 1 shows
        self.counts: list[int] = visual.sum(dim=1).tolist()
        self.padding = torch.zeros_like(visual)  # boolean (batch, n), wherever in its row it stands
        if mask is not None and mask.dim() == 2 and not mask.all():
            self.real = mask.bool()
            self.padding = ~self.real & ~visual
            if not self.real[:, -1].all():
                raise InvalidInputError("The prompt is padded on the right. Pad it on the left (padding_side='left').")
        if visual[:, -1].any():
            raise InvalidInputError(
                "The prompt ends with a visual token, and FastV ranks by the text that follows the "
                "picture. Add some, and read the prompt whole, without prefill_chunk_size."
            )
        self.texts: list[int] = (~visual & ~self.padding).sum(dim=1).tolist()
        self.positions = positions_of(visual, max(self.counts))


def choose(prompt: Prompt, k: int, r: float, rank: str, seed: int) -> tuple[Selection | None, Trace]:
    """Ranks a prompt's visual tokens. The selection is None when none is to be dropped.

    Arguments: see ``FastV``. Unless the choice is drawn (k = 0, rank "random"), ``prompt.attention`` must be there.
    """
    visual, positions, length = prompt.visual, prompt.positions, prompt.visual.shape[1]
    kept_counts = [kept_tokens(count, r) for count in prompt.counts]
    if k == 0 or rank == "random":
        scores = random_scores(prompt.counts, seed).to(visual.device)
    elif prompt.attention is None:
        raise UnsupportedModelError(f"Layer {k - 1} does not attend through transformers' AttentionInterface.")
    else:
        scores = prompt.attention.to(visual.device).gather(1, positions.clamp(min=0))
        scores.masked_fill_(positions < 0, -math.inf)
    chosen = highest(scores, torch.tensor(kept_counts, device=visual.device))
    kept = mark(positions.masked_fill(~chosen, -1), length)
    selection = None
    if kept_counts != prompt.counts:
        dropped = [count - kept_count for count, kept_count in zip(prompt.counts, kept_counts)]
        # Rows are brought to one length: first by leaving out padding, and where that is not enough by filling up.
        shortest = length - max(dropped)
        pruned_length = max(shortest, *(text + stay for text, stay in zip(prompt.texts, kept_counts)))
        selection = Selection.of(
            kept | ~visual & ~prompt.padding, prompt.padding, pruned_length, k, fill=shortest < pruned_length
        )
    return selection, Trace(
        kept=positions_of(kept, max(kept_counts)),
        scores=None if k == 0 else scores,
        visual_positions=positions,
        prompt_length=length,
        pruned_length=selection.pruned_length if selection else length,
    )
