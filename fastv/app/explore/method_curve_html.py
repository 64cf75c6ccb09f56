"""What a method loses over the prefill FLOPs that it costs, beside random dropping and a smaller image, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from fastv.app.shared.scatter import Curve, Dot, scatter
from fastv.evidence.method_curves import CurvePoint, MethodCurve, curves, reference_curves
from fastv.evidence.method_records import method_record
from fastv.formatting import percent, points
from fastv.presentation.html import render
from fastv.pruning.methods.registry import METHODS


def method_curve(model: str, method: str) -> Markup:
    """The chart and how many points it has; empty where nothing was measured."""
    record = method_record(model)
    if record is None:
        return Markup()
    own, references = curves(record, method), reference_curves(record, method)
    if not own:
        return Markup()
    kinds = ["pruned", *["pruned variant"] * (len(own) - 1)]
    main = [_dots(curve, f"fastv {kind}") for curve, kind in zip(own, kinds)]
    beside = {name: _dots(curve, f"reference is-{name}") for name, curve in references.items()}
    whole = Dot(1.0, 0.0, "baseline", "No pruning", "", None, 0.0)
    dots = [whole, *(dot for line in (*main, *beside.values()) for dot in line)]
    lines = [Curve(f"reference is-{name}", [*line, whole]) for name, line in beside.items()]
    lines += [Curve(kind, [*line, whole]) for kind, line in zip(kinds, main)]
    plot = scatter(
        dots,
        lines,
        title=f"Change in questions answered correctly with {METHODS[method].label}, over prefill FLOPs",
        y_title="Change since no pruning, percentage points",
        x_title="Prefill FLOPs, percent of no pruning (exact, the method's own work included)",
        x_size=0.01,
        selects=False,
    )
    return render(
        "app/explore/method_curve",
        label=METHODS[method].label,
        count=sum(len(curve.points) for curve in own),
        plot=plot,
        asked=own[0].points[0].change.asked,
        dtype=record.dtype,
        variants=[curve.label for curve in own[1:]],
        references=[(name, METHODS[name].label) for name in references],
    )


def _dots(curve: MethodCurve, kind: str) -> list[Dot]:
    return [_dot(curve, one, kind) for one in curve.points]


def _dot(curve: MethodCurve, one: CurvePoint, kind: str) -> Dot:
    change, point = one.change, one.point
    words = (
        f"{curve.label}: {percent(one.share)} of the prefill FLOPs, {point.kept} visual tokens kept; "
        f"{points(change.share)} points (95% CI {points(change.low)} to {points(change.high)})"
    )
    interval = (100 * change.low, 100 * change.high)
    return Dot(one.share, 100 * change.share, kind, words, "", point.k, point.r, interval, point.method or "")
