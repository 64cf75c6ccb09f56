"""The hooks FastV puts on a model: they tell a new prompt from one that goes on, and cut what layers >= k are given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.base import Family
from fastv.pruning.attention_tap import observing
from fastv.pruning.caches import cache_in
from fastv.pruning.generate_call import Asked, asked_of
from fastv.pruning.index_selection import Cut, Selection
from fastv.pruning.methods.base import ATTENTION, Method
from fastv.pruning.signals import Attention, Signals
from fastv.pruning.token_selection import Prompt, Trace, choose

_NOTE = "_fastv_selection"  # what a cache was pruned to travels with it, through copies and into another ``with``


@dataclass
class _Uncached:
    """Generation without a cache runs the whole sequence for each token; the prompt's first choice must stay."""

    prompt: Tensor  # input_ids (batch, n)
    pictures: list[Tensor]  # as they were given
    reached: int  # the sequence's length in the latest forward
    selection: Selection | None = None

    def grew_by_one(self, input_ids: Tensor, pictures: list[Tensor]) -> bool:
        """Another picture makes another prompt; the same one is the same tensor, as none is changed in place."""
        return (
            input_ids.shape[1] == self.reached + 1
            and len(input_ids) == len(self.prompt)
            and [picture.data_ptr() for picture in pictures] == [picture.data_ptr() for picture in self.pictures]
            and torch.equal(input_ids[:, : self.prompt.shape[1]], self.prompt)
        )


def _pictures(kwargs: dict) -> list[Tensor]:
    return [value for name, value in kwargs.items() if name.startswith("pixel_values") and value is not None]


