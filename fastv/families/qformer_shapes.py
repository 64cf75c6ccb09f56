"""Sizes of window Q-Formers: queries that read the patches of their own window, as a projector."""

from __future__ import annotations

from dataclasses import dataclass

from fastv.families.shapes import ProjectorShape


@dataclass(frozen=True)
class WindowQFormerShape(ProjectorShape):
    """Several projectors, each of which makes all visual tokens from one vision layer's, and a vector that ends rows.

    count: how many. queries, patches: of a window. ffn_width, layers: of each Q-Former. crossing: every so many of its
    layers, from the first on, look at the patches.
    """

    count: int = 1
    queries: int = 16
    patches: int = 64
    ffn_width: int = 3072
    layers: int = 1
    crossing: int = 1

    @property
    def crossings(self) -> int:
        """Layers that look at the patches."""
        return -(-self.layers // self.crossing)

    def parameters(self, width: int) -> int:
        own, ffn = self.input_width, self.ffn_width
        attention = 4 * own * own + 4 * own + 2 * own
        layer = attention + 2 * own * ffn + ffn + own + 2 * own
        formers = self.layers * layer + self.crossings * attention + 2 * own
        around = 2 * own + (self.queries + self.patches) * own + own * width + width
        return self.count * (formers + around) + width

    def flops(self, width: int, tokens: int) -> float:
        own, patches = self.input_width, tokens / self.queries * self.patches
        attention = 8.0 * tokens * own**2 + 4.0 * tokens * self.queries * own
        crossing = 4.0 * (tokens + patches) * own**2 + 4.0 * tokens * self.patches * own
        ffn = 4.0 * tokens * own * self.ffn_width
        formers = self.layers * (attention + ffn) + self.crossings * crossing
        return self.count * (formers + 2.0 * tokens * own * width)
