"""Reloads pages that were open before the app was restarted.

What a page had chosen is in its address, so reloading restores it. What the server held for it, such as the known
answers about its picture, is lost.
"""

from __future__ import annotations

import gradio as gr

from fastv.app.hosting.event_options import QUIET

_WATCH = """() => {
  const {root, api_prefix, app_id} = window.gradio_config;
  let last = 0;
  const look = async () => {
    if (document.hidden || Date.now() - last < 3000) return;
    last = Date.now();
    try {
      const now = await (await fetch(root + api_prefix + "/app_id", {cache: "no-store"})).json();
      if (String(now.app_id) !== String(app_id)) location.reload();
    } catch { /* not up yet: the next check will tell */ }
  };
  for (const sign of ["focus", "pointerdown", "keydown"]) window.addEventListener(sign, look, true);
  document.addEventListener("visibilitychange", look);
}"""


def watch(page: gr.Blocks) -> None:
    """Checks when the page is used or comes into view again, every three seconds at most."""
    page.load(None, None, None, js=_WATCH, **QUIET)
