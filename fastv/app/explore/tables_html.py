"""The explorer's tables: the 7B-equivalents, where the FLOPs go, and what a device could do at best, as HTML."""

from __future__ import annotations

from functools import lru_cache
from html import escape

from fastv.app.explore.state import Settings, name_of
from fastv.app.shared.plots import stacked_bars
from fastv.costs import roofline
from fastv.costs.cost_map import breakdown, rows_for
from fastv.costs.solver import NotReachable, Solution, Target, Workload, solve
from fastv.errors import InvalidInputError
from fastv.evidence import published
from fastv.evidence.latency_solver import TimeSolution, solve_time
from fastv.evidence.measurements import measured
from fastv.families.shapes import ModelShape
from fastv.formatting import FLOPS, change, number, percent, sized, unit_for

# What the columns of the table of equivalents compare -> quantity and convention of fastv.costs.solver.
_BASES = {
    "total": ("decoder_prefill_flops", "paper"),
    "exact": ("decoder_prefill_flops", "exact"),
    "per-layer": ("layer_average_flops", "paper"),
}


@lru_cache(maxsize=512)
def _equivalent(
    shape: ModelShape, workload: Workload, small: ModelShape, small_workload: Workload, basis: str, k: int
) -> Solution | NotReachable:
    quantity, convention = _BASES[basis]
    target = Target.of_model(small, small_workload, quantity, convention)
    return solve(shape, workload, target, k)


def _r_at(chosen: Settings, basis: str, k: int) -> Solution | NotReachable:
    return _equivalent(chosen.shape, chosen.workload, chosen.small_shape, chosen.small_workload, basis, k)


def equivalence_pane(chosen: Settings) -> str:
    """As cheap as the smaller model, both ways side by side, why they differ, and R for every K."""
    small = escape(name_of(chosen.small))
    if chosen.model == chosen.small:
        return (
            f'<div class="pane"><h3>As cheap as {small}</h3><p class="note">This is {small} itself: choose a '
            "larger model to see at which (K, R) it costs as much.</p></div>"
        )
    cards = "".join(
        _card(chosen, *card)
        for card in (
            ("total", "In total", "all decoder layers together"),
            ("per-layer", "Per layer", "their average, as in the paper's Table 1"),
        )
    )
    return (
        f'<div class="pane"><h3>As cheap as {small}</h3><div class="cards">{cards}</div>{_why(chosen)}'
        f"{_latencies() if chosen.model == 'llava-1.5-13b' else ''}{_in_time(chosen)}"
        f"<details><summary>R for each K</summary>{_parity_table(chosen)}</details></div>"
    )


def _card(chosen: Settings, basis: str, title: str, note: str) -> str:
    found = _r_at(chosen, basis, chosen.k)
    if isinstance(found, NotReachable):
        body = f'<p class="note">Not reachable at K={chosen.k}. {escape(found.reason)}</p>'
    else:
        total = chosen.workload.cost(chosen.shape, found.k, found.r, "paper").decoder_prefill_flops
        whole = chosen.small_workload.cost(chosen.small_shape, None, 0.0, "paper").decoder_prefill_flops
        k, r = found.k, percent(round(found.r, 3))
        body = (
            f'<p class="big">{_use(found, f"K={k}, R={r}")}</p><p class="note">{found.kept:,} of '
            f"{chosen.workload.visual_tokens:,} visual tokens stay (the costs meet at "
            f"{percent(found.continuous_r)}); <b>{percent(total / whole)}</b> of "
            f"{escape(name_of(chosen.small))} in total.</p>"
        )
    return f'<section class="card {basis}"><h4>{title} <small>{note}</small></h4>{body}</section>'


def _use(found: Solution | TimeSolution, text: str) -> str:
    """A button that sets K and R, in tenths of a percent as the slider has them."""
    r = round(found.r, 3)
    return (
        f'<button type="button" class="use" data-k="{found.k}" data-r="{r}" '
        f'title="Use K={found.k}, R={percent(r)}">{text}</button>'
    )


