"""Choices that are made in each picture on its own, where the amount holds for each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastv.pruning.prompt_tokens import PromptTokens


def in_each_image(prompt: PromptTokens, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Let a method choose among all visual tokens of each row, or where ``per`` is "image" among those of each picture.

    Parameters
    ----------
    choose : callable
        From ``absent``, boolean (batch, n_visual), True for columns it may not choose from, and ``keep``, long
        (batch,), to the tokens chosen: boolean (batch, n_visual).

    Returns
    -------
    Tensor
        boolean (batch, n_visual).
    """
    absent = prompt.positions < 0
    if prompt.keep_per_image is None:
        return choose(absent, prompt.keep)
    chosen = torch.zeros_like(absent)
    for number, keep in enumerate(prompt.keep_per_image.unbind(1)):
        chosen |= choose(absent | (prompt.images != number), keep)
    return chosen
