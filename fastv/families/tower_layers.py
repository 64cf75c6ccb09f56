"""Where in a vision tower one looks to see what it attends to, and which of its patches become which visual token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class TowerSequences:
    """What the layer sees of all pictures, or videos, of one forward.

    Parameters
    ----------
    lengths
        The lengths of the sequences that its attention gets one after the other along one dimension, each attending to
        itself alone; None where they are the rows of a batch.
    patches
        Called with the number of sequences and their length (where ``lengths`` is None), or 1 and the sum of lengths:
        long (tokens, m), which m patches, counted over all sequences, become each visual token; -1 for none.
    shares
        float32 (tokens, m), how much of each goes into it; by default of all alike.
    """

    lengths: Sequence[int] | None
    patches: Callable[[int, int], Tensor]
    shares: Tensor | None = None


@dataclass(frozen=True)
class TowerLayer:
    """The layer of a vision tower whose output the model uses.

    Parameters
    ----------
    attentions
        Token that stands for pictures, or for videos, in ``input_ids`` -> the layer's attention module for them. One
        that serves both sees pictures before videos.
    has_cls
        Whether the tower puts a [CLS] token before the patches of each sequence.
    sequences
        Called with the token and the inputs of a forward, or of ``generate``: what the layer sees of them; None where
        the inputs have none.
    """

    attentions: Mapping[int, nn.Module]
    has_cls: bool
    sequences: Callable[[int, Mapping[str, Any]], TowerSequences | None]


def encoder_layer(tower: Any, feature_layer: int | Sequence[int]) -> Any:
    """The layer of a CLIP-like tower that makes ``hidden_states[feature_layer]``, of several the last.

    Raises UnsupportedModelError where it has none.
    """
    encoder = getattr(getattr(tower, "vision_model", tower), "encoder", None)
    layers = getattr(encoder, "layers", ())
    numbers = [feature_layer] if isinstance(feature_layer, int) else list(feature_layer)
    # hidden_states begin with what enters the first layer.
    taken = [len(layers) + number if number < 0 else number - 1 for number in numbers]
    if not layers or not 0 <= max(taken) < len(layers):
        raise UnsupportedModelError(
            f"{type(tower).__name__} has no layer of which FastV could observe the attention. Use a method that does "
            "not look at the vision tower."
        )
    return layers[max(taken)]


def squares_after(lead: int, side: int) -> Callable[[int, int], Tensor]:
    """For ``lead`` patches and a square of patches, of which each ``side`` x ``side`` become a visual token."""

    def patches(sequences: int, length: int) -> Tensor:
        import torch

        rows = round((length - lead) ** 0.5)
        numbers = torch.arange(sequences * length).view(sequences, length)[:, lead:]
        squares = numbers.reshape(sequences, rows // side, side, rows // side, side).transpose(2, 3)
        return squares.reshape(-1, side**2)

    return patches


def patches_after(lead: int) -> Callable[[int, int], Tensor]:
    """For sequences of which all but the first ``lead`` patches become a visual token each."""

    def patches(sequences: int, length: int) -> Tensor:
        import torch

        return torch.arange(sequences * length).view(sequences, length)[:, lead:].reshape(-1, 1)

    return patches
