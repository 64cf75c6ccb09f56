"""What the tab's events make of a sweep."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import gradio as gr

from fastv.app.sweep import events
from fastv.paths import ASSETS
from fastv.presentation.sweep.report import FORMATS


def test_a_format_that_cannot_be_written_here_is_told_and_the_others_are_given(monkeypatch, tmp_path):
    told = []
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(gr, "Info", told.append)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = json.loads((ASSETS / "measured" / "sweeps" / "drawn-scenes-mini-7.json").read_text(encoding="utf-8"))
    ui = SimpleNamespace(downloads={suffix: gr.DownloadButton(suffix) for suffix in FORMATS})
    updates = events._files(ui, found)
    given = {suffix: updates[button].interactive for suffix, button in ui.downloads.items()}
    assert given == {suffix: suffix != ".parquet" for suffix in FORMATS}
    assert len(told) == 1 and "pyarrow" in told[0]
