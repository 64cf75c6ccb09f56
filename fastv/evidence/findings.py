"""What the measurements say, in sentences written from them: each with its interval, and with "cannot be told" where
the interval holds zero.

All intervals are 95%, each on its own: of twenty comparisons without any difference, one would look like one. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastv.evidence.measurements import Measured, MeasuredPoint, all_measured, duels
from fastv.evidence.object_coverage import KeptThings, all_kept_things
from fastv.formatting import percent, points
from fastv.stats import Change, Score

PAIR = ("mini-7", "mini-13")  # the twins, the smaller one first
USUAL = (2, 0.5)  # the paper's recommended (K, R)
_LAST_TOKEN, _ALL_TOKENS = "the last token attends", "all tokens together attend"
_SAME_COST = 1.005  # R is exact to a token and prompts differ by a few: within half a percent is the same


@dataclass(frozen=True)
class Finding:
    """``question`` is what the ``sentence`` answers; ``detail`` has the numbers behind it, or is empty. Plain text."""

    question: str
    sentence: str
    detail: str = ""


def findings(
    found: Mapping[str, Measured] | None = None,
    kept: Mapping[str, Sequence[KeptThings]] | None = None,
    matched: Mapping[str, Measured] | None = None,
) -> tuple[Finding, ...]:
    """The sentences that the measured models (by default all there are) allow; none where nothing was measured.

    found: over the grid. kept: of the things. matched: at one cost, over more questions; without both twins there, ``found``
    serves.
    """
    found = all_measured() if found is None else found
    kept = all_kept_things() if kept is None else kept
    matched = duels() if matched is None else matched
    small, big = (found.get(model) for model in PAIR)
    sentences = [_usual_costs(one) for one in (small, big) if one]
    for pair in ([matched.get(model) for model in PAIR], [small, big]):
        if all(pair) and pair[0].tasks == pair[1].tasks:
            sentences.append(_duel(*pair))
            break
    sentences += [_against_random(one) for one in (small, big) if one]
    sentences += [_finds_things(model, kept[model]) for model in PAIR if model in kept]
    return tuple(sentence for sentence in sentences if sentence)


def _usual_costs(one: Measured) -> Finding | None:
    point = one.point(*USUAL)
    if point is None:
        return None
    before, after, change = one.score(one.unpruned), one.score(point), one.change(point)
    told = (
        "Accuracy falls"
        if change.high < 0
        else "Accuracy rises"
        if change.low > 0
        else "Nothing that can be told from these questions"
    )
    return Finding(
        f"What does {_name(point)} cost {one.model} in accuracy?",
        f"{told}: {_said(change)}; {percent(after.share)} of {after.asked:,} questions right, {percent(before.share)} "
        "without FastV.",
    )


def _duel(small: Measured, big: Measured) -> Finding | None:
    """The paper's boldest sentence, at total cost."""
    limit = small.unpruned.paper_prefill_flops * _SAME_COST
    fitting = [point for k in sorted({point.k for point in big.pruned}) if (point := _dearest(big, k, limit))]
    if not fitting:
        return None
    main = next((point for point in fitting if point.k == USUAL[0]), fitting[0])
    change = big.change(main, since=small.unpruned)
    if change.low > 0:
        told = f"there {big.model} still answers better"
    elif change.high < 0:
        told = f"there {small.model} answers better, so the paper's claim does not hold for this pair"
    else:
        told = "which of the two answers better there cannot be told from these questions"
    ahead = big.change(big.unpruned, since=small.unpruned)
    others = [(point, big.change(point, since=small.unpruned)) for point in fitting if point is not main]
    clear = [
        f"{model} answers better at {_in_a_row(names)}"
        for model, names in (
            (big.model, [_name(point) for point, other in others if other.low > 0]),
            (small.model, [_name(point) for point, other in others if other.high < 0]),
        )
        if names
    ]
    rest = "; ".join(f"{_name(point)}: {_said(other, p=False)}" for point, other in others)
    return Finding(
        f"At which (K, R) does {big.model} cost what {small.model} costs, and who answers better there?",
        f"At {_name(main)}; {told}: {percent(big.score(main).share)} against "
        f"{percent(small.score(small.unpruned).share)} of {change.asked:,} questions, {_said(change)}."
        + (f" At the same cost {', and '.join(clear)}." if clear else ""),
        f"Cost is that of all decoder layers together, by the paper's formula: {big.model}'s is "
        f"{percent(main.paper_prefill_flops / small.unpruned.paper_prefill_flops)} of {small.model}'s there; with vision "
        f"tower and answer, exact count, {percent(main.total_flops / small.unpruned.total_flops)}. Without FastV "
        f"{big.model}'s score less {small.model}'s is {_said(ahead, p=False)}; pruning that far changes {big.model}'s by "
        f"{_said(big.change(main), p=False)}." + (f" At its cost for other K: {rest}." if rest else ""),
    )


