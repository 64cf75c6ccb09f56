"""Where each decoder layer looks: rows of attention of single tokens, read while the model answers once.

Every layer's own kernel computes its attention as always, and shows its queries and keys. The rows of the asked-for
tokens alone are computed from these, in float32: never a map of all tokens by all tokens, and never in a pass that is
timed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from fastv.errors import FastVError, InvalidInputError, UnsupportedModelError
from fastv.loading.error_messages import is_out_of_memory
from fastv.loading.load import LoadedModel
from fastv.loading.precision import free_memory
from fastv.measurement.prompt import Prompt
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.timing import generate
from fastv.pruning.attention_tap import observing
from fastv.pruning.scorers import head_attention_rows
from fastv.worker import never

#: What a prompt and its answer consist of: text before the first visual token, visual tokens, text after it, answer.
PARTS = ("system", "image", "question", "answer")


@dataclass(frozen=True)
class AttentionMap:
    """Rows of attention of one prompt and its answer.

    Attributes
    ----------
    prompt : Prompt
    answer : tuple of int
        The tokens generated; the last one is attended from nowhere.
    layers : tuple of int
        The decoder layers that attend through a kernel; a row's first dimension.
    rows : mapping of int to Tensor
        By the position of the token that looks: float32 (layers, position + 1), means over heads, each sums to 1. The
        token at position ``n - 1 + i`` of a prompt of n tokens is the one that writes ``answer[i]``.
    heads : mapping of int to Tensor
        The same for each head, float32 (layers, heads, position + 1), where it was asked for.
    """

    prompt: Prompt
    answer: tuple[int, ...]
    layers: tuple[int, ...]
    rows: dict[int, Tensor] = field(repr=False)
    heads: dict[int, Tensor] = field(repr=False)

    @property
    def last(self) -> int:
        """The position of the last prompt token, by whose attention FastV ranks."""
        return self.prompt.tokens - 1

    def image(self, position: int) -> Tensor:
        """What the visual tokens get: float32 (layers, n_visual), or for a token before some of them fewer."""
        return _visible(self.rows[position], self.prompt.visual)

    def image_by_head(self, position: int) -> Tensor:
        """The same for each head: float32 (layers, heads, n_visual)."""
        return _visible(self.heads[position], self.prompt.visual)

    def shares(self, position: int) -> Tensor:
        """The share of attention that each of PARTS gets: float32 (layers, 4), each layer sums to 1."""
        return shares(self.rows[position], self.prompt.visual)


def shares(row: Tensor, visual: Tensor) -> Tensor:
    """The share of a row (..., columns) that each of PARTS gets, (..., 4).

    Parameters
    ----------
    visual : Tensor
        Boolean (n,), the prompt's visual tokens; columns beyond n are the answer's.
    """
    part = part_of(visual, row.shape[-1]).to(row.device)
    return torch.stack([row[..., part == index].sum(dim=-1) for index in range(len(PARTS))], dim=-1)


def part_of(visual: Tensor, columns: int) -> Tensor:
    """To which of PARTS each column belongs, by its index: long (columns,)."""
    after = visual.cumsum(0) > 0
    prompt = torch.where(visual, 1, torch.where(after, 2, 0))[:columns]
    return torch.cat([prompt, torch.full((columns - len(prompt),), 3)])


def _visible(row: Tensor, visual: Tensor) -> Tensor:
    known = visual[: row.shape[-1]]
    return row[..., : len(known)][..., known]


@torch.inference_mode()
def attention_map(
    loaded: LoadedModel,
    prompt: Prompt,
    *,
    max_new_tokens: int = 1,
    of: Collection[int] | None = None,
    per_head: Collection[int] = (),
    stopped: Callable[[], bool] = never,
) -> AttentionMap:
    """Answer a prompt greedily without pruning, and read what single tokens attend to.

    Parameters
    ----------
    max_new_tokens
        The longest answer; by default the prompt is only read.
    of
        Positions of the tokens whose rows are read, in the prompt and behind it; by default the text behind the last
        visual token and all of the answer. The last prompt token is always among them.
    per_head
        Those of them of which each head's row is kept too.
    stopped
        Asked after each token whether to end the answer there.

    Raises
    ------
    InvalidInputError
        For a position that is not in the prompt or in an answer of this length.
    UnsupportedModelError
        For a model none of whose layers attends through transformers' AttentionInterface.
    FastVError
        Where memory ran out.
    """
    length = prompt.tokens
    texts = range(int(prompt.visual.nonzero()[-1]) + 1, length)
    wanted = set(chain(texts, range(length, length + max_new_tokens)) if of is None else of) | {length - 1}
    if not wanted | set(per_head) <= set(range(length + max_new_tokens)):
        raise InvalidInputError(f"Attention can be read of tokens 0 to {length + max_new_tokens - 1} of this prompt.")
    reader = _RowReader(loaded, wanted | set(per_head), set(per_head))
    try:
        with loaded.lock, fitting_threads(loaded.device), reader.attached():
            answer = generate(loaded.model, prompt.inputs, max_new_tokens=max_new_tokens, stopped=stopped)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        free_memory(loaded.device)
        raise FastVError("Out of memory while reading attention: choose a smaller model or image.") from None
    return AttentionMap(
        prompt,
        answer.tokens,
        reader.layers,
        reader.joined(reader.rows),
        reader.joined(reader.heads),
    )


class _RowReader:
    """Collects rows while a model runs: by token, one row of each layer in turn."""

    def __init__(self, loaded: LoadedModel, wanted: set[int], per_head: set[int]) -> None:
        decoder: Any = loaded.family.decoder(loaded.model)
        self.attentions = {
            index: layer.self_attn for index, layer in enumerate(decoder.layers) if hasattr(layer, "self_attn")
        }
        if not self.attentions:
            raise UnsupportedModelError(f"{loaded.entry.name} has no layer whose attention can be read.")
        self.layers = tuple(self.attentions)
        self.wanted, self.per_head = sorted(wanted), per_head
        self.rows: dict[int, dict[int, Tensor]] = {}
        self.heads: dict[int, dict[int, Tensor]] = {}
        self._seen = dict.fromkeys(self.layers, 0)  # columns each layer has read so far

    @contextmanager
    def attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            for index, attention in self.attentions.items():
                stack.enter_context(observing(attention, partial(self._read, index)))
            yield

    def _read(self, layer: int, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        start = self._seen[layer]
        self._seen[layer] = end = start + query.shape[2]
        for position in self.wanted:
            if start <= position < end:
                self._keep(layer, position, *_one_row(query, key, mask, position - start), scaling)

    def _keep(self, layer: int, position: int, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        row = 0 if mask is not None and mask.dim() == 4 else key.shape[2] - 1  # where the query stands in its mask
        heads = head_attention_rows(query, key, mask, scaling, start=row)[0, :, 0]
        missing = position + 1 - heads.shape[-1]  # columns that a sliding window has left behind
        heads = torch.nn.functional.pad(heads, (missing, 0))
        self.rows.setdefault(position, {})[layer] = heads.mean(dim=0).cpu()
        if position in self.per_head:
            self.heads.setdefault(position, {})[layer] = heads.cpu()

    def joined(self, kept: dict[int, dict[int, Tensor]]) -> dict[int, Tensor]:
        return {
            position: torch.stack([by_layer[layer] for layer in self.layers]) for position, by_layer in kept.items()
        }


def _one_row(query: Tensor, key: Tensor, mask: Tensor | None, row: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The kernel's arguments for one query alone, with the columns up to its own: the mask has one row then."""
    columns = key.shape[2] - (query.shape[2] - 1 - row)
    if mask is not None:
        mask = mask[:, :columns] if mask.dim() == 2 else mask[:, :, row : row + 1, :columns]
    return query[:, :, row : row + 1], key[:, :, :columns], mask


def mean_shares(found: Iterable[Tensor]) -> list[dict[str, float]]:
    """Means over (layers, 4) shares of several prompts: for each layer a share of each of PARTS."""
    mean = torch.stack(list(found)).mean(dim=0)
    return [dict(zip(PARTS, (round(float(part), 4) for part in layer), strict=True)) for layer in mean]
