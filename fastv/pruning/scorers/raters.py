"""The words of a question that are about the picture, as SparseVLM finds them."""

from __future__ import annotations

import torch
from torch import Tensor


def raters_of(visual: Tensor, present: Tensor, text: Tensor, candidates: Tensor) -> Tensor:
    """The text tokens that the visual tokens resemble more than average.

    Each visual token divides one vote among the candidates, by the softmax of its products with their embeddings; the
    raters are those with more than the mean vote. Where all have the same, as a single one does, all are raters.

    Parameters
    ----------
    visual : Tensor
        floating (batch, n_visual, width).
    present : Tensor
        boolean (batch, n_visual): which of them are there.
    text : Tensor
        floating (batch, m, width).
    candidates : Tensor
        boolean (batch, m).

    Returns
    -------
    Tensor
        boolean (batch, m).
    """
    with torch.autocast(visual.device.type, enabled=False):
        products = visual.float() @ text.float().transpose(1, 2)
    votes = products.masked_fill(~candidates[:, None], torch.finfo(torch.float32).min).softmax(dim=-1)
    votes = (votes * present[..., None]).sum(dim=1) * candidates
    mean = votes.sum(dim=1, keepdim=True) / candidates.sum(dim=1, keepdim=True).clamp(min=1)
    raters = candidates & (votes > mean)
    return torch.where(raters.any(dim=1, keepdim=True), raters, candidates)
