"""What is asked of a run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from fastv.inputs.video import Clip


@dataclass(frozen=True)
class Request:
    """One comparison as it was asked for.

    Parameters
    ----------
    picture
        The path of an uploaded file; the opened image or clip once the run policy has checked it.
    question
        The question for both sides.
    model, k, r
        The candidate: a key of the model pool (None: the pool's default), the layer K and the dropped fraction R.
        ``k=None`` runs it without pruning.
    method, seed
        The pruning method, and the seed of random choices, on both sides.
    max_new_tokens, repeats, warmup
        As in :func:`fastv.measurement.compare.compare`.
    baseline_model, baseline_k, baseline_r
        The other side: by default the candidate's model without pruning.
    video
        Whether the file is read as a video; some files could be read either way.
    """

    picture: str | Image.Image | Clip
    question: str
    model: str | None = None
    k: int | None = 2
    r: float = 0.5
    method: str = "fastv"
    seed: int = 0
    max_new_tokens: int = 64
    repeats: int = 3
    warmup: int = 1
    baseline_model: str | None = None
    baseline_k: int | None = None
    baseline_r: float = 0.5
    video: bool = False

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The keys of the candidate's and the baseline's model."""
        return self.model, self.model if self.baseline_model is None else self.baseline_model
