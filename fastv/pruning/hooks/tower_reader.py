"""Observing a layer of the vision tower, in the forward of a prompt or where ``generate`` reads pictures before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import local
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidInputError
from fastv.families.tower_layers import TowerLayer, TowerSequences
from fastv.pruning.attention_tap import observing
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.scorers.tower_attention import received_attention
from fastv.pruning.signals import Tower
from fastv.pruning.transformers_compat import GenerateCall

Calls = list[tuple[nn.Module, Tensor, Tensor, float]]  # module, query, key (sequences, heads, n, width), scaling


class TowerReader:
    """What the tower's layer shows while a model is being pruned.

    Parameters
    ----------
    layer : TowerLayer
        Of the model.
    forward_calls : callable
        The calls seen in the forward that this thread is in, to be added to; None outside of one.
    running_generate : callable
        The ``generate`` that this thread is in, or None.
    """

    def __init__(
        self,
        layer: TowerLayer,
        forward_calls: Callable[[], Calls | None],
        running_generate: Callable[[], GenerateCall | None],
    ) -> None:
        self.layer, self._forward_calls, self._running_generate = layer, forward_calls, running_generate
        self._thread = local()

    @contextmanager
    def attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            for module in dict.fromkeys(self.layer.attentions.values()):
                stack.enter_context(observing(module, partial(self._observe, module)))
            yield

    def calls_before(self, generate: GenerateCall | None) -> Calls:
        """What this ``generate`` showed before its first forward; told once."""
        inputs, calls = vars(self._thread).pop("waiting", (None, []))
        return calls if generate is not None and inputs is generate.inputs else []

    def _observe(self, module: nn.Module, query: Tensor, key: Tensor, _mask: Tensor | None, scaling: float) -> None:
        if self.layer.has_cls:
            query = query[:, :, :1]
        calls = self._forward_calls()
        if calls is None:
            generate = self._running_generate()
            if generate is None:
                return
            # Another one's, which failed before its first forward, may wait there still.
            if vars(self._thread).get("waiting", (None,))[0] is not generate.inputs:
                self._thread.waiting = generate.inputs, []
            calls = self._thread.waiting[1]
        calls.append((module, query.detach(), key.detach(), scaling))


class PromptTower:
    """What the tower's layer showed for one prompt.

    Whatever depends on values is read when this is made, before the decoder's layers run.

    Parameters
    ----------
    layer : TowerLayer
        Of the model.
    input_ids : Tensor
        long (batch, n), of the prompt.
    inputs : mapping
        What the model, or ``generate``, was given beside them.
    calls : list
        Filled until the decoder begins.
    """

    def __init__(self, layer: TowerLayer, input_ids: Tensor, inputs: Mapping[str, Any], calls: Calls) -> None:
        self.layer, self.input_ids, self.calls = layer, input_ids, calls
        self.sequences = {token: layer.sequences(token, inputs) for token in layer.attentions}

    def signal(self, prompt: PromptTokens) -> Tower:
        """For the visual tokens that are there at a cut."""
        attention, keys = self._of_all(prompt)
        order, absent = prompt.ordinals.clamp(min=0), prompt.ordinals < 0
        attention = attention.gather(1, order).masked_fill(absent, 0)
        keys = torch.take_along_dim(keys, order[..., None], dim=1).masked_fill(absent[..., None], 0)
        return Tower(attention, keys, self.layer.has_cls, self._heads)

    def _of_all(self, prompt: PromptTokens) -> tuple[Tensor, Tensor]:
        """Attention float32 (batch, n) and keys (batch, n, width) of the visual tokens before any cut."""
        if not hasattr(self, "_found"):
            with torch.no_grad():
                self._found = self._read(prompt)
            self._heads = self.calls[0][2].shape[1]
            self.calls.clear()
        return self._found

    def _read(self, prompt: PromptTokens) -> tuple[Tensor, Tensor]:
        parts, positions = [], prompt.original_positions
        ids = self.input_ids.gather(1, positions.clamp(min=0)).masked_fill(positions < 0, -1)
        read: dict[nn.Module, int] = {}
        for token, module in self.layer.attentions.items():
            sequences, calls = self.sequences[token], [call[1:] for call in self.calls if call[0] is module]
            if sequences is not None and calls:
                parts.append((token, *_of_tokens(sequences, calls, read.get(module, 0))))
                read[module] = read.get(module, 0) + sum(sequences.lengths or ())
        found = sum(len(attention) for _, attention, _ in parts)
        total = sum(prompt.original_counts)
        repeats, rest = divmod(total, found) if found else (0, 1)
        if rest or len(ids) % max(repeats, 1):
            raise InvalidInputError(
                f"The vision tower showed {found} visual tokens, where the prompt has {total}: it did not run for this "
                "prompt inside the `with`. Pass the images themselves, or use a method that does not look at it."
            )
        # Beams repeat the rows of a prompt, whose pictures the tower read once.
        ids, start = ids[::repeats], 0
        index = torch.zeros_like(ids)
        for token, attention, _ in parts:
            own = ids == token
            rank = own.flatten().cumsum(0).view_as(ids) - 1
            index = torch.where(own, (rank + start).clamp(max=found - 1), index)
            start += len(attention)
        index = index.repeat_interleave(repeats, dim=0)
        attention = torch.cat([attention for _, attention, _ in parts]).to(index.device)
        keys = torch.cat([keys for _, _, keys in parts]).to(index.device)
        return attention[index], keys[index]


def _of_tokens(
    sequences: TowerSequences, calls: list[tuple[Tensor, Tensor, float]], start: int
) -> tuple[Tensor, Tensor]:
    """Attention (tokens,) and keys (tokens, width) of pictures, or of videos; start: patches that belong to others."""
    dim = 0 if sequences.lengths is None else 2
    query, key = torch.cat([call[0] for call in calls], dim), torch.cat([call[1] for call in calls], dim)
    scaling = calls[0][2]
    if sequences.lengths is None:
        count, length = key.shape[0], key.shape[2]
        attention = received_attention(query, key, scaling)
    else:
        count, length, lengths = 1, sum(sequences.lengths), list(sequences.lengths)
        query, key = (part[:, :, start : start + length] for part in (query, key))
        if key.shape[2] != length:
            return query.new_empty(0, dtype=torch.float32), key.new_empty(0, key.shape[1] * key.shape[3])
        pairs = zip(query.split(lengths, 2), key.split(lengths, 2))
        attention = torch.cat([received_attention(one, other, scaling) for one, other in pairs], dim=1)
    patches = sequences.patches(count, length).to(key.device)
    own, index = (patches >= 0).float(), patches.clamp(min=0)
    share = sequences.shares
    share = own / own.sum(dim=1, keepdim=True).clamp(min=1) if share is None else share.to(key.device)
    # Tokens that no patch becomes get 0.
    keys = key.transpose(1, 2).flatten(2).flatten(0, 1)[index]  # (tokens, patches of each, heads * width)
    return (attention.flatten()[index] * share).sum(dim=1), (keys.float() * share[..., None]).sum(dim=1).to(keys)