def _dearest(one: Measured, k: int, limit: float) -> MeasuredPoint | None:
    """The least pruned point at K that costs no more than ``limit``."""
    fits = [
        point
        for point in one.pruned
        if point.k == k and point.method == ("fastv" if k else "random") and point.paper_prefill_flops <= limit
    ]
    return max(fits, key=lambda point: point.paper_prefill_flops, default=None)


def _against_random(one: Measured) -> Finding | None:
    told = {
        whose: _told_apart(one, method)
        for method, whose in (("fastv", "the last token's"), ("fastv_mean", "all tokens'"))
    }
    told = {whose: kinds for whose, kinds in told.items() if any(kinds.values())}
    sentences = [
        f"ranking by {whose} attention wins at {len(kinds['better'])}, loses at {len(kinds['worse'])}, and cannot "
        f"be told from it at {len(kinds['neither'])}"
        for whose, kinds in told.items()
    ]
    details = [
        f"By {whose} attention, {how}: {_listed(kinds[how])}."
        for whose, kinds in told.items()
        for how in ("better", "worse")
        if kinds[how]
    ]
    compared = sum(map(len, next(iter(told.values()), {}).values()))
    return (
        Finding(
            f"Does attention choose better than chance on {one.model}?",
            f"Against dropping as many at random, at {compared} (K, R): {'; '.join(sentences)}.",
            " ".join(details),
        )
        if told
        else None
    )


def _told_apart(one: Measured, method: str) -> dict[str, list[tuple[MeasuredPoint, Change]]]:
    """Where a ranking is better than dropping at random, where worse, and where neither can be told."""
    pairs = [(point, one.point(point.k, point.r, "random")) for point in one.pruned if point.method == method]
    changes = [(point, one.change(point, since=random)) for point, random in pairs if random]
    return {
        "better": [(point, change) for point, change in changes if change.low > 0],
        "worse": [(point, change) for point, change in changes if change.high < 0],
        "neither": [(point, change) for point, change in changes if not change.is_clear],
    }


def _listed(some: list[tuple[MeasuredPoint, Change]]) -> str:
    return "; ".join(f"{_name(point)} {_said(change, p=False)}" for point, change in some)


def _finds_things(model: str, points: Sequence[KeptThings]) -> Finding | None:
    """Why attention chooses well at one K and badly at another: whether it looks at the things there."""
    draws = {point.k: point for point in points if point.method == "random"}
    last, mean = (
        [point for point in points if point.method == method and point.k in draws] for method in ("fastv", "fastv_mean")
    )
    if not (last and mean):
        return None
    what = "half" if last[0].r == 0.5 else percent(1 - last[0].r)
    drawn, lost = (
        _in_a_row(sorted({percent(getattr(point, share)) for point in draws.values()}))
        for share in ("kept_share", "lost_share")
    )
    worse = ([point for point in some if _lost(point).low > _lost(draws[point.k]).high] for some in (last, mean))
    losing = [
        f"what {whom} to most ({_at_each(some, 'lost_share')})"
        for whom, some in zip((_LAST_TOKEN, _ALL_TOKENS), worse)
        if some
    ]
    return Finding(
        f"Does attention find the things on {model}?",
        f"Of the patches that things cover, the {what} of the visual tokens that {_LAST_TOKEN} to most holds "
        f"{_at_each(last, 'kept_share')}; one drawn at random holds {drawn}.",
        f"That which {_ALL_TOKENS} to most holds {_at_each(mean, 'kept_share')}. Of the things, {lost} lose nine tenths of "
        "their patches or more where it is drawn at random"
        + (f"; more do in {' and in '.join(losing)}." if losing else ", and nowhere clearly more do."),
    )


def _at_each(points: Sequence[KeptThings], share: str) -> str:
    return _in_a_row([f"{percent(getattr(point, share))} at K={point.k}" for point in points])


def _lost(point: KeptThings) -> Score:
    return Score.of([True] * point.lost + [False] * (point.things - point.lost))


def _in_a_row(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _name(point: MeasuredPoint) -> str:
    return f"K={point.k}, R={percent(point.r)}" + (" (at random)" if point.k == 0 else "")


def _said(change: Change, p: bool = True) -> str:
    """``−1.2 points (−2.5 to +0.1, p=0.08)``"""
    test = f", p={change.p:.2g}" if p else ""
    return f"{points(change.share)} points ({points(change.low)} to {points(change.high)}{test})"
