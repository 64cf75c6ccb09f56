"""What a key-value cache was pruned to: a note that travels with it, through copies and into another ``with``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.pruning.hooks.prompt_cuts import PromptCuts
from fastv.pruning.transformers_compat import last_whole_layer, row_fingerprints

_NOTE = "_fastv_note"


@dataclass(frozen=True)
class PrunedCacheNote:
    """What the layers of a cache hold.

    Attributes
    ----------
    cuts
        Of the prompt, as they were chosen.
    layer
        The layer that ``rows`` was read from.
    rows
        uint8 (batch, bytes), see ``row_fingerprints``; None where all rows share one index, or cannot be told apart.
    """

    cuts: PromptCuts
    layer: int
    rows: Tensor | None

    def follow(self, cache: Any) -> PromptCuts:
        """The cuts for the cache's rows as they are now: reordered, repeated, or only some of them.

        Raises InvalidInputError for a cache with a row that was not there when it was pruned.
        """
        if self.rows is None:
            return self.cuts
        rows = row_fingerprints(cache, self.layer, _last_column(self.cuts, self.layer))
        if rows is None or (rows.shape == self.rows.shape and bool((rows == self.rows).all())):
            return self.cuts
        if rows.shape[1] == self.rows.shape[1]:
            alike = (rows[:, None] == self.rows.to(rows.device)).all(dim=2)  # boolean (rows now, rows then)
            if alike.any(dim=1).all():
                return self.cuts.rows(alike.int().argmax(dim=1))
        raise InvalidInputError(
            "The rows of this cache are not those it was pruned for. Continue with those rows, or use a new cache."
        )


def note_on(cache: Any, cuts: PromptCuts, filled: bool = False) -> None:
    """Write down on a cache what was kept of its prompt; filled: whether it holds the prompt in all layers."""
    layer = last_whole_layer(cache) if filled else 0
    rows = row_fingerprints(cache, layer, _last_column(cuts, layer)) if layer and cuts.row_count > 1 else None
    setattr(cache, _NOTE, PrunedCacheNote(cuts.once_read(), layer, rows))


def note_of(cache: Any) -> PrunedCacheNote | None:
    """What was written down on a cache; None for one that was not pruned."""
    return getattr(cache, _NOTE, None)


def remove_note(cache: Any) -> None:
    """For a cache that is used again for another prompt."""
    getattr(cache, "__dict__", {}).pop(_NOTE, None)


def _last_column(cuts: PromptCuts, layer: int) -> int:
    """The last column of the prompt in a layer."""
    return cuts.length - cuts.lost(layer) - 1
