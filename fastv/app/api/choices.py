"""The endpoints ``/methods`` and ``/advise``: what can be chosen, and what to choose; no model is loaded."""

from __future__ import annotations

from dataclasses import asdict

import gradio as gr

from fastv.app.api.costs import prompt_of
from fastv.app.api.endpoint import as_endpoint
from fastv.app.explore.device_html import device_of
from fastv.costs import configs
from fastv.evidence.advice_text import sentences
from fastv.evidence.adviser import advise as advice_for
from fastv.families.catalogue import find
from fastv.pruning.methods.registry import described
from fastv.pruning.unserved import described_for


def methods(model: str | None = None) -> dict:
    """Every pruning method: {"methods": [{"name": ..., "label": ..., "paper": ..., "cuts": ...}, ...]}.

    With model, a key of the catalogue, also "unserved" of each: why that model cannot be pruned by it, or null; and
    "unserved_options", reasons by option.
    """
    if model is None:
        return {"methods": described()}
    configs.shape_of(model)  # of the catalogue alone: no folder of this machine is looked into
    return {"methods": described_for(find(model))}


def advise(
    model: str = "llava-1.5-13b",
    device: str = "a100-80g",
    may_lose: float = 1.0,
    text_tokens: int = 36,
    visual_tokens: int | None = None,
    answer_tokens: int = 64,
    pictures: int = 1,
    batch: int = 1,
    dtype: str = "float16",
) -> dict:
    """The setting that saves most of an answer's time among those known to lose at most may_lose points of score.

    kind is use, not worth it, none within or unknown; loss and effect are null where no setting can be named. device
    is a key such as a100-80g; the other parameters are those of /cost.
    """
    shape, workload = prompt_of(model, None, text_tokens, visual_tokens, answer_tokens, pictures, batch, dtype)
    place = device_of(device)
    advice = advice_for(model, shape, workload, place, may_lose)
    return {
        "model": model,
        "device": device,
        **asdict(workload),
        "may_lose_points": may_lose,
        "sentences": sentences(model, advice, place.name, batch, may_lose),
        **asdict(advice),
    }


def add() -> None:
    """Adds both to the Blocks that are open."""
    for function in (methods, advise):
        gr.api(as_endpoint(function), api_name=function.__name__, queue=False)
