"""DeepStack: features of several vision layers are added to the visual tokens between decoder layers.

A decoder adds them at the places of the whole prompt: after its first layers, or before layers that the config names.
Where tokens were dropped before, only those of the kept ones are added, at the places that they have in the shorter
sequence.

References
----------
DeepStack, arXiv 2406.04334.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Arguments of a decoder's forward that are shortened here.
ARGUMENTS = ("visual_pos_masks", "deepstack_visual_embeds")
_METHOD = "_deepstack_process"
_BEFORE_LAYERS = ("vision_mask", "deepstack_features")  # arguments of a decoder that adds before named layers
_HANDED_ON = "added_features"  # what layers are given in their place here


def adds_features(decoder: Any) -> bool:
    """Whether a decoder adds features between its layers in the way that is known here."""
    return hasattr(decoder, _METHOD)


@contextmanager
def features_cut_along(decoder: Any, kept: Callable[[int], Any]) -> Iterator[None]:
    """While open, a decoder adds features to the tokens that are left.

    Parameters
    ----------
    decoder
        One for which ``adds_features`` holds.
    kept
        As for ``Family.while_pruned``.
    """
    original = getattr(decoder, _METHOD)

    @functools.wraps(original)
    def process(hidden_states: Tensor, visual_pos_masks: Tensor, visual_embeds: Tensor) -> Tensor:
        if hidden_states.shape[1] != visual_pos_masks.shape[1]:
            selection = _selection_of(hidden_states.shape[1], len(decoder.layers), kept)
            visual_pos_masks, visual_embeds = _cut(selection, visual_pos_masks, visual_embeds)
        return original(hidden_states, visual_pos_masks, visual_embeds)

    setattr(decoder, _METHOD, process)
    try:
        yield
    finally:
        delattr(decoder, _METHOD)


@contextmanager
def features_before_layers_cut_along(decoder: Any, kept: Callable[[int], Any]) -> Iterator[None]:
    """While open, features that a decoder would add before some of its layers are added by those layers' hooks, to the
    tokens that are left.

    The decoder is given none, and hands them on to each layer as an argument, so that nothing is kept between forwards.

    Parameters
    ----------
    decoder
        One whose forward takes ``vision_mask``, boolean (batch, n, 1), and ``deepstack_features``, which maps a layer's
        number to the features, floating (visual tokens, width), that are added before it.
    kept
        As for ``Family.while_pruned``.
    """

    def hand_on(_decoder: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        mask, features = (kwargs.get(name) for name in _BEFORE_LAYERS)
        if mask is None or not features:
            return args, kwargs
        return args, {**kwargs, **dict.fromkeys(_BEFORE_LAYERS), _HANDED_ON: (mask.squeeze(-1), features)}

    def add(number: int) -> Callable[..., Any]:
        def hook(_layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
            if _HANDED_ON not in kwargs:
                return args, kwargs
            mask, features = kwargs[_HANDED_ON]
            kwargs = {name: value for name, value in kwargs.items() if name != _HANDED_ON}
            if number not in features:
                return args, kwargs
            hidden = args[0] if args else kwargs["hidden_states"]
            added = _with_features(hidden, mask, features[number], len(decoder.layers), kept)
            return ((added, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": added})

        return hook

    with ExitStack() as stack:
        handles = [decoder.register_forward_pre_hook(hand_on, with_kwargs=True)]
        handles += [
            layer.register_forward_pre_hook(add(number), prepend=True, with_kwargs=True)
            for number, layer in enumerate(decoder.layers)
        ]
        for handle in handles:
            stack.callback(handle.remove)
        yield


def _with_features(hidden: Tensor, mask: Tensor, features: Tensor, layers: int, kept: Callable[[int], Any]) -> Tensor:
    """Hidden states (batch, n, width), or of a shorter sequence, with the features of the tokens in them."""
    if hidden.shape[1] != mask.shape[1]:
        mask, features = _cut(_selection_of(hidden.shape[1], layers, kept), mask, features)
    mask = mask.to(hidden.device)
    changed = hidden[mask] + features.to(hidden.device, hidden.dtype)
    return hidden.masked_scatter(mask[..., None], changed)


def _selection_of(length: int, layers: int, kept: Callable[[int], Any]) -> Any:
    """What is left of the sequence where it has this length: each cut leaves another one, or drops nothing."""
    found = (kept(layer) for layer in range(layers))
    return next(selection for selection in found if selection is not None and selection.pruned_length == length)


def _cut(selection: Any, mask: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mask, boolean (batch, n), and features (its True entries, width) of the shorter sequence."""
    ordinals = mask.flatten().cumsum(dim=0).view(mask.shape) - 1
    left = selection.take(mask, -1)
    if selection.valid is not None:
        left = left & selection.valid.to(left.device)
    return left, features[selection.take(ordinals, -1)[left].to(features.device)]
