"""Where the layers look on average over many scenes, and from which layer the picture is not needed, as HTML."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from fastv.evidence.findings import PAIR
from fastv.evidence.layer_findings import RANKING_LAYER, layer_findings
from fastv.evidence.layer_profiles import Cells, LayerProfile, layer_profiles
from fastv.evidence.published import attention_shares
from fastv.families.catalogue import find
from fastv.formatting import percent
from fastv.presentation.html import render

_PUBLISHED_LAYERS = {"first 2": "first 2 layers", "others": "all others"}
PARTS = ("system", "image", "question", "answer")  # as in ``attention_map``, which imports torch


@dataclass(frozen=True)
class _Column:
    """A stacked bar: its label, the heights of its parts in percent, and its words."""

    label: str
    parts: tuple[tuple[str, str], ...]
    words: str


def averages() -> Markup:
    """Nothing where nothing was measured."""
    profiles = [layer_profiles()[model] for model in PAIR if model in layer_profiles()]
    if not profiles:
        return Markup("")
    return render(
        "app/attention/averages",
        models=[_model(profile) for profile in profiles],
        published=[_column(_PUBLISHED_LAYERS[row.layers], vars(row)) for row in attention_shares()],
        published_samples=attention_shares()[0].samples,
        findings=layer_findings(),
        ranking_layer=RANKING_LAYER,
    )


def _model(profile: LayerProfile) -> dict:
    whole, *later = profile.withdrawn
    return {
        "name": find(profile.model).name,
        "scenes": profile.scenes,
        "last": [_column(str(layer), shares) for layer, shares in enumerate(profile.attention)],
        "answer": [_column(str(layer), shares) for layer, shares in enumerate(profile.answer_attention)],
        "maps": [
            ("with the rotary embedding", _map(profile.kept_cells[RANKING_LAYER])),
            ("without it", _map(profile.kept_cells_unrotated[RANKING_LAYER])),
            ("where things are", _map(profile.thing_cells)),
        ],
        "questions": len(profile.tasks),
        "whole": f"{100 * profile.score(whole).share:.2f}",
        "withdrawn": [
            {"k": point.k, "share": f"{100 * score.share:.2f}", "words": percent(round(score.share, 3))}
            for point in later
            for score in [profile.score(point)]
        ],
    }


def _column(label: str, shares) -> _Column:
    parts = tuple((part, f"{100 * shares[part]:.2f}") for part in PARTS)
    words = ", ".join(f"{part} {percent(round(shares[part], 3))}" for part in PARTS)
    return _Column(label, parts, words)


def _map(cells: Cells) -> list[list[str]]:
    """How strong each cell's color is, in percent of the strongest."""
    highest = max(map(max, cells)) or 1
    return [[f"{100 * cell / highest:.0f}" for cell in row] for row in cells]
