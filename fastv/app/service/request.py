"""What is asked of a run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from fastv.inputs.video import Clip
from fastv.pruning.config import PruningConfig


@dataclass(frozen=True)
class ChosenSide:
    """One side of a comparison.

    Attributes
    ----------
    model
        A key of the model pool; None is the pool's default.
    pruning
        None runs the model without pruning.
    """

    model: str | None = None
    pruning: PruningConfig | None = None


@dataclass(frozen=True)
class ChosenSides:
    """Both sides of a comparison: by default a model with FastV beside the same model without."""

    candidate: ChosenSide = ChosenSide(pruning=PruningConfig())
    baseline: ChosenSide = ChosenSide()

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The keys of the candidate's and the baseline's model."""
        return self.candidate.model, self.baseline.model

    @property
    def has_plain_baseline(self) -> bool:
        """Whether the baseline is the candidate's model without pruning."""
        return self.baseline == ChosenSide(self.candidate.model)

    @property
    def pair(self) -> tuple[str, str] | None:
        """Both models, where the baseline is another model without pruning; else None."""
        model, other = self.models
        if model is None or other is None or other == model or self.baseline.pruning is not None:
            return None
        return model, other


@dataclass(frozen=True)
class Request:
    """One comparison as it was asked for.

    Attributes
    ----------
    media
        The path of an uploaded file; the opened image or clip once the run policy has checked it.
    question
        The question for both sides.
    sides
        The models, and how each is pruned.
    max_new_tokens, repeats, warmup, more_when_busy
        As in :func:`fastv.measurement.compare.compare`.
    video
        Whether the file is read as a video; some files could be read either way.
    """

    media: str | Image.Image | Clip
    question: str
    sides: ChosenSides = ChosenSides()
    max_new_tokens: int = 64
    repeats: int = 3
    warmup: int = 1
    video: bool = False
    more_when_busy: int = 0