class Hooks:
    """The hooks of one ``with``, and what they remember from one forward to the next."""

    def __init__(self, method: Method, model: nn.Module, family: Family) -> None:
        self.method, self.model, self.family, self.decoder = method, model, family, family.decoder(model)
        self.trace = Trace()
        self._prompt: Prompt | None = None  # of the forward going on, until its choice is made
        self._cut: Cut | None = None  # of the forward going on
        self._uncached: _Uncached | None = None
        self._asked = Asked()
        self._read = 0  # columns of the forward in which the choice is made: the prompt, and what was drafted after it
        self._counts_positions = False  # in the forward going on, the model takes positions from the cache's length

    @contextmanager
    def attached(self) -> Iterator[None]:
        k, layers = self.method.k, self.decoder.layers
        base = getattr(self.model, "base_model", self.model)
        with ExitStack() as stack:
            self._asked = stack.enter_context(asked_of(self.model))
            if ATTENTION in self.method.reads:
                stack.enter_context(observing(layers[k - 1].self_attn, self._observe))
            handles = [
                base.register_forward_pre_hook(self._before_model, with_kwargs=True),
                base.register_forward_hook(self._after_model, always_call=True),
                self.decoder.register_forward_pre_hook(self._before_decoder, with_kwargs=True),
                layers[k].register_forward_pre_hook(self._before_layer_k, with_kwargs=True),
            ]
            handles += [
                layer.register_forward_pre_hook(self._before_later_layer, with_kwargs=True) for layer in layers[k + 1 :]
            ]
            for handle in handles:
                stack.callback(handle.remove)
            yield

    # The model's forward begins: a new prompt, or one that goes on?

    def _before_model(self, _model: nn.Module, args: tuple, kwargs: dict) -> None:
        self._after_model()
        self._counts_positions = kwargs.get("position_ids") is None and kwargs.get("attention_mask") is None
        input_ids = kwargs.get("input_ids", args[0] if args else None)
        cache = cache_in(kwargs)
        if cache is not None and cache.get_seq_length() > 0:
            self._go_on(cache, input_ids, kwargs)
        elif input_ids is None:
            raise InvalidInputError("FastV finds visual tokens by input_ids. Pass input_ids in place of inputs_embeds.")
        elif cache is None and self._uncached is not None and self._uncached.grew_by_one(input_ids, _pictures(kwargs)):
            self._uncached.reached += 1
            if self._uncached.selection is not None:
                self._set_cut(self._uncached.selection, self._uncached.reached, self._uncached.reached)
        else:
            self._uncached = _Uncached(input_ids, _pictures(kwargs), input_ids.shape[1]) if cache is None else None
            getattr(cache, "__dict__", {}).pop(_NOTE, None)
            self._start(input_ids, kwargs.get("attention_mask"), cache)

    def _after_model(self, *_: Any) -> None:
        self._prompt = self._cut = None

    def _start(self, input_ids: Tensor, mask: Tensor | None, cache: Any) -> None:
        visual = self.family.visual_mask(self.model, input_ids)
        if not visual.any():
            nothing = torch.empty(len(input_ids), 0, dtype=torch.long, device=input_ids.device)
            scores = None if self.method.k == 0 else nothing.float()
            self._tell(Trace(nothing, scores, nothing, input_ids.shape[1], input_ids.shape[1]))
            return
        if getattr(cache, "is_compileable", False):
            raise UnsupportedModelError(
                "FastV needs a cache whose layers may differ in length, not a StaticCache. Use the default cache."
            )
        read = input_ids.shape[1]
        self._check_window(read)
        length = read if cache is None or self._asked.length is None else self._asked.length
        if read < length:
            raise InvalidInputError(
                "FastV ranks visual tokens by the prompt's last token. Read the prompt whole, without "
                "prefill_chunk_size: this chunk ends before."
            )
        # What is beyond the prompt was drafted, by an assistant or by a lookup, and may be taken back.
        self._prompt = Prompt(
            visual[:, :length], mask if mask is None or mask.dim() != 2 else mask[:, :length], self.method.kept_of
        )
        self._read = read

    def _go_on(self, cache: Any, input_ids: Tensor | None, kwargs: dict) -> None:
        pictures = kwargs.get("mm_encoder_outputs") or _pictures(kwargs)
        if pictures and (input_ids is None or self.family.visual_mask(self.model, input_ids).any()):
            raise InvalidInputError(
                "FastV ranks visual tokens once, when the whole prompt is read. Give all pictures "
                "and the question in one prompt, with an empty cache, without prefill_chunk_size."
            )
        selection: Selection | None = getattr(cache, _NOTE, None)
        if selection is None:
            return
        batch, new = (input_ids if input_ids is not None else kwargs["inputs_embeds"]).shape[:2]
        k = self.method.k
        missing = selection.length - selection.pruned_length
        seen = cache.get_seq_length() + (missing if k == 0 else 0)
        fits = selection.k == k and len(selection.index) in (1, batch) and seen >= selection.length
        if not fits or cache.get_seq_length(k) != seen - missing:
            raise InvalidInputError(
                f"This cache does not fit: it was pruned at layer {selection.k} for "
                f"{len(selection.index)} rows. Go on with that k and those rows, or a new cache."
            )
        if k == 0 and new > 1 and self._length_of(kwargs) not in (None, seen + new):
            raise InvalidInputError(
                "With k=0 the cache does not tell how much has been read. Pass the new tokens "
                "alone, and the attention_mask of the whole sequence."
            )
        self._check_window(seen + new)
        self._set_cut(selection, seen + new, new)

    def _length_of(self, kwargs: dict) -> int | None:
        """The whole sequence's length by the model's own arguments, where they tell."""
        mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if mask is not None:
            return mask.shape[-1]
        if positions is None:
            return None
        if positions.dim() == 3:  # multimodal rotary: of four rows the first counts tokens, else all run deltas ahead
            deltas = getattr(getattr(self.model, "base_model", self.model), "rope_deltas", None)
            if len(positions) < 4 and deltas is not None:
                positions = positions - deltas.repeat_interleave(positions.shape[1] // len(deltas), dim=0)
            positions = positions[0]
        return int(positions.max()) + 1

    def _check_window(self, length: int) -> None:
        config = self.decoder.config
        window = getattr(config, "sliding_window", None)
        if window and length >= window and "full_attention" not in (getattr(config, "layer_types", None) or ()):
            raise InvalidInputError(
                f"{length} tokens are more than the model's sliding window of {window} holds, and "
                "FastV cannot prune beyond it. Shorten the prompt or the answer."
            )

    def _before_decoder(self, _decoder: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        """With k = 0 the cache's layer 0, by which the decoder knows how far it has come, is itself short."""
        cut = self._cut
        if self.method.k > 0 or cut is None or cut.whole:
            return None
        kwargs = dict(kwargs)
        if kwargs.get("attention_mask") is not None:
            kwargs["attention_mask"] = cut.mask(kwargs["attention_mask"])
        elif cut.chosen.valid is not None:
            kwargs["attention_mask"] = cut.selection.valid
        if kwargs.get("position_ids") is None:
            device = kwargs["inputs_embeds"].device
            kwargs["position_ids"] = torch.arange(cut.length - cut.new, cut.length, device=device)[None]
        elif self._counts_positions:  # models with multimodal rotary positions have done so before their decoder begins
            kwargs["position_ids"] = kwargs["position_ids"] + cut.chosen.length - cut.chosen.pruned_length
        return args, kwargs

    # Layer k - 1 shows its queries and keys, layer k makes the choice, layers >= k are given what is kept.

    def _observe(self, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        if self._prompt is None:
            return
        length = self._prompt.visual.shape[1]
        query, key = query[:, :, :length], key[:, :, :length]
        mask = mask if mask is None else mask[..., :length] if mask.dim() == 2 else mask[..., :length, :length]
        signals = Signals(attention=Attention(query, key, mask, scaling))
        with torch.no_grad():
            self._prompt.choice = self.method.select(self._prompt, signals)

    def _before_layer_k(self, _layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        if self._prompt is not None:
            prompt, self._prompt = self._prompt, None
            selection, trace = choose(prompt, self.method)
            self._tell(trace)
            if selection is not None:
                self._set_cut(selection, self._read, self._read)
            if self._uncached is not None:
                self._uncached.selection = selection
        if self._cut is not None and self._cut.whole:
            cache = cache_in(kwargs)
            if cache is not None:
                setattr(cache, _NOTE, self._cut.chosen)
            args, kwargs = self._cut.hidden_states(args, kwargs)
        return self._before_later_layer(_layer, args, kwargs)

    def _before_later_layer(self, _layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        if self._cut is None or (self.method.k == 0 and not self._cut.whole):
            return None
        return args, self._cut.companions(kwargs)

    def _tell(self, trace: Trace) -> None:
        vars(self.trace).update(vars(trace))

    def _set_cut(self, chosen: Selection, length: int, new: int) -> None:
        self._cut = Cut(chosen, length, new, flat_mask="flash" in self.decoder.config._attn_implementation)
