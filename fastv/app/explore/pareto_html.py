"""Cost against quality, published or measured here, and what the measurements say, as HTML."""

from __future__ import annotations

from html import escape

from fastv.app.explore.state import Settings, name_of
from fastv.app.shared.plots import Dot, scatter
from fastv.evidence import pareto
from fastv.evidence.findings import findings
from fastv.formatting import FLOPS, percent, sized, unit_for

_UNITS = {"total": "FLOPs", "per-layer": "FLOPs", "ratio": None, "seconds": "seconds"}


def frontier_pane(chosen: Settings, axis: str, benchmark: str) -> str:
    """Costs and scores, the efficient points joined; below it what was measured, in sentences."""
    reason = pareto.available(axis, benchmark)
    if reason is not None:
        shown = f'<p class="note">{escape(reason)} Choose another cost or another score.</p>'
    else:
        shown = _chart(chosen, axis, benchmark)
    return f'<div class="pane">{shown}{_findings()}</div>'


def _chart(chosen: Settings, axis: str, benchmark: str) -> str:
    found, unit, title = pareto.series(axis, benchmark), _UNITS[axis], pareto.BENCHMARKS[benchmark]
    dots = {point: _dot(point, index, unit, title, chosen) for index, one in enumerate(found) for point in one.points}
    joined = [dots[point] for point in pareto.efficient(dots)]
    size = unit_for([max(point.cost for point in dots)], FLOPS) if unit == "FLOPs" else None
    small = "mini-7" if benchmark == pareto.SCENES else "llava-1.5-7b"
    line = next((point.cost for point in dots if (point.model, point.k) == (small, None)), None)
    chart = scatter(
        list(dots.values()),
        joined,
        title=f"{title} over cost",
        y_title=title,
        x_title=pareto.axis_title(axis, benchmark) + (f", {size.name}" if size else ""),
        x_size=size.size if size else 1.0,
        x_line=None if axis == "ratio" else line,
    )
    legend = [
        f'<span class="key-shape shape-{index}">{escape(name_of(one.model))} ({escape(one.source)})</span>'
        for index, one in enumerate(found)
    ]
    legend += ['<span class="key-baseline">without FastV</span>', '<span class="key-fastv">with FastV</span>']
    if benchmark == pareto.SCENES:
        legend += [f'<span class="key-rank {rank}">dropped {words}</span>' for rank, words in pareto.RANKINGS.items()]
        legend.append('<span class="key-reach">95% interval</span>')
    legend.append('<span class="key-efficient">nothing here is cheaper and better</span>')
    if axis != "ratio" and line is not None:
        legend.append(f'<span class="key-total">what {escape(name_of(small))} costs</span>')
    return f'{chart}<p class="legend">{" ".join(legend)}</p>'


def _dot(point: pareto.Point, index: int, unit: str | None, title: str, chosen: Settings) -> Dot:
    kinds = ["baseline" if point.k is None else "fastv", f"shape-{index}", *([point.rank] if point.rank else [])]
    if (point.model, point.k, round(point.r, 3)) == (chosen.model, chosen.k, round(chosen.r, 3)):
        kinds.append("chosen")
    budget = "without FastV" if point.k is None else f"K={point.k}, R={percent(point.r)}"
    if point.rank:
        budget += f", dropped {pareto.RANKINGS[point.rank]}"
    cost = f"{percent(point.cost)} of its FLOPs" if unit is None else sized(point.cost, unit)
    score = f"{point.quality:.4g}"
    if point.interval:
        score += f" (95% interval {point.interval[0]:.1f} to {point.interval[1]:.1f})"
    words = f"{name_of(point.model)}, {budget}: {cost}; {title}: {score}"
    return Dot(point.cost, point.quality, " ".join(kinds), words, point.model, point.k, point.r, point.interval)


def _findings() -> str:
    """What was measured, in sentences; nothing where nothing was."""
    said = "".join(
        f"<dt>{escape(one.question)}</dt><dd>{escape(one.sentence)}{_more(one.detail)}</dd>" for one in findings()
    )
    return said and (
        f'<section class="findings"><h3>What was measured on Mini 7 and Mini 13</h3><dl>{said}</dl><p class="note">Measured '
        "on drawn scenes, every point on the same questions, which are compared pair by pair. 95% "
        "intervals, each on its own: of twenty comparisons without any difference, one would look like "
        "one.</p></section>"
    )


def _more(detail: str) -> str:
    return detail and f"<details><summary>The numbers</summary>{escape(detail)}</details>"
