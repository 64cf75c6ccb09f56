"""Cost against quality, published or measured here, and what the measurements say, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from fastv.app.explore.state import ExploreSettings
from fastv.app.shared.frontier_chart import frontier_chart, frontier_html
from fastv.evidence import pareto
from fastv.evidence.findings import SCOPE, findings
from fastv.presentation.html import render
from fastv.pruning.config import PruningConfig


def frontier_pane(chosen: ExploreSettings | None, axis: str, benchmark: str) -> Markup:
    """Costs and scores, a line for each model and method, and in a sentence what the smaller model's cost buys."""
    reason = pareto.available(axis, benchmark)
    model, pruning = (chosen.model, PruningConfig(k=chosen.k, r=chosen.r)) if chosen else (None, None)
    chart = None if reason else frontier_chart(model, pruning, axis, benchmark)
    return frontier_html("app/explore/pareto", chart, reason=reason)


def findings_pane() -> Markup:
    """What the measurements of this project say, in sentences."""
    return render("app/explore/findings", findings=findings(), scope=SCOPE)
