"""The layout of the blind test: all rounds are sent at once, and the browser plays them."""

from __future__ import annotations

import base64
import io
import secrets
from functools import lru_cache
from pathlib import Path

import gradio as gr

from fastv.app.blind_test.rounds import K, question, rounds
from fastv.app.hosting.event_options import INSTANT
from fastv.app.shared.tab import BuiltTab, TabContext
from fastv.families.catalogue import find
from fastv.miniature.world.gallery import gallery_scene
from fastv.presentation.html import render

STYLE = Path(__file__).with_name("blind_test.css")
_SCRIPT = Path(__file__).with_name("blind_test.js").read_text(encoding="utf-8")


def build(context: TabContext) -> BuiltTab:
    """Lay the tab out in the Blocks that are open. The rounds come when it is opened, so that the page starts small."""
    pane = gr.HTML("", elem_id="blind-test", apply_default_css=False, js_on_load=_SCRIPT)
    context.container.select(lambda: new_game(secrets.randbits(32)), None, pane, **INSTANT)
    return BuiltTab()


def new_game(seed: int) -> str:
    """All rounds of one game as HTML; the first is visible."""
    played = [
        {
            "picture": _picture(one.seed),
            "model": find(one.model).name,
            "r": one.r,
            "kept": one.kept,
            "tokens": one.tokens,
            "answers": one.answers,
            "right": "same" if one.same else str(one.pruned),
            "pruned": one.pruned,
            "checked": one.checked,
        }
        for one in rounds(seed)
    ]
    return render("app/blind_test/game", rounds=played, question=question(), k=K)


@lru_cache(maxsize=16)
def _picture(seed: int) -> str:
    """A scene as a data URL."""
    file = io.BytesIO()
    gallery_scene(seed).picture.save(file, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
