"""What to set, for the model, the device and the points that may be lost, as HTML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fastv.app.explore.device_html import device_of
from fastv.app.explore.state import ExploreSettings
from fastv.app.shared.model_names import OWN
from fastv.evidence.advice_text import effect_sentences, loss_sentence, sentences
from fastv.evidence.adviser import Effect, advise
from fastv.formatting import sized
from fastv.presentation.html import render
from fastv.pruning.config import PruningConfig


def advice_pane(chosen: ExploreSettings, device: str, may_lose: float) -> Markup:
    """The setting to use, its loss and its savings, and the line of Python that sets it. Raises InvalidInputError."""
    place = device_of(device)
    advice = advise(chosen.model, chosen.shape, chosen.workload, place, may_lose)
    verdict, *_ = sentences(chosen.name, advice, place.name, chosen.workload.batch, may_lose)
    shown: dict[str, Any] = {"verdict": verdict, "kind": advice.kind, "own": chosen.model == OWN, "loss": None}
    if advice.loss is not None and advice.effect is not None:
        config = PruningConfig(advice.loss.method, advice.loss.k, advice.loss.r)
        shown |= {
            "loss": advice.loss,
            "quality": loss_sentence(advice.loss),
            "details": effect_sentences(advice.effect, place.name, chosen.workload.batch),
            "tiles": _tiles(advice.effect),
            "line": f'with fastv.METHODS["{config.method}"](k={config.k}, r={config.r:g})(model):',
        }
    return render("app/explore/advice", **shown)


def _tiles(effect: Effect) -> list[dict[str, Any]]:
    """First token, whole answer and requests: what each is with pruning, beside without, with a bar."""
    tiles = [
        _tile("First token", effect.first_token_seconds, effect.first_token_saving, "at best"),
        _tile("Whole answer", effect.answer_seconds, effect.answer_saving, "at best"),
    ]
    if effect.published_saving is not None and effect.published_first_token_seconds is not None:
        tiles.insert(
            1, _tile("First token", effect.published_first_token_seconds, effect.published_saving, "published")
        )
    before, after = effect.requests
    if before:
        more = {"title": "Requests that fit", "note": "at once", "before": f"{before:,}", "after": f"{after:,}"}
        tiles.append(more | {"change": f"+{effect.more_requests:.0%}", "share": before / after})
    return tiles


def _tile(title: str, seconds: tuple[float, float], saving: float, note: str) -> dict[str, Any]:
    before, after = (sized(one, "seconds") for one in seconds)
    return {
        "title": title,
        "note": note,
        "before": before,
        "after": after,
        "change": f"−{saving:.0%}",
        "share": 1 - saving,
    }
