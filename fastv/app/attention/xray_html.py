"""The pane that attention.js draws in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from fastv.app.attention.recorded import recorded
from fastv.formatting import day
from fastv.presentation.html import render


def xray(payload: Mapping[str, Any], *, date: str = "", word: int | None = None, layer: int | None = None) -> Markup:
    """A reading as HTML.

    Parameters
    ----------
    payload
        See ``attention_payload``.
    date
        When it was recorded; empty for one of now.
    word, layer
        What is chosen to begin with, by index; None leaves it to the script.
    """
    return render(
        "app/attention/xray",
        reading=json.dumps(payload, separators=(",", ":")),
        name=payload["name"],
        question=payload["question"],
        answer=payload["answer"],
        date=day(date) if date else "",
        word="" if word is None else word,
        layer="" if layer is None else layer,
    )


def recorded_xray(model: str, word: int | None = None, layer: int | None = None) -> Markup:
    """A model's recorded example; the usual one's where it has none, nothing where none is there."""
    found = recorded(model) or recorded()
    return xray(found["payload"], date=found["date"], word=word, layer=layer) if found else Markup("")
