"""FastV: keep the visual tokens that the last prompt token attends to most (arXiv 2403.06764, as its code does)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.errors import InvalidBudgetError
from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.methods.base import _HALF, _OWN_K

if TYPE_CHECKING:
    from torch import Tensor

    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals

#: What ``rank=`` was called before methods had names.
RANK_NAMES = {"last_token": "fastv", "mean": "fastv_mean", "random": "random"}


@dataclass(frozen=True, init=False)
class FastV(AttentionMethod):
    """Drop, on entering layer ``k``, the visual tokens that the last prompt token attends to least in layer ``k - 1``::

        with FastV(k=2, r=0.5)(model) as trace:
            output = model.generate(**inputs)

    Attention is averaged over heads. A plain forward returns logits for the ``trace.pruned_length`` positions that are
    left, the last one last. A KV cache filled inside a ``with`` is shorter from layer ``k`` on, and goes on only inside
    one with the same ``k``.

    Parameters
    ----------
    k, r, seed, keep_ratio, keep
        See ``Method``; ``seed`` matters for ``k = 0`` alone.
    rank : str, optional
        Deprecated: "mean" and "random" make the methods ``fastv_mean`` and ``random`` of ``METHODS``.

    References
    ----------
    Chen et al., "An Image is Worth 1/2 Tokens After Layer 2", ECCV 2024, arXiv 2403.06764.
    """

    name = "fastv"
    label = "FastV"
    phrase = "by the attention of the last prompt token"
    paper = "arXiv 2403.06764"

    def __new__(cls, k: Any = _OWN_K, r: Any = _HALF, rank: Any = None, seed: Any = 0, **amount: Any) -> Any:
        if rank is None or cls is not FastV:
            return super().__new__(cls)
        from fastv.pruning.methods.fastv_mean import FastVMean
        from fastv.pruning.methods.random import RandomTokens

        if rank not in RANK_NAMES:
            raise InvalidBudgetError(f"rank is one of {', '.join(RANK_NAMES)}, not {rank!r}. It is now the method.")
        name = RANK_NAMES[rank]
        warnings.warn(f"rank={rank!r} is METHODS[{name!r}] from now on.", DeprecationWarning, stacklevel=2)
        other = {"fastv_mean": FastVMean, "random": RandomTokens}.get(name)
        return super().__new__(cls) if other is None else other(k, r, seed, **amount)

    def __init__(self, k: Any = _OWN_K, r: Any = _HALF, rank: Any = None, seed: Any = 0, **amount: Any) -> None:
        super().__init__(k, r, seed, **amount)

    def attention(self, prompt: PromptTokens, signals: Signals) -> Tensor:
        from fastv.pruning.scorers import last_token_attention

        assert signals.attention is not None
        return last_token_attention(*signals.attention)
