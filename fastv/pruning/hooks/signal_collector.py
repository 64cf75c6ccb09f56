"""Collecting, while the layers before a cut run, what a method wants to look at there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.pruning.attention_tap import observing
from fastv.pruning.hooks.forward_state import ForwardState
from fastv.pruning.hooks.own_attention import own_attention
from fastv.pruning.hooks.reused_keys import ProjectedKeys, reusable, reusing_keys
from fastv.pruning.hooks.rotation import rotation_of
from fastv.pruning.index_selection import Selection
from fastv.pruning.signals import (
    ATTENTION,
    EARLIER_STATES,
    EMBEDDINGS,
    OF_THE_LAYER_BEFORE,
    OWN_ATTENTION,
    STATES,
    TOWER,
    UNROTATED,
    Attention,
    Signals,
)

_ROTATION = "rotation"


class SignalCollector:
    """The signals that a method reads at its cuts.

    Parameters
    ----------
    wanted : list of tuple
        For each cut its layer, and the names of the signals.
    layers : list
        The decoder's layers.
    attentions : list
        The attention module of each decoder layer, or None.
    current : callable
        The forward that this thread is in, or None.
    complete : callable
        Called with the forward when the layer before its next cut has shown all that is wanted there.
    """

    def __init__(
        self,
        wanted: list[tuple[int, tuple[str, ...]]],
        layers: list[nn.Module],
        attentions: list[nn.Module | None],
        current: Callable[[], ForwardState | None],
        complete: Callable[[ForwardState], None],
    ) -> None:
        self.wanted, self.attentions, self._current, self._complete = wanted, attentions, current, complete
        self._modules = layers
        #: Of each cut, the layer whose attention ranks there; None where none is looked at.
        self.ranking = [
            self._attending(cut, layer) if {ATTENTION, UNROTATED}.intersection(names) else None
            for cut, (layer, names) in enumerate(wanted)
        ]
        self.layers = {layer for layer, _ in wanted}
        self.layers |= {layer - 1 for layer, names in wanted if EARLIER_STATES in names}
        self.layers |= {
            layer for layer, (_, names) in zip(self.ranking, wanted) if layer is not None and UNROTATED in names
        }
        if any(EMBEDDINGS in names for _, names in wanted):
            self.layers.add(0)

    @contextmanager
    def attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            ahead = [layer for layer, names in self.wanted if OWN_ATTENTION in names]
            parts = [
                (
                    getattr(self._modules[layer], "input_layernorm", None),
                    getattr(self.attentions[layer], "k_proj", None),
                )
                for layer in ahead
            ]
            known = [(norm, key) for norm, key in parts if norm is not None and key is not None]
            stack.enter_context(reusing_keys(known, self._ready_keys, self._keys_returned))
            for cut, layer in enumerate(self.ranking):
                attention = None if layer is None else self.attentions[layer]
                if attention is not None:
                    stack.enter_context(observing(attention, partial(self._observe, cut)))
            yield

    def _attending(self, cut: int, layer: int) -> int:
        """The layer whose attention ranks at a cut on entering ``layer``: the last before it that attends.

        Raises InvalidBudgetError where that is none, or one that has read what an earlier cut dropped since.
        """
        start = self.wanted[cut - 1][0] if cut else 0
        found = next((one for one in reversed(range(start, layer)) if self.attentions[one] is not None), None)
        if found is None:
            attending = [one for one, attention in enumerate(self.attentions) if attention is not None]
            least = min((one + 1 for one in attending if one >= start), default=len(self.attentions))
            advice = f"k={least} or more, or " if least < len(self.attentions) else ""
            raise InvalidBudgetError(
                f"k={layer}, but no decoder layer from {start} to {layer - 1} attends in this model, and tokens are "
                f"ranked by the attention of the last one before k. Choose {advice}a method that looks at none."
            )
        return found

    def entered(self, number: int, forward: ForwardState, hidden_states: Tensor, kwargs: dict[str, Any]) -> None:
        """A layer begins, with these arguments, after whatever is dropped on entering it."""
        names = self._wanted_by(forward)
        cut = forward.prompt.cut if forward.prompt is not None else None
        if number == 0 and EMBEDDINGS not in forward.collected and self._wants_embeddings:
            forward.collected[EMBEDDINGS] = hidden_states
        if cut is None:
            return
        if EARLIER_STATES in names and number == self.wanted[cut][0] - 1:
            forward.collected[EARLIER_STATES] = hidden_states
        if UNROTATED in names and number == self.ranking[cut]:
            forward.collected[_ROTATION] = kwargs.get("position_embeddings")

    def signals(self, forward: ForwardState, hidden_states: Tensor | None, kwargs: Mapping[str, Any]) -> Signals:
        """Everything for the forward's next cut.

        Parameters
        ----------
        hidden_states, kwargs
            What its layer is about to be given, before anything is dropped there; None and nothing while that is not
            known.
        """
        assert forward.prompt is not None
        length, names, collected = forward.prompt.length, self._wanted_by(forward), forward.collected
        layer = self.wanted[forward.prompt.cut][0]
        if hidden_states is not None and layer == 0 and EMBEDDINGS in names:
            collected[EMBEDDINGS] = hidden_states
        for name in (ATTENTION, UNROTATED):
            if name in names and name not in collected:
                ranking = self.ranking[forward.prompt.cut]
                raise UnsupportedModelError(
                    f"Layer {ranking} does not attend through transformers' AttentionInterface."
                )
        states = {name: collected[name][:, :length] for name in (EARLIER_STATES, EMBEDDINGS) if name in names}
        if STATES in names and hidden_states is not None:
            states[STATES] = hidden_states[:, :length]
        attention = {name: collected[name] for name in (ATTENTION, UNROTATED) if name in names}
        if OWN_ATTENTION in names and hidden_states is not None:
            attention[OWN_ATTENTION], projected = own_attention(
                self._modules[layer], self.attentions[layer], hidden_states[:, :length], kwargs
            )
            if hidden_states.shape[1] == length and reusable(projected.module):
                forward.projected_keys = projected
        tower = forward.tower.signal(forward.prompt) if TOWER in names and forward.tower is not None else None
        return Signals(**attention, **states, tower=tower)

    def cut(self, forward: ForwardState, selection: Selection | None, same_states: bool) -> None:
        """A cut was made: what was seen for it is let go, and what stays is cut as well.

        same_states: whether the tokens that stay are what they were.
        """
        ready = forward.projected_keys
        forward.projected_keys = ready.cut(selection) if ready is not None and same_states else None
        embeddings = forward.collected.pop(EMBEDDINGS, None)
        forward.collected.clear()
        if embeddings is not None and forward.prompt is not None:
            if selection is not None:
                embeddings = selection.grown(embeddings.shape[1]).take(embeddings, -2)
            forward.collected[EMBEDDINGS] = embeddings

    def _ready_keys(self) -> ProjectedKeys | None:
        forward = self._current()
        return None if forward is None else forward.projected_keys

    def _keys_returned(self) -> None:
        forward = self._current()
        if forward is not None:
            forward.projected_keys = None

    @property
    def wants_tower(self) -> bool:
        return any(TOWER in names for _, names in self.wanted)

    @property
    def _wants_embeddings(self) -> bool:
        return any(EMBEDDINGS in names for _, names in self.wanted)

    def _wanted_by(self, forward: ForwardState) -> tuple[str, ...]:
        return self.wanted[forward.prompt.cut][1] if forward.prompt is not None else ()

    def _observe(self, cut: int, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        forward = self._current()
        if forward is None or forward.prompt is None or forward.prompt.cut != cut:
            return
        names, length = self._wanted_by(forward), forward.prompt.length
        if mask is not None:
            mask = mask[..., :length] if mask.dim() == 2 else mask[..., :length, :length]
        attention = Attention(query[:, :, :length], key[:, :, :length], mask, scaling)
        if ATTENTION in names:
            forward.collected[ATTENTION] = attention
        if UNROTATED in names:
            rotation, ranking = forward.collected.pop(_ROTATION), self.ranking[cut]
            module = None if ranking is None else self.attentions[ranking]
            forward.collected[UNROTATED] = _unrotated(module, attention, rotation)
        entered = EARLIER_STATES not in names or EARLIER_STATES in forward.collected
        if entered and set(names) <= {*OF_THE_LAYER_BEFORE, EMBEDDINGS, TOWER}:
            self._complete(forward)


def _unrotated(module: Any, attention: Attention, rotation: Any) -> Attention:
    """The last query and all keys before their rotary embedding, by the module's own function, which is given the
    angles with the opposite sign. All that is done to them before it, such as norms, stays done.
    """
    rotate = rotation_of(module)
    if rotate is None or not isinstance(rotation, tuple) or len(rotation) != 2:
        raise UnsupportedModelError(
            f"FastV cannot undo the rotary embedding of {type(module).__name__}. Use a method that keeps it."
        )
    query, key, mask, scaling = attention
    length = key.shape[2]
    cos, sin = (part[..., :length, :].float() for part in rotation)
    square = cos.square() + sin.square()  # not 1 where the embedding scales as well
    cos, sin, query, key = cos / square, -sin / square, query[:, :, -1:].float(), key.float()
    with torch.autocast(query.device.type, enabled=False):
        # The function turns both, of which one is wanted at a time: the other has no heads.
        query = rotate(query, query[:, :0], cos[..., -1:, :], sin[..., -1:, :])[0]
        key = rotate(key[:, :0], key, cos, sin)[1]
    return Attention(query, key, mask, scaling)
