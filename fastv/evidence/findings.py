"""What the measurements say, in sentences written from them, each with its uncertainty.

Intervals are 95% confidence intervals, paired by question. Where one finding makes several comparisons, "significant"
means a Holm-corrected p below 0.05 over those comparisons. All of it holds for other questions of the same kind, not
for other trainings of the models: each was trained once. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastv.evidence.measurements import Measured, MeasuredPoint, all_measured, duels
from fastv.evidence.object_coverage import KeptThings, all_kept_things
from fastv.formatting import percent, points
from fastv.pruning.methods.registry import METHODS
from fastv.stats import Change, Score, holm

PAIR = ("mini-7", "mini-13")  # the smaller model first
USUAL = (2, 0.5)  # the paper's recommended (K, R)
SCOPE = (
    "Measured on drawn scenes. Every setting answered the same questions, and differences are paired by question, with "
    "95% CIs. Where a finding makes several comparisons, significance is Holm-corrected. The results generalize to "
    "other questions about such scenes, but not to other training runs: each model was trained once."
)
_LEVEL = 0.05
_SAME_COST = 1.005  # R is exact to a token and prompts differ by a few: within half a percent is the same


@dataclass(frozen=True)
class Finding:
    """A question, the sentence that answers it, and the numbers behind it, which may be empty. Plain text."""

    question: str
    sentence: str
    detail: str = ""


@dataclass(frozen=True)
class Comparisons:
    """Paired changes, with the p-values corrected for their number.

    Parameters
    ----------
    named : tuple of (str, Change)
        What was compared, and the change.
    """

    named: tuple[tuple[str, Change], ...]

    @property
    def significant(self) -> list[tuple[str, Change]]:
        adjusted = holm([change.p for _, change in self.named])
        return [found for found, p in zip(self.named, adjusted, strict=True) if p < _LEVEL]

    @property
    def better(self) -> list[tuple[str, Change]]:
        """Significant gains."""
        return [(name, change) for name, change in self.significant if change.share > 0]

    @property
    def worse(self) -> list[tuple[str, Change]]:
        """Significant losses."""
        return [(name, change) for name, change in self.significant if change.share < 0]


def findings(
    found: Mapping[str, Measured] | None = None,
    kept: Mapping[str, Sequence[KeptThings]] | None = None,
    matched: Mapping[str, Measured] | None = None,
) -> tuple[Finding, ...]:
    """The findings that the records allow; none where nothing was measured.

    Parameters
    ----------
    found : mapping of model to Measured, optional
        Over the grid of (K, R); by default all recorded models.
    kept : mapping of model to KeptThings, optional
        Objects' patches among the kept tokens; by default all recorded.
    matched : mapping of model to Measured, optional
        Settings of equal cost over more questions; by default all recorded. Without both models, ``found`` serves.
    """
    found = all_measured() if found is None else found
    kept = all_kept_things() if kept is None else kept
    matched = duels() if matched is None else matched
    single = [found[model] for model in PAIR if model in found]
    listed = [_usual_cost(one) for one in single]
    listed.append(_equal_cost(matched) or _equal_cost(found))
    listed += [_against_random(one) for one in single]
    listed += [_objects_kept(model, kept[model]) for model in PAIR if model in kept]
    return tuple(finding for finding in listed if finding is not None)


def _usual_cost(one: Measured) -> Finding | None:
    """What the paper's recommended setting costs, and which tasks lose accuracy."""
    point = one.point(*USUAL)
    if point is None:
        return None
    before, after, change = one.score(one.unpruned), one.score(point), one.change(point)
    by_task = Comparisons(tuple((task, one.change(point, task)) for task in sorted(set(one.tasks))))
    tasks = f"By task: {_listed(by_task.significant)}; " if by_task.significant else "By task: "
    rest = len(by_task.named) - len(by_task.significant)
    return Finding(
        f"What does {_name(point)} cost {one.model} in accuracy?",
        f"{_kind(change)}: {percent(before.share)} of {after.asked:,} questions answered correctly without FastV, "
        f"{percent(after.share)} with it ({_said(change)}).",
        f"{tasks}no significant change in {rest} of {len(by_task.named)} tasks.",
    )


def _kind(change: Change) -> str:
    if change.high < 0:
        return "A significant drop"
    return "A significant gain" if change.low > 0 else "No significant change"


def _equal_cost(found: Mapping[str, Measured]) -> Finding | None:
    """The paper's strongest claim, at equal decoder FLOPs; None unless both answered the same questions."""
    small, big = (found.get(model) for model in PAIR)
    if small is None or big is None or small.tasks != big.tasks:
        return None
    limit = small.unpruned.paper_prefill_flops * _SAME_COST
    ks = sorted({point.k for point in big.pruned if point.k is not None})
    fitting = [point for k in ks if (point := _least_pruned(big, k, limit))]
    if not fitting:
        return None
    main = next((point for point in fitting if point.k == USUAL[0]), fitting[0])
    change = big.change(main, since=small.unpruned)
    scores = (
        f"at {_name(main)} it answers {percent(big.score(main).share)} of {change.asked:,} questions correctly, "
        f"{small.model} {percent(small.score(small.unpruned).share)} ({_said(change)})"
    )
    if not change.is_clear:
        sentence = f"No significant difference: {scores}."
    else:
        sentence = f"{'Yes' if change.share > 0 else 'No'}: {scores}."
    others = Comparisons(
        tuple((_name(point), big.change(point, since=small.unpruned)) for point in fitting if point is not main)
    )
    return Finding(
        f"At equal cost, does {big.model} with FastV answer better than {small.model}?",
        sentence + _elsewhere(others, big.model, small.model),
        _equal_cost_detail(small, big, main, others),
    )


