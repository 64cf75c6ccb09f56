"""Which (K, R) stays within a budget: a solver over ``fastv.costs.flops``.

A budget is an upper bound of a cost, and every figure in it has a convention (see ``fastv.costs.flops``). "Equal to
another model" can be meant in two ways that differ when the models differ in depth: the total over all decoder layers,
or, as in the FastV paper's Table 1, the average of one layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastv.costs.flops import CONVENTIONS, Cost, check_pruning, cost
from fastv.errors import InvalidBudgetError
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.validation import one_of, real

#: What a target may bound: fields of ``Cost`` that fall as R rises.
QUANTITIES = ("decoder_prefill_flops", "layer_average_flops", "prefill_flops", "total_flops", "kv_cache_bytes")
#: What "as much as that model" may mean, and the quantity it compares.
BASES = {"total": "decoder_prefill_flops", "per-layer": "layer_average_flops"}

_ROUNDING = 1e-9  # relative; far below one token, far above what floats lose


@dataclass(frozen=True)
class Workload:
    """A prompt and its answer.

    Parameters
    ----------
    text_tokens, visual_tokens, answer_tokens
        Their lengths in tokens; visual ones are those of all ``pictures`` together.
    pictures
        None means one, if there are visual tokens.
    dtype
        How weights and cache are held, one of ``memory.DTYPES``.
    batch
        So many such prompts are read and answered at the same time.
    """

    text_tokens: int = 36
    visual_tokens: int = 576
    answer_tokens: int = 1
    pictures: int | None = None
    dtype: str = "float16"
    batch: int = 1

    def cost(self, config: Any, k: int | None, r: float, convention: str, **method: Any) -> Cost:
        """The cost of the workload; ``method``: the stages and FLOPs of a pruning method, see ``flops.cost``."""
        one = cost(
            config,
            text_tokens=self.text_tokens,
            visual_tokens=self.visual_tokens,
            pictures=self.pictures,
            answer_tokens=self.answer_tokens,
            dtype=self.dtype,
            k=k,
            r=r,
            convention=convention,
            **method,
        )
        return one if self.batch == 1 else one.for_batch(self.batch)


@dataclass(frozen=True)
class Target:
    """At most ``amount`` (FLOPs or bytes) of ``quantity``, one of QUANTITIES, counted by ``convention``."""

    quantity: str
    amount: float
    convention: str = "paper"

    def __post_init__(self) -> None:
        _check_quantity(self.quantity)
        one_of(self.convention, "convention", CONVENTIONS, error=InvalidBudgetError)
        real(self.amount, "A target amount", above=0, error=InvalidBudgetError)

    @classmethod
    def of_model(
        cls,
        config: Any,
        workload: Workload,
        quantity: str,
        convention: str = "paper",
        *,
        k: int | None = None,
        r: float = 0.0,
        ratio: float = 1.0,
    ) -> Target:
        """``ratio`` times what a model, another or the same, takes for ``workload``, by default without FastV."""
        _check_quantity(quantity)
        return cls(quantity, ratio * getattr(workload.cost(config, k, r, convention), quantity), convention)


@dataclass(frozen=True)
class Solution:
    """The least pruning at layer ``k`` that stays within a target.

    Parameters
    ----------
    r, kept, amount
        ``r`` leaves exactly ``kept`` visual tokens and then costs ``amount``; one more would exceed the target.
    continuous_r
        Where the cost would meet the target if parts of a token could be kept (0 without pruning).
    """

    k: int
    r: float
    kept: int
    continuous_r: float
    amount: float


@dataclass(frozen=True)
class NotReachable:
    """No R at layer ``k`` meets the target; with every visual token dropped it still costs ``least``."""

    k: int
    least: float
    reason: str


def solve(config: Any, workload: Workload, target: Target, k: int) -> Solution | NotReachable:
    """The R for one K, exact to one visual token. Raises InvalidBudgetError for a K the model does not have."""
    shape, visual = read_shape(config), workload.visual_tokens
    check_pruning(k, 0.0, shape.decoder.layers)

    def amount(kept: int) -> float:
        r = 1 - kept / visual if visual else 0.0
        return getattr(workload.cost(shape, k, r, target.convention), target.quantity)

    limit = target.amount * (1 + _ROUNDING)
    kept, above = 0, visual  # amount(kept) is within the limit, amount(above) is not
    if (most := amount(visual)) <= limit:
        return Solution(k, 0.0, visual, 0.0, most)
    if (least := amount(0)) > limit:
        return NotReachable(k, least, _reason(shape, k, visual, least / target.amount))
    while above - kept > 1:
        middle = (kept + above) // 2
        kept, above = (middle, above) if amount(middle) <= limit else (kept, middle)
    # Between neighbours the cost is all but straight: it bends by well under a hundredth of a token.
    low, high = amount(kept), amount(above)
    between = min(max((target.amount - low) / (high - low), 0.0), 1.0)
    return Solution(k, 1 - kept / visual, kept, 1 - (kept + between) / visual, low)


def solve_all(
    config: Any, workload: Workload, target: Target, ks: Iterable[int] | None = None
) -> tuple[Solution | NotReachable, ...]:
    """``solve`` for each K in ``ks``, by default every layer of the model."""
    shape = read_shape(config)
    return tuple(solve(shape, workload, target, k) for k in (range(shape.decoder.layers) if ks is None else ks))


def _check_quantity(quantity: str) -> None:
    if quantity not in QUANTITIES:
        raise InvalidBudgetError(f"A target is one of {', '.join(QUANTITIES)}, not {quantity!r}.")


def _reason(shape: ModelShape, k: int, visual: int, ratio: float) -> str:
    share = f"{100 * ratio:.1f}% of the target"
    if not visual:
        return f"The prompt has no visual token to drop, and costs {share}."
    if k == 0:
        return f"Without a single visual token the prompt still costs {share}."
    return (
        f"Even if every visual token is dropped on entering layer {k}, the cost is {share}: "
        f"{k} of {shape.decoder.layers} layers have read the whole prompt by then. A smaller K costs less."
    )
