"""What a key-value cache was pruned to: a note that travels with it, through copies and into another ``with``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.pruning.index_selection import Selection
from fastv.pruning.transformers_compat import row_fingerprints

_NOTE = "_fastv_note"


@dataclass(frozen=True)
class PrunedCacheNote:
    """The selection that layers >= k of a cache hold.

    Attributes
    ----------
    selection
        Of the prompt, as it was chosen.
    layer
        The layer that ``rows`` was read from.
    rows
        uint8 (batch, bytes), see ``row_fingerprints``; None where all rows share one index, or cannot be told apart.
    """

    selection: Selection
    layer: int
    rows: Tensor | None

    def follow(self, cache: Any) -> Selection:
        """The selection for the cache's rows as they are now: reordered, repeated, or only some of them.

        Raises InvalidInputError for a cache with a row that was not there when it was pruned.
        """
        if self.rows is None:
            return self.selection
        rows = row_fingerprints(cache, self.layer, self.selection.pruned_length - 1)
        if rows is None or (rows.shape == self.rows.shape and bool((rows == self.rows).all())):
            return self.selection
        if rows.shape[1] == self.rows.shape[1]:
            alike = (rows[:, None] == self.rows.to(rows.device)).all(dim=2)  # boolean (rows now, rows then)
            if alike.any(dim=1).all():
                return self.selection.rows(alike.int().argmax(dim=1))
        raise InvalidInputError(
            "The rows of this cache are not those it was pruned for. Continue with those rows, or use a new cache."
        )


def note_on(cache: Any, selection: Selection, layer: int = 0) -> None:
    """Write down on a cache what was kept of its prompt; layer: the last one, once it is filled."""
    rows = row_fingerprints(cache, layer, selection.pruned_length - 1) if layer and len(selection.index) > 1 else None
    setattr(cache, _NOTE, PrunedCacheNote(selection, layer, rows))


def note_of(cache: Any) -> PrunedCacheNote | None:
    """What was written down on a cache; None for one that was not pruned."""
    return getattr(cache, _NOTE, None)


def remove_note(cache: Any) -> None:
    """For a cache that is used again for another prompt."""
    getattr(cache, "__dict__", {}).pop(_NOTE, None)
