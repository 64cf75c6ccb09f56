"""What the measurements say, in sentences written from them: each with its interval, and with "cannot be told" where
the interval holds zero.

All intervals are 95%, each on its own: of twenty comparisons without any difference, one would look like one. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastv.formats import percent, points
from fastv.intervals import Change
from fastv.measured import Measured, MeasuredPoint, all_measured

PAIR = ("mini-7", "mini-13")  # the twins, the smaller one first
USUAL = (2, 0.5)  # the paper's recommended (K, R)
_LISTED = 3  # comparisons that a sentence lists one by one
_SAME_COST = 1.005  # R is exact to a token and prompts differ by a few: within half a percent is the same


@dataclass(frozen=True)
class Finding:
    """``question`` is what the ``sentence`` answers; plain text."""

    question: str
    sentence: str


def findings(found: Mapping[str, Measured] | None = None) -> tuple[Finding, ...]:
    """The sentences that the measured models (by default all there are) allow; none where nothing was measured."""
    found = all_measured() if found is None else found
    small, big = (found.get(model) for model in PAIR)
    sentences = [_usual_costs(one) for one in (small, big) if one]
    if small and big and small.tasks == big.tasks:
        sentences.append(_duel(small, big))
    sentences += [_against_random(one) for one in (small, big) if one]
    return tuple(sentence for sentence in sentences if sentence)


def _usual_costs(one: Measured) -> Finding | None:
    point = one.point(*USUAL)
    if point is None:
        return None
    before, after, change = one.score(one.unpruned), one.score(point), one.change(point)
    told = ("It costs accuracy" if change.high < 0 else "It gains accuracy" if change.low > 0 else
            "Whether it costs any accuracy cannot be told from these questions")
    return Finding(
        f"What does K={USUAL[0]}, R={percent(USUAL[1])} cost {one.model} in accuracy?",
        f"{one.model} answers {percent(after.share)} of {after.asked:,} questions right at {_name(point)}, and "
        f"{percent(before.share)} without FastV. {told}: {_said(change)}.")


def _duel(small: Measured, big: Measured) -> Finding | None:
    """The paper's boldest sentence, at total cost."""
    limit = small.unpruned.paper_prefill_flops * _SAME_COST
    fitting = [point for k in sorted({point.k for point in big.pruned}) if (point := _dearest(big, k, limit))]
    if not fitting:
        return None
    main = next((point for point in fitting if point.k == USUAL[0]), fitting[0])
    change = big.change(main, since=small.unpruned)
    if change.low > 0:
        told = f"There {big.model} still answers better"
    elif change.high < 0:
        told = f"There {small.model} answers better, so the paper's claim does not hold for this pair"
    else:
        told = "Which of the two answers better there cannot be told from these questions"
    ahead = big.change(big.unpruned, since=small.unpruned)
    others = [(point, big.change(point, since=small.unpruned)) for point in fitting if point is not main]
    rest = "; ".join(f"{_name(point)}: {_said(other, p=False)}" for point, other in others)
    return Finding(
        f"At which (K, R) does {big.model} cost what {small.model} costs, and who answers better there?",
        f"{big.model} comes down to the cost of {small.model} (all decoder layers together, paper's formula) at "
        f"{_name(main)}, {percent(main.paper_prefill_flops / small.unpruned.paper_prefill_flops)} of it; with vision "
        f"tower and answer, exact count, {percent(main.total_flops / small.unpruned.total_flops)}. {told}: "
        f"{percent(big.score(main).share)} against {percent(small.score(small.unpruned).share)}, {_said(change)}. "
        f"Without FastV {big.model}'s score less {small.model}'s is {_said(ahead, p=False)}; pruning that far changes "
        f"{big.model}'s by {_said(big.change(main), p=False)}."
        + (f" The same for other K: {rest}." if rest else ""))


def _dearest(one: Measured, k: int, limit: float) -> MeasuredPoint | None:
    """The least pruned point at K that costs no more than ``limit``."""
    fits = [point for point in one.pruned if point.k == k and point.rank == ("last_token" if k else "random")
            and point.paper_prefill_flops <= limit]
    return max(fits, key=lambda point: point.paper_prefill_flops, default=None)


def _against_random(one: Measured) -> Finding | None:
    sentences = [f"dropping what {whom} to least, rather than as many at random, {told}." for rank, whom in
                 (("last_token", "the last token attends"), ("mean", "all tokens together attend"))
                 if (told := _told_apart(one, rank))]
    if not sentences:
        return None
    return Finding(f"Where does attention choose better than chance on {one.model}?",
                   f"On {one.model}, " + " And ".join(sentences))


def _told_apart(one: Measured, rank: str) -> str:
    """Where a ranking is better than dropping at random, where worse, and where neither; empty if not measured."""
    pairs = [(point, one.point(point.k, point.r, "random")) for point in one.pruned if point.rank == rank]
    changes = [(point, one.change(point, since=random)) for point, random in pairs if random]
    better = [(point, change) for point, change in changes if change.low > 0]
    worse = [(point, change) for point, change in changes if change.high < 0]
    parts = [f"is {told} at {len(some)} of {len(changes)} (K, R){_listed(some)}"
             for told, some in (("better", better), ("worse", worse)) if some]
    rest = len(changes) - len(better) - len(worse)
    if rest:
        which = f"all {rest} (K, R)" if rest == len(changes) else f"the other {rest}"
        parts.append(f"makes no difference that can be told at {which}")
    return "; ".join(parts)


def _listed(some: list[tuple[MeasuredPoint, Change]]) -> str:
    """Each of a few; of many, the one that differs most."""
    if len(some) > _LISTED:
        some = [max(some, key=lambda one: abs(one[1].share))]
        return f", most at {_name(some[0][0])}: {_said(some[0][1], p=False)}"
    return ": " + "; ".join(f"{_name(point)} {_said(change, p=False)}" for point, change in some)


def _name(point: MeasuredPoint) -> str:
    return f"K={point.k}, R={percent(point.r)}" + (" (at random)" if point.k == 0 else "")


def _said(change: Change, p: bool = True) -> str:
    """``−1.2 points (−2.5 to +0.1, p=0.08)``"""
    test = f", p={change.p:.2g}" if p else ""
    return f"{points(change.share)} points ({points(change.low)} to {points(change.high)}{test})"
