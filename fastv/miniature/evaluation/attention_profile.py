"""What a miniature looks at, layer by layer, over many scenes: shares of the prompt's parts, and where the visual
tokens lie that its ranking keeps, with the rotary embedding and without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastv.costs.flops import kept_tokens
from fastv.loading.load import LoadedModel
from fastv.measurement.attention_map import attention_map, mean_shares
from fastv.measurement.prompt import Prompt, prompt_of
from fastv.miniature.evaluation.dataset import Item
from fastv.miniature.world.scenes import GRID
from fastv.pruning.attention_tap import observing
from fastv.pruning.scorers import highest, last_token_attention

CELLS = 12  # a side: the grid's patches are counted in blocks
KEPT = 0.5
_LONGEST_ANSWER = 40  # tokens


@dataclass
class AttentionProfile:
    """Sums over prompts; ``record`` has the means.

    Attributes
    ----------
    last : list of Tensor
        (layers, 4) for each prompt: the shares of PARTS in the last prompt token's attention.
    written : list of Tensor
        The same, means over the tokens that write the answer, of which the last prompt token is the first.
    tasks : list of str
        Of each prompt.
    kept, kept_unrotated : ndarray
        int (layers, CELLS, CELLS): how often a patch of each cell was among the half of the visual tokens with the
        highest attention of the last prompt token, with queries and keys as they are and without their rotation.
    things : ndarray
        int (CELLS, CELLS): how often a patch showed a thing.
    """

    layers: int
    last: list[Tensor] = field(default_factory=list)
    written: list[Tensor] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    kept: np.ndarray = field(init=False)
    kept_unrotated: np.ndarray = field(init=False)
    things: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.kept, self.kept_unrotated = (np.zeros((self.layers, CELLS, CELLS), int) for _ in range(2))
        self.things = np.zeros((CELLS, CELLS), int)

    def record(self) -> dict[str, Any]:
        """In JSON's types; cells in thousandths of their patches, deviations over prompts."""
        patches = len(self.last) * (GRID // CELLS) ** 2
        by_task = {
            task: mean_shares([shares for shares, its in zip(self.last, self.tasks, strict=True) if its == task])
            for task in dict.fromkeys(self.tasks)
        }

        def rates(counts: np.ndarray) -> list:
            return (1000 * counts / patches).round().astype(int).tolist()

        return {
            "attention_scenes": len(self.last),
            "attention": mean_shares(self.last),
            "image_deviation": [
                round(float(one), 4)
                for one in torch.stack(self.last)[:, :, 1].std(dim=0, correction=min(1, len(self.last) - 1))
            ],
            "answer_attention": mean_shares(self.written),
            "image_by_task": {task: [layer["image"] for layer in found] for task, found in sorted(by_task.items())},
            "kept_share": KEPT,
            "kept_cells": rates(self.kept),
            "kept_cells_unrotated": rates(self.kept_unrotated),
            "thing_cells": rates(self.things),
        }


def attention_profile(
    loaded: LoadedModel, items: Sequence[Item], tell: Callable[[int], None] = lambda done: None
) -> AttentionProfile:
    """Read and answer a question about each scene.

    Parameters
    ----------
    tell
        Called after each with how many are done.
    """
    profile = AttentionProfile(loaded.model.config.get_text_config().num_hidden_layers)
    for number, item in enumerate(items, 1):
        prompt = prompt_of(loaded, item.scene.picture, item.question.text, answer_tokens=_LONGEST_ANSWER)
        last = prompt.tokens - 1
        of = range(last, last + _LONGEST_ANSWER)
        found = attention_map(loaded, prompt, max_new_tokens=_LONGEST_ANSWER, of=of)
        profile.last.append(found.shares(last))
        profile.written.append(torch.stack([found.shares(position) for position in found.rows]).mean(dim=0))
        profile.tasks.append(item.question.task)
        profile.kept += _cells(_kept(found.image(last)))
        profile.kept_unrotated += _cells(_kept(unrotated_scores(loaded, prompt)))
        profile.things += _cells(item.scene.owners >= 0)
        tell(number)
    return profile


def _kept(scores: Tensor) -> np.ndarray:
    """Boolean (layers, GRID, GRID): the highest half of (layers, n_visual)."""
    count = torch.full((len(scores),), kept_tokens(scores.shape[1], 1 - KEPT))
    return highest(scores, count).view(-1, GRID, GRID).numpy()


def _cells(marked: np.ndarray) -> np.ndarray:
    """How many patches of each cell are marked: (..., GRID, GRID) -> int (..., CELLS, CELLS)."""
    side = GRID // CELLS
    return marked.reshape(*marked.shape[:-2], CELLS, side, CELLS, side).sum((-3, -1))


@torch.inference_mode()
def unrotated_scores(loaded: LoadedModel, prompt: Prompt) -> Tensor:
    """The last prompt token's attention to the visual tokens in each layer, from queries and keys without their
    rotation: float32 (layers, n_visual).

    The layers themselves compute with the rotation as always.
    """
    found: list[Tensor] = []
    with ExitStack() as stack:
        decoder: Any = loaded.family.decoder(loaded.model)
        for layer in decoder.layers:
            stack.enter_context(_unrotated(layer.self_attn, found))
        loaded.model(**prompt.inputs, use_cache=False)
    return torch.stack(found)[:, prompt.visual]


@contextmanager
def _unrotated(attention: Any, found: list[Tensor]) -> Iterator[None]:
    rotate: Any = sys.modules[type(attention).__module__].apply_rotary_pos_emb
    angles: list[tuple[Tensor, Tensor]] = []

    def remember(_module: Any, _args: tuple, kwargs: dict[str, Any]) -> None:
        angles[:] = [kwargs["position_embeddings"]]

    def read(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        cosine, sine = angles[0]
        query, key = rotate(query, key, cosine, -sine)
        found.append(last_token_attention(query, key, mask, scaling)[0].cpu())

    hook = attention.register_forward_pre_hook(remember, with_kwargs=True)
    try:
        with observing(attention, read):
            yield
    finally:
        hook.remove()
