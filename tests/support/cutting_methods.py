"""Made-up methods that use what the engine offers and few real ones need: several cuts, every signal."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from fastv.pruning.methods.base import Method


@dataclass(frozen=True)
class Staged(Method):
    """Cuts at several layers, by scores that depend on the tokens alone and so are the same in any batch."""

    name = label = phrase = cuts = limits = "staged"
    paper = ""
    signals = ()
    layers: tuple[int, ...] = field(default=(1, 3), kw_only=True)

    def schedule(self, depth):
        return self.layers

    def score(self, prompt, signals):
        return torch.sin((prompt.ordinals + 1) * (self.seed + 1.7) * (prompt.cut + 1.0))


@dataclass(frozen=True)
class Watching(Staged):
    """Shows what it gets, at every cut."""

    signals = ("attention", "unrotated", "states", "earlier_states", "embeddings")
    seen: list = field(default_factory=list, kw_only=True, compare=False)

    def select(self, prompt, signals):
        self.seen.append((prompt, signals))
        return super().select(prompt, signals)
