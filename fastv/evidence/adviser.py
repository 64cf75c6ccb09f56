"""Which setting to use: the cheapest whose loss is known to stay within what may be lost, and what it saves.

Losses come from many questions, measured here or published for the same model. Savings on a device are lower bounds
from its peak rates, unless the same model was timed there and the time was published. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

from fastv.costs.roofline import Device, Estimate, capacity, estimate
from fastv.costs.solver import Workload
from fastv.errors import InvalidInputError
from fastv.evidence.measurements import measured
from fastv.evidence.published import LatencyRow, latency, table1, video
from fastv.families.shapes import ModelShape
from fastv.validation import real

WORTH = 0.05  # a saving below this is not worth a setting
_MODELS_TIMED_ALIKE = {"a100-80g": "A100-80G"}  # keys of ``roofline.devices`` -> as the published times name them
_PRECISIONS_TIMED = {"float16": "fp16", "4bit": "4bit"}


@dataclass(frozen=True)
class KnownLoss:
    """What a setting costs in quality.

    Attributes
    ----------
    k, r, method
        As in ``PruningConfig``.
    points : float
        Points lost, negative where the score rose.
    most : float or None
        The upper end of the loss's 95% interval, which holds for all settings considered together (Bonferroni), since
        one of them is picked by it; None where the source gives no interval.
    questions : int or None
        How many it was measured on; None where the source does not tell.
    source : str
        Of what, and by whom.
    """

    k: int
    r: float
    method: str
    points: float
    most: float | None
    questions: int | None
    source: str

    def is_within(self, points: float) -> bool:
        """Whether no more than ``points`` are lost: by the interval's end where there is one."""
        return (self.points if self.most is None else self.most) <= points


@dataclass(frozen=True)
class Effect:
    """What a setting does to a run on a device, beside no pruning; each pair is (without, with).

    Attributes
    ----------
    first_token_seconds, answer_seconds : tuple of float
        Lower bounds from the device's peak rates, for the whole batch.
    requests : tuple of int
        Prompts of this kind that fit in the device's memory at once.
    published_first_token_seconds : tuple of float or None
        As published for this model on this device, for one prompt at a time.
    """

    first_token_seconds: tuple[float, float]
    answer_seconds: tuple[float, float]
    requests: tuple[int, int]
    published_first_token_seconds: tuple[float, float] | None = None

    @property
    def first_token_saving(self) -> float:
        """Share of the time to the first token that is saved, at most."""
        return _saving(self.first_token_seconds)

    @property
    def published_saving(self) -> float | None:
        """The same as it was published."""
        return None if self.published_first_token_seconds is None else _saving(self.published_first_token_seconds)

    @property
    def answer_saving(self) -> float:
        """Share of the whole answer's time that is saved, at most."""
        return _saving(self.answer_seconds)

    @property
    def more_requests(self) -> float:
        """Share of requests more that fit; 0 where none fit without."""
        before, after = self.requests
        return after / before - 1 if before else 0.0


@dataclass(frozen=True)
class Advice:
    """The answer. ``loss`` and ``effect`` are None where there is no setting to name.

    Attributes
    ----------
    kind : str
        "use" (this setting), "not worth it" (the best one within the loss saves less than ``WORTH`` of the answer's
        time and, where several prompts run at once, lets no more of them fit), "none within" (every known setting may
        lose more), "unknown" (nothing is known of this model).
    considered : int
        Settings whose loss is known.
    """

    kind: str
    loss: KnownLoss | None = None
    effect: Effect | None = None
    considered: int = 0


