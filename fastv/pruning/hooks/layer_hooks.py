"""The hooks on decoder layers: on entering a cut's layer the choice is made; from there on layers get what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from fastv.families.base import Family
from fastv.pruning.choice import Choice
from fastv.pruning.hooks.forward_state import ForwardState
from fastv.pruning.hooks.prompt_cuts import Cut, NewStates
from fastv.pruning.hooks.prompt_weights import log_weights_of, shifts_of
from fastv.pruning.hooks.pruned_cache import note_on
from fastv.pruning.hooks.pruned_forward import DecoderTraits
from fastv.pruning.hooks.signal_collector import SignalCollector
from fastv.pruning.hooks.sliding_windows import window_of, window_sizes
from fastv.pruning.index_selection import Selection
from fastv.pruning.prompt_tokens import PromptTokens
from fastv.pruning.token_selection import TokenSelector
from fastv.pruning.trace import Trace
from fastv.pruning.transformers_compat import cache_in


class LayerHooks:
    """What happens between the layers of one decoder.

    Parameters
    ----------
    method, family, decoder
        As for ``PruningHooks``.
    cut_layers : tuple of int
        On entering which layers tokens are dropped, ascending.
    current : callable
        The forward that this thread is in, or None.
    done : callable
        Called with the forward and a trace when all choices for a prompt are made.
    """

    def __init__(
        self,
        method: TokenSelector,
        family: Family,
        decoder: Any,
        cut_layers: tuple[int, ...],
        current: Callable[[], ForwardState | None],
        done: Callable[[ForwardState, Trace], None],
    ) -> None:
        self.method, self.family, self.decoder, self.cut_layers = method, family, decoder, cut_layers
        self._current, self._done = current, done
        wanted = [(layer, tuple(method.reads_at(cut, layer))) for cut, layer in enumerate(cut_layers)]
        attentions = [family.attention(layer) for layer in decoder.layers]
        self.attends = [attention is not None for attention in attentions]
        self.window_sizes = window_sizes(decoder.config)
        self.signals = SignalCollector(wanted, list(decoder.layers), attentions, current, self._choose)

    @contextmanager
    def attached(self) -> Iterator[None]:
        first = min(self.cut_layers[0], *self.signals.layers)
        with ExitStack() as stack:
            stack.enter_context(self.signals.attached())
            for number, layer in enumerate(self.decoder.layers):
                if number >= first:
                    hook = partial(self._before_layer, number)
                    stack.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
            yield

    @property
    def traits(self) -> DecoderTraits:
        flat_mask = "flash" in self.decoder.config._attn_implementation
        rotary = getattr(self.decoder, "rotary_emb", None)
        return DecoderTraits(flat_mask, rotary, self.window_sizes, self.attends.index(True))

    def kept(self, layer: int) -> Selection | None:
        """What of its sequence a layer sees in the forward that this thread is in; None for all of it."""
        forward = self._current()
        stage = forward.stage(layer) if forward is not None else None
        return stage.selection if stage is not None and stage.whole else None

    def _before_layer(
        self, number: int, _layer: nn.Module, args: tuple, kwargs: dict[str, Any]
    ) -> tuple[tuple, dict[str, Any]] | None:
        forward = self._current()
        if forward is None:
            return None
        hidden = args[0] if args else kwargs["hidden_states"]
        if forward.prompt is not None and number == self.cut_layers[forward.prompt.cut]:
            self._cut(forward, hidden, kwargs)
        stage = forward.stage(number)
        if stage is not None:
            if stage.whole and number in self.cut_layers:
                hidden = stage.prune_hidden_states(hidden)
                args, kwargs = ((hidden, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": hidden})
            if self.attends[number]:
                window = window_of(self.window_sizes, number, forward.cache)
                kwargs = stage.prune_kwargs(kwargs, hidden.dtype, hidden.shape[1], window)
            else:
                kwargs = stage.prune_recurrent_kwargs(kwargs, hidden.shape[1])
            if stage.reads(hidden.shape[1]):
                args, kwargs = self.family.prune_arguments(stage.selection, args, kwargs)
        if forward.projected_keys is not None:
            forward.projected_keys.entering = hidden
        if forward.prompt is not None:
            self.signals.entered(number, forward, hidden, kwargs)
        return None if stage is None else (args, kwargs)

    def _choose(
        self, forward: ForwardState, hidden: Tensor | None = None, kwargs: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        assert forward.prompt is not None
        signals = self.signals.signals(forward, hidden, kwargs)
        with torch.no_grad():
            choice = self.method.select(forward.prompt, signals)
        if choice.states is not None and torch.is_grad_enabled():  # gradients go through them
            choice = self.method.select(forward.prompt, signals)
        forward.choice = choice

    def _cut(self, forward: ForwardState, hidden: Tensor, kwargs: dict[str, Any]) -> None:
        if forward.choice is None:
            assert forward.prompt is not None
            before = forward.stage(self.cut_layers[forward.prompt.cut])
            self._choose(forward, hidden, kwargs if before is None else before.prune_kwargs(kwargs))
        prompt, choice = forward.prompt, forward.choice
        assert prompt is not None and choice is not None
        with torch.no_grad():
            selection = prompt.selection(choice)
            later = prompt.after(selection, choice)
            cut = self._cut_of(forward, selection, later, choice)
        layer = self.cut_layers[prompt.cut]
        forward.kept.append(later.prompt_positions)
        if prompt.cut == 0:
            looked = layer > 0 or self.signals.wanted[0][1]
            forward.scores = choice.scores.detach() if looked and choice.scores is not None else None
        forward.add_cut(cut, self.traits)
        forward.prompt, forward.choice = (later if later.cut < later.cuts else None), None
        self.signals.cut(forward, selection, same_states=choice.states is None)
        if forward.reads_prompt:
            forward.cache = cache_in(kwargs)  # the model may have made one
            if forward.cache is not None:  # at once: should a later layer fail, the cache is known to be unfit
                note_on(forward.cache, forward.cuts)
        if forward.prompt is None:
            self._done(forward, self._trace(forward, later))

    def _cut_of(self, forward: ForwardState, selection: Selection | None, later: PromptTokens, choice: Choice) -> Cut:
        """later: the prompt after the cut."""
        prompt = forward.prompt
        assert prompt is not None
        layer = self.cut_layers[prompt.cut]
        if selection is None:
            return Cut(layer, None)
        new_states = log_weights = shifts = None
        if choice.states is not None:
            with torch.enable_grad() if choice.states.requires_grad else torch.no_grad():
                new_states = NewStates.of(choice.states, choice.chosen, later.positions)
        if self.method.proportional:
            log_weights = log_weights_of(later, choice)
        if self.method.positions == "close":
            shifts = shifts_of(prompt, selection, choice, forward.cuts.shifts)
        return Cut(layer, selection, new_states, log_weights, shifts)

    def _trace(self, forward: ForwardState, prompt: PromptTokens) -> Trace:
        return Trace(
            kept=forward.kept[-1],
            scores=forward.scores,
            visual_positions=prompt.original_positions,
            prompt_length=prompt.layout.visual.shape[1],
            pruned_length=prompt.length,
            visual_counts=prompt.original_counts,
            kept_after_each_cut=[(layer, prompt.left_after(cut)) for cut, layer in enumerate(self.cut_layers)],
            kept_by_cut=forward.kept,
            layers=len(self.decoder.layers),
        )
