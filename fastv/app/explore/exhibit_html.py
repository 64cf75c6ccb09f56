"""What FastV costs, and on what: the claims with their tables, as HTML."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

from fastv.evidence.exhibit import Exhibit, exhibits
from fastv.presentation.html import render

_MARGIN = 0.04  # of a plot's width, left and right of the widest interval
_LOWEST = -0.4  # changes further down stand at the edge: a few would leave the others no room


@lru_cache(maxsize=1)
def exhibit_pane() -> Markup:
    """All claims that the committed records allow."""
    return render("app/explore/exhibit", exhibits=[{"claim": one, "scale": _Scale(one)} for one in exhibits()])


class _Scale:
    """Places of a table's changes on the plots of its cells, in percent of their width."""

    def __init__(self, one: Exhibit) -> None:
        changes = [cell.change for _, cells in one.rows for cell in cells if cell.change is not None]
        self.low = max(_LOWEST, min((change.low for change in changes), default=0.0))
        self.span = max([0.0, *(change.high for change in changes)]) - self.low or 1.0

    def at(self, share: float) -> float:
        return 100 * (_MARGIN + (1 - 2 * _MARGIN) * (max(share, self.low) - self.low) / self.span)
