"""FastV: on entering decoder layer k, drop the visual tokens that the last prompt token ignores (arXiv 2403.06764).

The model stays the one that was loaded: hooks cut what layers >= k are given, and are gone afterwards. Layers 0 ... k-1
see the whole prompt; layers >= k see, and cache, what was kept, at its original positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from weakref import WeakSet

from torch import nn

from fastv.errors import InvalidBudgetError, NestingError, UnsupportedModelError
from fastv.families.registry import family_of
from fastv.pruning.hooks import Hooks
from fastv.pruning.scorers import RANKS
from fastv.pruning.token_selection import Trace

__all__ = ["FastV", "Trace"]

_ACTIVE: WeakSet[nn.Module] = WeakSet()  # decoders inside a ``with FastV``


@dataclass
class FastV:
    """Drops the fraction ``r`` of the visual tokens on entering decoder layer ``k`` (counted from 0), once per prompt.

        with FastV(k=2, r=0.5)(model) as trace:
            output = model.generate(**inputs)

    ``round(n_visual * (1 - r))`` visual tokens of a prompt are kept, all its pictures and videos taken together; text
    is never dropped. A plain forward returns logits for the ``trace.pruned_length`` positions left, the last one last.

    rank: "last_token" ranks by the attention the last prompt token pays in layer k - 1, averaged over heads (the
    paper's code); "mean" by the attention all prompt tokens pay there (the paper's text); "random" draws, by ``seed``.
    k = 0 has no attention to rank by and always draws. Raises InvalidBudgetError for values out of range.

    A KV cache filled inside a ``with`` is shorter from layer k on, and goes on only inside one with the same k.
    """

    k: int = 2
    r: float = 0.5
    rank: str = "last_token"
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, Integral) or self.k < 0:
            raise InvalidBudgetError(f"k is a decoder layer, a whole number from 0 up, not {self.k!r}.")
        if isinstance(self.r, bool) or not isinstance(self.r, Real) or not 0 <= self.r <= 1:
            raise InvalidBudgetError(f"r is the fraction of visual tokens to drop, from 0 to 1, not {self.r!r}.")
        if self.rank not in RANKS:
            raise InvalidBudgetError(f"rank is one of {', '.join(RANKS)}, not {self.rank!r}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, Integral) or not -(2**63) <= self.seed < 2**63:
            raise InvalidBudgetError(f"seed is a whole number of at most 64 bits, not {self.seed!r}.")
        self.k, self.r, self.seed = int(self.k), float(self.r), int(self.seed)  # NumPy's numbers are no JSON

    @contextmanager
    def __call__(self, model: nn.Module) -> Iterator[Trace]:
        """Prunes ``model`` while the context is open and yields the Trace; leaves the model exactly as it was.

        Raises UnsupportedModelError, InvalidBudgetError when the model has no layer k, and NestingError when it is
        being pruned already. A run inside raises InvalidInputError for a prompt, and UnsupportedModelError for a
        cache, that FastV cannot serve.
        """
        hooks = Hooks(self, model, family_of(model))
        self._check(hooks.decoder)
        if hooks.decoder in _ACTIVE:
            raise NestingError("FastV is already active on this model. Leave the outer `with` first.")
        _ACTIVE.add(hooks.decoder)
        try:
            with hooks.attached():
                yield hooks.trace
        finally:
            _ACTIVE.discard(hooks.decoder)

    def _check(self, decoder: nn.Module) -> None:
        layers = getattr(decoder, "layers", ())
        if not layers or not all(hasattr(layer, "self_attn") for layer in layers):
            raise UnsupportedModelError(f"FastV needs a decoder of attention layers; {type(decoder).__name__} is none.")
        if self.k >= len(layers):
            raise InvalidBudgetError(f"k={self.k}, but the model's layers are 0 to {len(layers) - 1}: choose one.")
        if decoder.config._attn_implementation == "flex_attention":
            raise UnsupportedModelError(
                "FastV cannot cut the masks of flex_attention. Load the model with attn_implementation='sdpa'."
            )
        if len(set(getattr(decoder.config, "layer_types", None) or ())) > 1:
            raise UnsupportedModelError("FastV needs layers that attend alike; this model mixes kinds of attention.")