def _elsewhere(others: Comparisons, big: str, small: str) -> str:
    """Who is ahead at other K of the same cost."""
    ahead = [
        f"{model} is significantly better at {_in_a_row([name for name, _ in found])}"
        for model, found in ((big, others.better), (small, others.worse))
        if found
    ]
    return f" At other K of the same cost {', and '.join(ahead)}." if ahead else ""


def _equal_cost_detail(small: Measured, big: Measured, main: MeasuredPoint, others: Comparisons) -> str:
    cost = main.paper_prefill_flops / small.unpruned.paper_prefill_flops
    exact = main.total_flops / small.unpruned.total_flops
    detail = (
        f"Cost: FLOPs of all decoder layers by the paper's formula, {percent(cost)} of {small.model}'s; with vision "
        f"tower and answer, exact count, {percent(exact)}. Without FastV {big.model} differs from {small.model} by "
        f"{_said(big.change(big.unpruned, since=small.unpruned))}; pruning changes {big.model} by "
        f"{_said(big.change(main))}."
    )
    return f"{detail} At other K of the same cost: {_listed(others.named)}." if others.named else detail


def _least_pruned(one: Measured, k: int, limit: float) -> MeasuredPoint | None:
    """The least pruned point at K that costs no more than ``limit``."""
    method = "fastv" if k else "random"  # before layer 0 there is no attention
    fits = [
        point for point in one.pruned if point.k == k and point.method == method and point.paper_prefill_flops <= limit
    ]
    return max(fits, key=lambda point: point.paper_prefill_flops, default=None)


def _against_random(one: Measured) -> Finding | None:
    """Whether each method selects better than chance, at every (K, R) where both were measured."""
    compared = {name: found for name in METHODS if name != "random" and (found := _since_random(one, name)).named}
    if not compared:
        return None
    parts = [f"{METHODS[name].label}: {_counted(found)}" for name, found in compared.items()]
    details = [
        f"{METHODS[name].label}, {how}: {_listed(changes)}."
        for name, found in compared.items()
        for how, changes in (("better", found.better), ("worse", found.worse))
        if changes
    ]
    return Finding(
        f"Does attention select better than random on {one.model}?",
        f"{'; '.join(parts)}.",
        " ".join(details),
    )


def _since_random(one: Measured, method: str) -> Comparisons:
    pairs = [(point, one.point(point.k, point.r, "random")) for point in one.pruned if point.method == method]
    return Comparisons(tuple((_name(point), one.change(point, since=random)) for point, random in pairs if random))


def _counted(found: Comparisons) -> str:
    """``significantly better at 2 of 16 settings, worse at 3, no significant difference at 11``"""
    better, worse, all_ = len(found.better), len(found.worse), len(found.named)
    return (
        f"significantly better at {better} of {all_} settings, worse at {worse}, no significant difference at "
        f"{all_ - better - worse}"
    )


def _listed(some: Sequence[tuple[str, Change]]) -> str:
    return "; ".join(f"{name} {_said(change)}" for name, change in some)


def _objects_kept(model: str, listed: Sequence[KeptThings]) -> Finding | None:
    """Whether the kept tokens show the objects."""
    by_method = {name: [point for point in listed if point.method == name] for name in METHODS}
    draws = {point.k: point for point in by_method.pop("random")}
    shown = {name: [point for point in some if point.k in draws] for name, some in by_method.items()}
    shown = {name: some for name, some in shown.items() if some}
    if not shown or not draws:
        return None
    r = next(iter(draws.values())).r
    drawn, lost = (_range(share(point) for point in draws.values()) for share in (_kept_share, _lost_share))
    parts = [f"{METHODS[name].label} {_at_each(some, _kept_share)}" for name, some in shown.items()]
    losing = [
        f"{METHODS[name].label} ({_at_each(worse, _lost_share)})"
        for name, some in shown.items()
        if (worse := [point for point in some if _lost(point).low > _lost(draws[point.k]).high])
    ]
    return Finding(
        f"Do the kept tokens show the objects on {model}?",
        f"Share of the objects' patches kept at R={percent(r)}: {'; '.join(parts)}; random {drawn}.",
        f"Objects that lose at least nine tenths of their patches: random {lost}; "
        + (f"significantly more with {' and '.join(losing)}." if losing else "significantly more with no method."),
    )


def _kept_share(point: KeptThings) -> float:
    return point.kept_share


def _lost_share(point: KeptThings) -> float:
    return point.lost_share


def _range(shares: Iterable[float]) -> str:
    """From the least to the most, in percent."""
    found = list(shares)
    low, high = percent(min(found)), percent(max(found))
    return low if low == high else f"{low} to {high}"


def _at_each(some: Sequence[KeptThings], share: Callable[[KeptThings], float]) -> str:
    return _in_a_row([f"{percent(share(point))} at K={point.k}" for point in some])


def _lost(point: KeptThings) -> Score:
    return Score.counted(point.lost, point.things)


def _in_a_row(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _name(point: MeasuredPoint) -> str:
    return f"K={point.k}, R={percent(point.r)}" + (" (random)" if point.k == 0 else "")


def _said(change: Change) -> str:
    """``−1.2 points, 95% CI −2.5 to +0.1``"""
    return f"{points(change.share)} points, 95% CI {points(change.low)} to {points(change.high)}"