def _why(chosen: Settings) -> str:
    layers, less = chosen.shape.decoder.layers, chosen.small_shape.decoder.layers
    name, small = escape(chosen.name), escape(name_of(chosen.small))
    if layers == less:
        return f'<p class="why">Both models have {layers} layers, so the two ways agree.</p>'
    return (
        f'<p class="why">The paper compares the average layer, but {name} has {layers} layers and {small} has '
        f"{less}: at equal cost per layer, {name} still does {percent(layers / less)} of the work. "
        f"The budget that makes the whole prompt as cheap is the one in total.</p>"
    )


def _in_time(chosen: Settings) -> str:
    """As fast as the smaller model, by times measured here; or why that is not known."""
    small, name = measured(chosen.small), escape(name_of(chosen.small))
    if small is None or measured(chosen.model) is None:
        return (
            f'<p class="note">At which R it is as fast as {name} is not known here: no times to the first token '
            "were measured of both.</p>"
        )
    seconds, device = small.unpruned.first_token_seconds, str(small.machine["device"])
    found = solve_time(measured(chosen.model), seconds, chosen.k, device=device)
    if not isinstance(found, TimeSolution):
        told = "not reachable" if isinstance(found, NotReachable) else "not known"
        return f'<p class="note">As fast as {name}: {told} at K={chosen.k}. {escape(found.reason)}</p>'
    r = percent(round(found.r, 3))
    return (
        f'<p class="why">As fast as {name} without FastV ({sized(seconds, "seconds")} to the first token): '
        f"{_use(found, f'K={found.k}, R={r}')}, measured on {escape(device)}, read off between R="
        f"{percent(found.between[0])} and {percent(found.between[1])}.</p>"
    )


def _latencies() -> str:
    """The published times that tell which of the two is right."""
    rows = [
        row
        for row in published.latency()
        if row.source == "official README"
        and row.precision == "fp16"
        and (row.model, row.r) in (("llava-1.5-7b", 0.0), ("llava-1.5-13b", 0.5), ("llava-1.5-13b", 0.75))
    ]
    said = "; ".join(
        f"{escape(name_of(row.model))} {'without FastV' if row.k is None else f'K={row.k}, R={percent(row.r)}'} "
        f"<b>{row.first_token_seconds:.3f} s</b>"
        for row in rows
    )
    return (
        f'<p class="note">Published times to the first token agree with the total (official README, A100, fp16): '
        f"{said}.</p>"
    )