def known_losses(model: str) -> Iterator[KnownLoss]:
    """Every setting of a model whose loss is known: measured here, else of the paper's tables.

    Parameters
    ----------
    model
        A key of the catalogue.
    """
    found = measured(model)
    if found is not None:
        source = f"{len(found.tasks):,} questions about drawn scenes, measured by this project"
        changes = [(point, found.change(point)) for point in found.pruned]
        for point, change in changes:
            middle, reach = (change.high + change.low) / 2, (change.high - change.low) / 2
            most = reach * _simultaneous(len(changes)) - middle
            yield KnownLoss(
                point.k or 0, point.r, str(point.method), -100 * change.share, 100 * most, len(found.tasks), source
            )
        return
    rows = [row for row in table1() if row.model == model]
    whole = next((row.average for row in rows if row.k is None), None)
    if whole is not None:
        source = "average of Nocaps, Flickr30k, A-OKVQA and MMMU, FastV paper, Table 1"
        yield from (_published(row.k, row.r, whole - row.average, source) for row in rows if row.k is not None)
        return
    clips = [row for row in video() if row.model == model]
    answered = next((row.average for row in clips if row.k is None), None)
    if answered is not None:
        source = "average accuracy on TGIF, MSVD and MSRVTT, FastV paper"
        yield from (
            _published(row.k, row.r, 100 * (answered - row.average), source) for row in clips if row.k is not None
        )


def advise(model: str, shape: ModelShape, workload: Workload, device: Device, may_lose: float) -> Advice:
    """The setting that saves most of an answer's time among those known to lose at most ``may_lose`` points.

    Parameters
    ----------
    model
        A key of the catalogue, by which losses are known.
    shape, workload, device
        What runs, and where.
    may_lose
        Points of score, 0 to 100.

    Raises
    ------
    InvalidInputError
        For a number of points that is none.
    """
    may_lose = real(may_lose, "The points that may be lost", low=0, high=100, error=InvalidInputError)
    losses = [loss for loss in known_losses(model) if loss.k < shape.decoder.layers]
    if not losses:
        return Advice("unknown")
    effects = [(loss, effect_of(model, shape, workload, device, loss)) for loss in losses if loss.is_within(may_lose)]
    if not effects:
        return Advice("none within", considered=len(losses))
    loss, effect = max(effects, key=lambda pair: (pair[1].answer_saving, -pair[0].points))
    worth = effect.answer_saving >= WORTH or (workload.batch > 1 and effect.more_requests >= WORTH)
    return Advice("use" if worth else "not worth it", loss, effect, len(losses))


def effect_of(model: str, shape: ModelShape, workload: Workload, device: Device, loss: KnownLoss) -> Effect:
    """What one setting does to a run on a device."""
    before = estimate(shape, workload, device, None, 0.0)
    after = estimate(shape, workload, device, loss.k, loss.r)
    steps = workload.answer_tokens - 1
    return Effect(
        (before.prefill_seconds, after.prefill_seconds),
        (_answer_seconds(before, steps), _answer_seconds(after, steps)),
        (capacity(shape, workload, device, None, 0.0), capacity(shape, workload, device, loss.k, loss.r)),
        _published_times(model, workload, device, loss),
    )


def _saving(pair: tuple[float, float]) -> float:
    return 1 - pair[1] / pair[0]


def _simultaneous(settings: int) -> float:
    """How much wider 95% intervals are that hold for so many settings at once."""
    normal = NormalDist()
    return normal.inv_cdf(1 - 0.025 / settings) / normal.inv_cdf(0.975)


def _answer_seconds(one: Estimate, steps: int) -> float:
    return one.prefill_seconds + steps * one.decode_seconds_per_token


def _published(k: int, r: float, points: float, source: str) -> KnownLoss:
    return KnownLoss(k, r, "fastv" if k else "random", round(points, 6), None, None, source)


def _published_times(model: str, workload: Workload, device: Device, loss: KnownLoss) -> tuple[float, float] | None:
    wanted = (model, _MODELS_TIMED_ALIKE.get(device.key), _PRECISIONS_TIMED.get(workload.dtype))
    rows: list[LatencyRow] = [row for row in latency() if (row.model, row.device, row.precision) == wanted]
    plain = next((row for row in rows if row.k is None), None)
    pruned = next((row for row in rows if row.k == loss.k and abs(row.r - loss.r) < 1e-3), None)
    if workload.batch != 1 or plain is None or pruned is None:
        return None
    return plain.first_token_seconds, pruned.first_token_seconds
