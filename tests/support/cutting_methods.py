"""Made-up methods that use what the engine offers and few real ones need: several cuts, every signal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from fastv.pruning.choice import Choice
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


@dataclass(frozen=True)
class Merging(Staged):
    """Each kept token becomes the mean of itself, once more itself, and the one that follows it in the prompt."""

    signals = ("states",)

    def select(self, prompt, signals):
        chosen = super().select(prompt, signals).chosen
        index = prompt.positions.clamp(min=0)[..., None].expand(-1, -1, signals.states.shape[-1])
        states = signals.states.gather(1, index)
        following = states.roll(-1, dims=1)
        last = torch.tensor(prompt.counts) - 1
        follows = torch.arange(states.shape[1]) < last[:, None]
        return Choice(chosen, states=torch.where(follows[..., None], (2 * states + following) / 3, states))


@dataclass(frozen=True)
class Weighing(Staged):
    """Each kept token stands for as many as its ordinal says."""

    def select(self, prompt, signals):
        return replace(super().select(prompt, signals), weights=prompt.ordinals + 1.0)


@dataclass(frozen=True)
class Towering(Staged):
    """Ranks by what the vision tower's layer shows, and shows that."""

    signals = ("tower",)
    seen: list = field(default_factory=list, kw_only=True, compare=False)

    def score(self, prompt, signals):
        self.seen.append((prompt, signals.tower))
        return signals.tower.attention
