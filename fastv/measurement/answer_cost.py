"""What one answer to one prompt costs, computed."""

from __future__ import annotations

from typing import Any

from fastv.costs.flops import Cost, cost
from fastv.loading.load import LoadedModel
from fastv.measurement.prompt import Prompt
from fastv.pruning.config import PruningConfig


def answer_cost(loaded: LoadedModel, prompt: Prompt, answer_tokens: int, pruning: PruningConfig | None) -> Cost | None:
    """The cost of a prompt and its answer, ``exact`` convention.

    None for a model whose vision tower or decoder is of a kind whose FLOPs are not known.
    """
    if loaded.shape is None:
        return None
    text, visual = prompt.tokens - prompt.visual_tokens, prompt.visual_tokens
    pruned: dict[str, Any] = (
        {"k": None, "r": 0.0}
        if pruning is None
        else pruning.cost_arguments(loaded.shape, text, visual, prompt.pictures, prompt.frames)
    )
    if prompt.encoded_tokens is not None and pruned.get("encoded_tokens") is None:
        pruned["encoded_tokens"] = prompt.encoded_tokens
    return cost(
        loaded.shape,
        text_tokens=text,
        visual_tokens=visual,
        answer_tokens=answer_tokens,
        **pruned,
        pictures=prompt.pictures,
        frames=prompt.frames,
        convention="exact",
    )
