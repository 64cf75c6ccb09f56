"""DeepStack: features of several vision layers are added to the visual tokens after the first decoder layers.

A decoder adds them at the places of the whole prompt. Where tokens were dropped before, only those of the kept ones
are added, at the places that they have in the shorter sequence.

References
----------
DeepStack, arXiv 2406.04334.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

#: Arguments of a decoder's forward that are shortened here.
ARGUMENTS = ("visual_pos_masks", "deepstack_visual_embeds")
_METHOD = "_deepstack_process"


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
