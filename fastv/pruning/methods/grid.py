"""A uniform sample of the picture: what every method that looks at it must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastv.pruning.choice import Choice
from fastv.pruning.methods.base import Method

if TYPE_CHECKING:
    from fastv.pruning.prompt_tokens import PromptTokens
    from fastv.pruning.signals import Signals


@dataclass(frozen=True)
class UniformGrid(Method):
    """Keep an even lattice of visual tokens, exactly as many as asked for.

    Each picture is cut into cells as even as their number allows, and the token in the middle of each cell stays; see
    ``scorers.lattice.cells``. Pictures and videos of a prompt get shares in proportion to their tokens. Tokens without
    a place, such as the end of a row in tiled pictures, go first. See ``Method`` for the parameters.
    """

    name = "grid"
    label = "Uniform grid"
    phrase = "on an even lattice"
    paper = ""
    signals = ()
    cuts = "on entering decoder layer K"
    limits = "Ignores image and question. Needs images whose rows and columns are known, and all of their tokens."
    needs_places = True

    def select(self, prompt: PromptTokens, signals: Signals) -> Choice:
        from fastv.pruning.picture_cells import picture_cells

        return Choice(picture_cells(prompt, self.label).is_middle)
