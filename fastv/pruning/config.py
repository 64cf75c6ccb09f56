"""A pruning method and its settings as plain data: what requests, links, sweeps and records carry. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fastv.errors import InvalidBudgetError
from fastv.families.shapes import ModelShape
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS, method_name
from fastv.pruning.signals import ATTENTION, UNROTATED
from fastv.validation import one_of

#: What every method takes beside its amount and its place, and what that is unless it is told.
OPTIONS: dict[str, Any] = {"per": "prompt", "positions": "keep", "proportional": False}


@dataclass(frozen=True)
class PruningConfig:
    """Which method drops how much, and where. Running without pruning is ``None`` in place of a config.

    Parameters
    ----------
    method : str
        A name of ``METHODS``, or what ``rank`` called it before ("last_token", "mean").
    k : int
        The decoder layer on entering which visual tokens are dropped.
    r : float
        The fraction dropped, 0 to 1.
    seed : int
        For what is drawn at random.
    per, positions, proportional
        Options that every method takes, as in ``Method``.

    Raises
    ------
    InvalidBudgetError
        For an unknown method and for values out of range.
    """

    method: str = "fastv"
    k: int = 2
    r: float = 0.5
    seed: int = 0
    per: Literal["prompt", "image"] = "prompt"
    positions: Literal["keep", "close"] = "keep"
    proportional: bool = False

    def __post_init__(self) -> None:
        name = one_of(method_name(self.method), "method", METHODS, error=InvalidBudgetError)
        object.__setattr__(self, "method", name)
        made = self.build()
        for attribute in ("k", "r", "seed", *OPTIONS):
            object.__setattr__(self, attribute, getattr(made, attribute))

    def build(self) -> Method:
        """The method itself, to be entered on a model."""
        return METHODS[self.method](
            k=self.k, r=self.r, seed=self.seed, **{name: getattr(self, name) for name in OPTIONS}
        )

    @property
    def options(self) -> dict[str, Any]:
        """The options that are not at their defaults, by their names."""
        return {name: getattr(self, name) for name, usual in OPTIONS.items() if getattr(self, name) != usual}

    def with_options(self, options: Mapping[str, Any]) -> PruningConfig:
        """The same with some options. Raises InvalidBudgetError for one that there is not, and for a wrong value."""
        for name in options:
            one_of(name, "The option", OPTIONS, error=InvalidBudgetError)
        return replace(self, **options)

    def cost_arguments(
        self, shape: ModelShape, text: int, visual: int, pictures: int | None = None, frames: int = 0
    ) -> dict[str, Any]:
        """What ``costs.flops.cost`` takes of the method, for a prompt of so many text and visual tokens, which come
        from so many pictures and frames of videos; by default from one picture if there are no frames.

        Raises InvalidBudgetError where it ranks by attention, and no layer before k attends.
        """
        method, decoder, depth = self.build(), shape.decoder, shape.decoder.layers
        layers = method.schedule(depth)
        first = next((layer for layer in range(depth) if not decoder.layer(layer).recurrent), depth)
        if {ATTENTION, UNROTATED}.intersection(method.reads_at(0, layers[0])) and layers[0] <= first:
            raise InvalidBudgetError(
                f"k={layers[0]}, but {method.label} ranks by the attention of an earlier layer, and none before layer "
                f"{first} attends: choose k={first + 1} or more."
            )
        stages = None
        if layers != (self.k,):
            stages = [(layer, method.kept_at(cut, visual, len(layers))) for cut, layer in enumerate(layers)]
        own, pictures = 0.0, int(frames == 0) if pictures is None else pictures
        if method.kept_of(visual) < visual:
            own = method.own_flops(decoder, text, visual)
            own += method.tower_flops(shape.vision, visual, pictures, frames) if shape.vision else 0.0
        made = method.kept_of(visual) if method.encodes_kept_alone else None
        return {"k": self.k, "r": self.r, "stages": stages, "method_flops": own, "encoded_tokens": made}

    @property
    def label(self) -> str:
        """The method's name for people."""
        return METHODS[self.method].label

    @property
    def chosen_by(self) -> str:
        """The method that decides which tokens stay: "random" where there is nothing yet to rank by (``k = 0``)."""
        return chosen_by(self.method, self.k)

    def to_dict(self) -> dict[str, Any]:
        """As JSON's types, under the fields' names."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PruningConfig | None:
        """From a record, also an old one that has ``rank`` for ``method``; other entries are ignored.

        None where the record is of a run without pruning, whose ``k`` is None.
        """
        if data.get("k") is None:
            return None
        known = {name: data[name] for name in ("k", "r", "seed", *OPTIONS) if data.get(name) is not None}
        name = data.get("method") or data.get("rank")
        return cls(**known, **({"method": name} if name else {}))


def chosen_by(method: str, k: int) -> str:
    """The method that decides where one drops tokens at ``k``, see ``PruningConfig``; itself where it is not known."""
    if method not in METHODS or not METHODS[method].takes_k or not METHODS[method].signals:
        return method
    return method if METHODS[method](k=k).reads else "random"
