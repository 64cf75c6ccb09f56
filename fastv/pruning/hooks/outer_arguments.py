"""Arguments of the whole model's forward that speak of prompt positions: ``labels`` and ``logits_to_keep``.

Both are used after the decoder, where the dropped positions are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.pruning.index_selection import Selection


@dataclass
class OuterArguments:
    """What one forward was given of them.

    Attributes
    ----------
    labels
        Whether there are any.
    last
        How many of the last positions get logits; None for all of them.
    positions
        The positions that get logits, a copy that the model works with; None where they are not listed.
    """

    labels: bool = False
    last: int | None = None
    positions: Tensor | None = None

    @classmethod
    def of(cls, kwargs: dict[str, Any]) -> tuple[OuterArguments, dict[str, Any]]:
        """They, and the arguments with a copy of the positions, which ``prune`` may then change."""
        wanted = kwargs.get("logits_to_keep")
        labels = kwargs.get("labels") is not None
        if isinstance(wanted, Tensor):
            wanted = wanted.clone()
            return cls(labels, positions=wanted), kwargs | {"logits_to_keep": wanted}
        return cls(labels, last=wanted or None), kwargs

    def check(self, visual: Tensor) -> None:
        """Raise InvalidInputError for what cannot be served where visual tokens, boolean (batch, n), are dropped."""
        if self.labels:
            raise InvalidInputError(
                "labels cover positions that are dropped. Compute the loss from the logits of the "
                "trace.pruned_length remaining positions."
            )
        if self.last is not None and visual[:, -self.last :].any():
            raise InvalidInputError(
                f"logits_to_keep={self.last} reaches into the image, where tokens are dropped. Keep the logits of the "
                "text after it, or of all remaining positions (logits_to_keep=0)."
            )
        if self.positions is not None and self.positions.dtype not in (torch.long, torch.int):
            raise InvalidInputError("logits_to_keep must be a whole number or a tensor of positions.")

    def prune(self, selection: Selection) -> None:
        """Turn the positions into those of the pruned sequence, in place.

        Raises InvalidInputError for a position that was dropped, or that stands elsewhere in each row.
        """
        if self.positions is None:
            return
        columns = selection.columns_of(self.positions.where(self.positions >= 0, self.positions + selection.length))
        if (columns < 0).any() or (columns != columns[:1]).any():
            raise InvalidInputError(
                "logits_to_keep names a position that was dropped, or that is not the same in all rows of the batch. "
                "Keep the logits of all remaining positions (logits_to_keep=0), and see trace.kept."
            )
        self.positions.copy_(columns[0])
