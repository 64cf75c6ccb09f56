"""What a pruned side kept of the image or clip, as HTML."""

from __future__ import annotations

from markupsafe import Markup

from fastv.measurement.results import RunResult
from fastv.presentation.filmstrip import kept_strip, where_most
from fastv.presentation.html import render
from fastv.presentation.side_labels import SideLabel
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.base import Method
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.signals import OF_THE_LAYER_BEFORE


def kept_placeholder() -> Markup:
    """Before the first run."""
    return render("presentation/kept_placeholder")


def kept(result: RunResult, label: SideLabel) -> Markup:
    """How many visual tokens a side kept, how they were chosen, and which layers see them; of a clip its frames too."""
    count, total = sum(frame.kept_tokens for frame in result.seen), result.prompt_visual_tokens
    config = label.config
    reason = reason_of(config, count, total)
    spread = where_most(result.seen) if result.is_clip and 0 < count < total else ""
    return render(
        "presentation/kept",
        label=label,
        kept=count,
        total=total,
        reason=reason,
        sentences=" ".join(filter(None, (spread, who_sees(config, count, total, result.is_clip)))),
        frames=kept_strip(result.seen) if result.is_clip else "",
    )


def reason_of(config: PruningConfig | None, count: int, total: int) -> str:
    """How the kept tokens were chosen, as it goes on from "288 of 576 visual tokens kept"; empty without a choice."""
    if config is None or not 0 < count < total:
        return ""
    method = METHODS[config.chosen_by]
    of_a_layer = set(config.build().reads) & set(OF_THE_LAYER_BEFORE)
    where = f" in layer {config.k - 1}" if of_a_layer and config.k else ""
    return f"chosen {method.phrase}{where}"


def who_sees(config: PruningConfig | None, count: int, total: int, is_clip: bool = False) -> str:
    """Which layers see what."""
    whole = "all of every frame" if is_clip else "the whole image"
    if config is None or count == total:
        return f"All layers see {whole}."
    rest = "none of it" if count == 0 else "only what is not darkened"
    method = METHODS[config.method]
    if method.schedule is not Method.schedule:
        return f"Tokens were dropped {method.cuts}; later layers see {rest}."
    if config.k == 0:
        return f"All layers see {rest}."
    before = {1: "Layer 0 sees", 2: "Layers 0 and 1 see"}.get(config.k, f"Layers 0 to {config.k - 1} see")
    return f"{before} {whole}, the later layers {rest}."
