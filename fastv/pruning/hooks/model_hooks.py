"""The hooks on a model that is being pruned: they tell a new prompt from one that goes on.

What is known of a forward belongs to that forward and its thread. What outlives it is kept where it belongs: a pruned
cache carries its cuts, and a ``generate`` without a cache is known by its place on the call stack.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidInputError, NestingError, UnsupportedModelError
from fastv.families.base import Family, base_of
from fastv.pruning.hooks.ended_context import ENDED, refuse_later
from fastv.pruning.hooks.forward_state import ForwardState
from fastv.pruning.hooks.layer_hooks import LayerHooks
from fastv.pruning.hooks.outer_arguments import OuterArguments
from fastv.pruning.hooks.prompt_cuts import PromptCuts
from fastv.pruning.hooks.pruned_cache import note_of, note_on, remove_note
from fastv.pruning.hooks.tower_reader import Calls, PromptTower, TowerReader
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.requirements import check_one_sample_per_row, check_trainable, check_window
from fastv.pruning.token_selection import TokenSelector, amounts
from fastv.pruning.trace import Trace
from fastv.pruning.transformers_compat import (
    cache_in,
    generate_call,
    generate_keys,
    held_columns,
    other_generates,
    runs_elsewhere,
)


class PruningHooks:
    """The hooks of one ``with`` on one model, for any number of threads."""

    def __init__(self, method: TokenSelector, model: nn.Module, family: Family, cut_layers: tuple[int, ...]) -> None:
        self.method, self.model, self.family, self.cut_layers = method, model, family, cut_layers
        self.base = base_of(model)
        self.decoder: Any = family.decoder(model)
        self.layers = LayerHooks(method, family, self.decoder, cut_layers, self._current, self._all_chosen)
        self.tower: TowerReader | None = None
        if self.layers.signals.wants_tower:
            self.tower = TowerReader(family.tower_layer(model), self._tower_calls, lambda: generate_call(self.base))
        self.trace = Trace()
        self._thread = threading.local()
        self._closing = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.layers.attached())
            if self.tower is not None:
                stack.enter_context(self.tower.attached())
            stack.enter_context(self.family.while_pruned(self.model, self.layers.kept))
            stack.enter_context(self.method.outside_decoder(self.model, self.family, self._prompts))
            handles = [
                self.base.register_forward_pre_hook(self._before_model, with_kwargs=True),
                self.base.register_forward_hook(self._after_model, always_call=True),
                self.decoder.register_forward_pre_hook(self._before_decoder, with_kwargs=True),
            ]
            if self.model is not self.base:
                handles.append(self.model.register_forward_pre_hook(self._before_outer, with_kwargs=True))
            for handle in handles:
                stack.callback(handle.remove)
            stack.callback(self._wait_for_forwards)
            before = other_generates(self.base)
            try:
                yield
            except BaseException:
                self._closing = True
                refuse_later(self.base, other_generates(self.base) - before)
                raise
            self._closing = True
            if running := other_generates(self.base) - before:
                refuse_later(self.base, running)
                raise NestingError(ENDED)

    def _wait_for_forwards(self) -> None:
        """Layers must not lose their hooks amid a forward of another thread."""
        while runs_elsewhere(self.base):
            time.sleep(0.001)

    # A forward begins: a new prompt, or one that goes on?

    def _before_outer(self, _model: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        self._thread.outer, kwargs = OuterArguments.of(kwargs)
        return args, kwargs

    def _before_model(self, _base: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        outer = vars(self._thread).pop("outer", None) or OuterArguments()
        self._thread.forward = self._thread.prompts = None
        if self._closing:  # of another thread, which is outside the ``with`` from now on
            return
        forward = self._thread.forward = ForwardState(outer, cache_in(kwargs))
        by_cache = self.family.positions_by_cache or kwargs.get("attention_mask") is None
        forward.counts_positions = by_cache and kwargs.get("position_ids") is None
        input_ids = kwargs.get("input_ids", args[0] if args else None)
        if forward.cache is not None and forward.cache.get_seq_length() > 0:
            self._continue_prompt(forward, input_ids, kwargs)
        elif input_ids is None:
            raise InvalidInputError("FastV finds visual tokens by input_ids. Pass input_ids in place of inputs_embeds.")
        else:
            remove_note(forward.cache)
            self._thread.prompts = input_ids
            self._start_prompt(forward, input_ids, kwargs)

    def _after_model(self, _base: nn.Module, _args: tuple, output: Any) -> None:
        forward, self._thread.forward, self._thread.prompts = self._current(), None, None
        if forward is None or output is None:  # None: the forward failed
            return
        if forward.prompt is not None:
            raise UnsupportedModelError(
                f"Decoder layer {self.cut_layers[forward.prompt.cut]} did not run its hooks, so nothing was pruned. "
                "Is the model compiled?"
            )
        if forward.reads_prompt and forward.cache is not None:
            note_on(forward.cache, forward.cuts, filled=True)

    def _start_prompt(self, forward: ForwardState, input_ids: Tensor, kwargs: dict[str, Any]) -> None:
        call, read = generate_call(self.base), input_ids.shape[1]
        own = call.prompt if call is not None else None
        is_own = own is not None and _begins_with(input_ids, own)
        visual = self.family.visual_mask(self.model, input_ids)
        counts = visual.sum(dim=1).tolist()
        if not any(counts):
            if is_own or own is None:
                self._tell(Trace.of_text(input_ids, self.cut_layers[0] > 0, len(self.decoder.layers)))
            return
        if own is not None and not is_own and _begins_with(own, input_ids):
            raise InvalidInputError(
                "FastV ranks visual tokens by the prompt's last token. Read the prompt whole, without "
                "prefill_chunk_size: this chunk ends earlier."
            )
        if getattr(forward.cache, "is_compileable", False):
            raise UnsupportedModelError(
                "FastV needs a cache whose layers may differ in length, not a StaticCache. Use the default cache."
            )
        check_window(self.decoder, read)
        # What is beyond the prompt of generate was drafted, or, without a cache, generated already.
        length = own.shape[1] if own is not None and is_own else read
        if forward.cache is None and call is not None and is_own:
            forward.uncached_call = call.key
            if read > length and call.key in self._uncached:
                forward.go_on(self._uncached[call.key], read, read, self.layers.traits, None)
                return
        if read > length:
            counts = visual[:, :length].sum(dim=1).tolist()
        mask = kwargs.get("attention_mask")
        inputs = dict(call.inputs if call is not None and is_own else {})
        inputs |= {name: value for name, value in kwargs.items() if value is not None}
        prompt = PromptTokens(
            visual[:, :length],
            mask if mask is None or mask.dim() != 2 else mask[:, :length],
            amounts(self.method, len(self.cut_layers)),
            self.family.visual_groups(self.model, input_ids[:, :length], counts, inputs),
            per_image=self.method.per == "image",
            kept_of_groups=self.method.kept_of_groups,
        )
        if prompt.drops:
            check_trainable(self.decoder)
            check_one_sample_per_row(kwargs, prompt.visual, prompt.real)
            forward.outer.check(visual)
        if self.tower is not None:
            forward.tower_calls = self.tower.calls_before(call if is_own else None)
            forward.tower = PromptTower(self.tower.layer, input_ids[:, :length], inputs, forward.tower_calls)
        forward.prompt, forward.read = prompt, read

    def _continue_prompt(self, forward: ForwardState, input_ids: Tensor | None, kwargs: dict[str, Any]) -> None:
        pixels = [value for name, value in kwargs.items() if name.startswith("pixel_values") and value is not None]
        if (kwargs.get("mm_encoder_outputs") or pixels) and (
            input_ids is None or self.family.visual_mask(self.model, input_ids).any()
        ):
            raise InvalidInputError(
                "FastV ranks visual tokens once, when the whole prompt is read. Give all images "
                "and the question in one prompt, with an empty cache, without prefill_chunk_size."
            )
        note = note_of(forward.cache)
        if note is None:
            return
        batch, new = (input_ids if input_ids is not None else kwargs["inputs_embeds"]).shape[:2]
        traits, cuts = self.layers.traits, note.cuts
        short = cuts.lost(traits.counted_layer)
        seen = forward.cache.get_seq_length() + short
        held = [held_columns(forward.cache, cut.layer) for cut in cuts]
        fits = cuts.layers == self.cut_layers and seen >= cuts.length
        fits = fits and all(columns == seen - cuts.lost(layer) for layer, columns in filter(None, held))
        if fits:
            cuts = note.follow(forward.cache)
        if not fits or cuts.row_count not in (1, batch):
            layers = ", ".join(map(str, cuts.layers))
            raise InvalidInputError(
                f"This cache does not fit: it was pruned at layer {layers} for {cuts.row_count} rows. Continue with "
                "the method it was pruned by and those rows, or use a new cache."
            )
        mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
        length = self.family.sequence_length(self.model, mask, positions) if short and new > 1 else None
        if length not in (None, seen + new):
            raise InvalidInputError(
                f"With k={cuts[0].layer} the cache does not show how many tokens were read. Pass the new tokens "
                "alone, and the attention_mask of the whole sequence."
            )
        check_window(self.decoder, seen + new)
        if traits.window_sizes and mask is not None and mask.dim() != 2:
            raise InvalidInputError(
                "With layers of several kinds, a pruned cache goes on with an attention_mask (batch, tokens) alone."
            )
        forward.padding = mask if mask is not None and mask.dim() == 2 else None
        forward.go_on(cuts, seen + new, new, traits, mask if traits.window_sizes else None)

    @property
    def _uncached(self) -> dict[int, PromptCuts]:
        """Of each ``generate`` without a cache that this thread is in, what was chosen when it read its prompt."""
        return vars(self._thread).setdefault("uncached", {})

    def _before_decoder(
        self, _decoder: nn.Module, args: tuple, kwargs: dict[str, Any]
    ) -> tuple[tuple, dict[str, Any]] | None:
        """After an early cut the cache's layer by which a decoder counts what was read is itself short."""
        forward = self._current()
        pruned = forward.decoder_inputs if forward else None
        if forward is None or pruned is None:
            return None
        kwargs = dict(kwargs)
        mask = kwargs.get("attention_mask")
        if pruned.decoder.window_sizes:
            pass  # layers of several kinds get masks of their own
        elif mask is not None and mask.dim() == 4 and mask.shape[-1] < pruned.length:
            kwargs["attention_mask"] = pruned.own_mask(mask.dtype, forward.padding)  # made before, by the short cache
        elif mask is not None:
            kwargs["attention_mask"] = pruned.prune_mask(mask)
        elif pruned.chosen.valid is not None:
            kwargs["attention_mask"] = pruned.selection.valid
        if kwargs.get("position_ids") is None:
            device = kwargs["inputs_embeds"].device
            kwargs["position_ids"] = torch.arange(pruned.length - pruned.new, pruned.length, device=device)[None]
        elif forward.counts_positions:  # models with multimodal rotary positions count before their decoder begins
            kwargs["position_ids"] = kwargs["position_ids"] + pruned.chosen.length - pruned.chosen.pruned_length
        return args, kwargs

    def _all_chosen(self, forward: ForwardState, trace: Trace) -> None:
        self._tell(trace)
        if forward.uncached_call is not None:
            running = generate_keys(self.base)
            for ended in self._uncached.keys() - running:
                del self._uncached[ended]
            self._uncached[forward.uncached_call] = forward.cuts if forward.reads_prompt else PromptCuts()
        stage = forward.stages[-1]
        if stage is not None:
            forward.outer.prune(stage.selection)

    def _prompts(self) -> Tensor | None:
        """The prompts whose pictures this thread encodes: of the forward it is in, or of ``generate`` before it."""
        if self._closing:
            return None
        prompts = getattr(self._thread, "prompts", None)
        call = generate_call(self.base) if prompts is None else None
        return prompts if call is None else call.prompt

    def _current(self) -> ForwardState | None:
        return getattr(self._thread, "forward", None)

    def _tower_calls(self) -> Calls | None:
        forward = self._current()
        return None if forward is None else forward.tower_calls

    def _tell(self, trace: Trace) -> None:
        vars(self.trace).update(vars(trace))


def _begins_with(ids: Tensor, prompt: Tensor) -> bool:
    """Whether every row of ``ids`` (batch, n) begins with that of ``prompt`` (batch, m)."""
    if len(ids) != len(prompt) or ids.shape[1] < prompt.shape[1]:
        return False
    return torch.equal(ids[:, : prompt.shape[1]], prompt.to(ids.device))