def _parity_table(chosen: Settings) -> str:
    rows = []
    for k in rows_for(chosen.shape):
        cells = []
        for basis in _BASES:
            found = _r_at(chosen, basis, k)
            if isinstance(found, NotReachable):
                cells.append(
                    '<td><span aria-hidden="true">–</span><span class="hidden-words">not reachable</span></td>'
                )
            else:
                cells.append(f"<td>{_use(found, f'{100 * found.continuous_r:.1f}%')}</td>")
        rows.append(f'<tr><th scope="row">{k}</th>{"".join(cells)}</tr>')
    small = escape(name_of(chosen.small))
    return (
        f'<table class="figures parity"><caption>R at which {escape(chosen.name)} costs what {small} costs, '
        f"{chosen.workload.text_tokens} text and {chosen.workload.visual_tokens} visual tokens. – is "
        "not reachable: too many layers have read the whole prompt by then.</caption><thead><tr>"
        '<th scope="col">K</th><th scope="col">Total<small>paper</small></th><th scope="col">Total'
        '<small>exact</small></th><th scope="col">Per layer<small>paper</small></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def flops_pane(chosen: Settings) -> str:
    """Where the FLOPs go: two bars and the numbers under them."""
    parts = breakdown(chosen.shape, chosen.workload, chosen.k, chosen.r)
    before, after = sum(part.baseline_flops for part in parts), sum(part.fastv_flops for part in parts)
    unit = unit_for([before, after], FLOPS)
    bars = stacked_bars(
        [(part.name, part.baseline_flops, part.fastv_flops) for part in parts],
        ("Without FastV", f"With FastV, K={chosen.k}, R={percent(chosen.r)}"),
    )
    lines = [(part.name, part.baseline_flops, part.fastv_flops, index) for index, part in enumerate(parts)]
    body = "".join(_flops_row(*line, unit.size) for line in [*lines, ("All", before, after, None)])
    tokens = chosen.workload.answer_tokens
    steps = f"an answer of {tokens} token{'' if tokens == 1 else 's'}"
    return (
        f'<div class="pane"><h3>Where the FLOPs go, exact count</h3>{bars}<table class="figures"><caption>{unit.name}, '
        f"<b>exact</b> convention, prompt and {steps}. FastV leaves the vision tower as it is, "
        "and decoding nearly so.</caption>"
        '<thead><tr><th scope="col">Part</th><th scope="col" class="baseline">Without</th><th scope="col" '
        f'class="fastv">With FastV</th><th scope="col">Change</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _flops_row(name: str, before: float, after: float, index: int | None, size: float) -> str:
    swatch = (
        ""
        if index is None
        else "".join(
            f'<i class="swatch {side} piece-{index}" aria-hidden="true"></i>' for side in ("baseline", "fastv")
        )
    )
    words = change(before, after) or ("–" if not before else "the same")
    return (
        f'<tr><th scope="row">{swatch}{escape(name)}</th><td class="baseline">{_small(before / size)}</td>'
        f'<td class="fastv">{_small(after / size)}</td><td>{words}</td></tr>'
    )


def _small(value: float) -> str:
    return "&lt;0.001" if 0 < value < 0.0005 else number(value)


def device_pane(chosen: Settings, key: str) -> str:
    """What the chosen device could do at best."""
    if key not in roofline.devices():
        raise InvalidInputError(f"There is no device {key!r} here: choose one of {', '.join(roofline.devices())}.")
    device = roofline.devices()[key]
    before = roofline.estimate(chosen.shape, chosen.workload, device, None, 0.0)
    after = roofline.estimate(chosen.shape, chosen.workload, device, chosen.k, chosen.r)
    rows = (
        ("First token, at best", sized(before.prefill_seconds, "seconds"), sized(after.prefill_seconds, "seconds")),
        ("Prefill limited by", before.prefill_bound, after.prefill_bound),
        (
            "A decode step, at best",
            sized(before.decode_seconds_per_token, "seconds"),
            sized(after.decode_seconds_per_token, "seconds"),
        ),
        ("Decoding limited by", before.decode_bound, after.decode_bound),
        ("Memory needed", sized(before.memory_bytes, "bytes"), sized(after.memory_bytes, "bytes")),
        (f"Fits in {device.memory_bytes / 1e9:.0f} GB", _yes(before.fits), _yes(after.fits)),
    )
    body = "".join(
        f'<tr><th scope="row">{title}</th><td class="baseline">{one}</td><td class="fastv">{other}</td></tr>'
        for title, one, other in rows
    )
    return (
        f'<div class="pane"><h3>On {escape(device.name)}, an estimate</h3><table class="figures"><caption>Best '
        'case, from the device\'s peak rates: real runs take longer.</caption><thead><tr><th scope="col">What</th>'
        '<th scope="col" class="baseline">Without</th><th scope="col" class="fastv">With FastV</th></tr></thead>'
        f'<tbody>{body}</tbody></table><p class="note">Peaks: {escape(device.source)}'
        f"{_links(device.urls)}.</p></div>"
    )


def _links(urls: tuple[str, ...]) -> str:
    links = ", ".join(f'<a href="{escape(url)}" rel="noreferrer">{escape(url.split("/")[2])}</a>' for url in urls)
    return links and f"; checked against {links}"


def _yes(fits: bool) -> str:
    return "yes" if fits else "no"
