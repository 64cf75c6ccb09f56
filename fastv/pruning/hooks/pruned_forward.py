"""One forward's inputs to the layers from a cut on, cut down to what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from fastv.pruning.hooks.prompt_cuts import Cut
from fastv.pruning.hooks.sliding_windows import Window, added, grown_mask
from fastv.pruning.index_selection import Selection


@dataclass(frozen=True)
class DecoderTraits:
    """What cutting a decoder's inputs depends on.

    Attributes
    ----------
    flat_mask
        Whether the attention kernel takes (batch, n) masks (flash attention).
    rotary
        Its rotary embedding, from states and position_ids to (cos, sin), where it has one of one dimension.
    window_sizes
        See ``sliding_windows.window_sizes``.
    counted_layer
        The first layer that attends: how many columns it holds is what a cache says of its length.
    """

    flat_mask: bool
    rotary: Callable[[Tensor, Tensor], Any] | None = None
    window_sizes: tuple[int | None, ...] = ()
    counted_layer: int = 0


class PrunedForward:
    """One forward's inputs to the layers from one cut to the next.

    Parameters
    ----------
    chosen : Selection
        All columns that are left there, for the sequence as it was when the choice was made.
    length : int
        What it has grown to, the ``new`` columns included.
    new : int
        Columns that are queries in this forward: all of them when the sequence is read from its start.
    decoder : DecoderTraits
        Of the model.
    cut : Cut or None
        The cut itself; None where no layer is given hidden states.
    log_weights : Tensor or None
        float32 (batch, columns of ``chosen``), see ``Cut``.
    shifts : Tensor or None
        long (batch, columns of ``chosen``), see ``Cut``.
    real : Tensor or None
        (batch, length), non-zero = no padding; None where there is none, or the decoder's own masks tell.
    """

    def __init__(
        self,
        chosen: Selection,
        length: int,
        new: int,
        decoder: DecoderTraits,
        cut: Cut | None = None,
        log_weights: Tensor | None = None,
        shifts: Tensor | None = None,
        real: Tensor | None = None,
    ) -> None:
        self.chosen, self.length, self.new, self.decoder, self.cut = chosen, length, new, decoder, cut
        self.log_weights, self.shifts, self.real = log_weights, shifts, real
        self.whole = new == length
        self._done: dict[tuple, tuple[Any, Any]] = {}

    @cached_property
    def selection(self) -> Selection:
        return self.chosen.grown(self.length)

    def prune_hidden_states(self, hidden_states: Tensor) -> Tensor:
        """What enters the cut's layer, given what left the layer before: (batch, n, width)."""
        assert self.cut is not None
        step = self.cut.selection
        if step is None:
            return hidden_states
        hidden_states = step.grown(step.length + self.length - self.chosen.length).take(hidden_states, -2)
        new = self.cut.new_states
        return hidden_states if new is None else new.put(hidden_states)

    def prune_kwargs(
        self,
        kwargs: dict[str, Any],
        dtype: torch.dtype = torch.float32,
        queries: int | None = None,
        window: Window | None = None,
    ) -> dict[str, Any]:
        """A layer's keyword arguments with what goes along with its hidden states cut: mask and positions.

        Parameters
        ----------
        kwargs
            As the layer is given them.
        dtype, queries
            Of its hidden states, cut: their type, and how many there are where it is given only the last of them.
        window
            What the layer sees; None for everything.
        """
        mask, embeddings = kwargs.get("attention_mask"), kwargs.get("position_embeddings")
        whole = self.reads(queries)
        queries = self._queries if queries is None or whole else queries
        cut: dict[str, Any] = {}
        if self.log_weights is not None:
            weighted = partial(self._weighted_mask, dtype=dtype, queries=queries, window=window)
            cut["attention_mask"] = self._once(mask, weighted, queries, window)
        elif mask is not None or self.chosen.valid is not None or self.whole or self._makes_masks:
            shorten = partial(self.prune_mask, queries=queries, window=window)
            cut["attention_mask"] = self._once(mask, shorten, queries, window)
        if self.shifts is not None:
            ids = kwargs["position_ids"]
            cut["position_embeddings"] = self._once(embeddings, partial(self._shifted, position_ids=ids))
        elif whole and embeddings is not None:
            cut["position_embeddings"] = self._once(embeddings, self._embeddings)
        if whole and kwargs.get("position_ids") is not None:
            cut["position_ids"] = self._once(kwargs["position_ids"], self._position_ids)
        return kwargs | cut

    def prune_recurrent_kwargs(self, kwargs: dict[str, Any], queries: int) -> dict[str, Any]:
        """The same for a layer that keeps a state of what it reads: its mask, (batch, n) or None, is of that alone."""
        if not self.reads(queries):
            return kwargs
        mask = self._once(kwargs.get("attention_mask"), self._padding_mask, "recurrent")
        return kwargs | {"attention_mask": mask}

    def reads(self, queries: int | None) -> bool:
        """Whether a layer with so many hidden states reads the sequence from its start."""
        return self.whole and queries in (None, self.selection.pruned_length)

    def prune_mask(
        self, mask: Tensor | None, queries: int | None = None, window: Window | None = None
    ) -> Tensor | None:
        """The mask of the cut sequence, given the mask of the whole one (see ``Selection.take_mask``)."""
        if self._makes_masks:
            if self.decoder.flat_mask:
                return self._flat_mask()
            return self.own_mask(torch.bool if mask is None else mask.dtype, self.real, window)
        queries = self._queries if queries is None else queries
        if mask is not None:
            return self.selection.take_mask(mask, rows=self.reads(queries))
        if self.chosen.valid is None:
            return None
        if self.decoder.flat_mask:
            return self.selection.valid
        return self.selection.new_mask(queries)

    def _padding_mask(self, mask: Tensor | None) -> Tensor | None:
        return self.selection.valid if mask is None else self.selection.take_mask(mask, rows=False)

    @property
    def _queries(self) -> int:
        return self.selection.pruned_length if self.whole else self.new

    def own_mask(self, dtype: torch.dtype, real: Tensor | None, window: Window | None = None) -> Tensor:
        """The mask of a sequence that goes on, (batch, 1, new, columns), made without the decoder's; see
        ``sliding_windows.grown_mask``. dtype: boolean, or floating for what is added to logits.
        """
        own = grown_mask(self.selection, real, self.new, window)
        return added(own, dtype) if dtype.is_floating_point else own

    @property
    def _makes_masks(self) -> bool:
        """Whether those that the decoder makes may be of another length than the layer."""
        return not self.whole and bool(self.decoder.window_sizes)

    def _flat_mask(self) -> Tensor | None:
        if self.real is None:
            return self.selection.valid
        return self.selection.take_mask(self.real, rows=False)

    def _weighted_mask(self, mask: Tensor | None, dtype: torch.dtype, queries: int, window: Window | None) -> Tensor:
        """The same as what is added to the attention logits, floating (batch, 1, queries, columns)."""
        assert self.log_weights is not None
        cut = self.prune_mask(mask, queries, window)
        if cut is None:
            cut = self.selection.new_mask(queries)
        if cut.dtype == torch.bool:
            cut = added(cut, dtype)
        weights = pad(self.log_weights, (0, self.selection.pruned_length - self.log_weights.shape[1]))
        return cut + weights[:, None, None, -cut.shape[-1] :].to(cut)

    def _shifted(self, pair: tuple[Tensor, ...], position_ids: Tensor) -> Any:
        assert self.shifts is not None and self.decoder.rotary is not None
        shifts = self.shifts[:, -1:]  # of all that came later
        if self.whole:
            later = self.selection.pruned_length - self.shifts.shape[1]
            shifts = torch.cat([self.shifts, shifts.expand(-1, later)], dim=1)
            position_ids = self.selection.take(position_ids, -1)
        position_ids = position_ids - shifts.to(position_ids.device)
        return self.decoder.rotary(pair[0], position_ids)

    def _position_ids(self, position_ids: Tensor) -> Tensor | None:
        # Layers rotate by position_embeddings; position_ids go to the kernel alone, and flash attention takes gaps in
        # them for borders between packed sequences.
        return None if self.decoder.flat_mask else self.selection.take(position_ids, -1)

    def _embeddings(self, pair: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(self.selection.take(part, -2) for part in pair)

    def _once(self, value: Any, shorten: Callable, *how: Any) -> Any:
        """Layers are given the same objects, so each is cut once in each way; it is held on to, so that no other gets
        its id.
        """
        key = id(value), *how
        if key not in self._done:
            self._done[key] = value, shorten(value)
        return self._done[key][1]
