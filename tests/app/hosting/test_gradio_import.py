"""Gradio imported without its type stubs is the same Gradio, and no file is written."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_COMPONENTS = (
    "print(sorted(name for name in vars(gradio.components) if isinstance(getattr(gradio.components, name), type)))"
)

# Parsing components is what takes the time; if Gradio moves the function elsewhere, this fails and nothing else does.
NOT_PARSED = (
    "from fastv.app.hosting import gradio_import; gradio_import.skip_type_stubs()\n"
    "import gradio.component_meta as meta; assert meta.create_or_modify_pyi is gradio_import._nothing\n"
    "import sys; assert not any(isinstance(one, gradio_import._Finder) for one in sys.meta_path)\n"
)


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_components_and_their_events_are_the_same_and_none_is_parsed():
    events = f"import gradio; {_COMPONENTS}; print(gradio.Textbox.EVENTS, gradio.Textbox().change)"
    plain, fast = printed(events), printed(NOT_PARSED + events)
    assert plain.split(" at 0x")[0] == fast.split(" at 0x")[0] and "Textbox" in fast


def test_after_gradio_is_imported_nothing_is_hooked_in(monkeypatch):
    from fastv.app.hosting import gradio_import

    monkeypatch.setitem(sys.modules, "gradio.component_meta", object())
    before = list(sys.meta_path)
    gradio_import.skip_type_stubs()
    assert sys.meta_path == before
