"""An app that was started anew: pages that were open before know nothing of it, and it knows nothing of them.

What a page had chosen is in its address, so it opens itself again; what the server held for it, such as the answers known
for its picture, would be another page's.
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
    } catch { /* not there yet: the next look will tell */ }
  };
  for (const sign of ["focus", "pointerdown", "keydown"]) window.addEventListener(sign, look, true);
  document.addEventListener("visibilitychange", look);
}"""


def watch(page: gr.Blocks) -> None:
    """Looks when somebody comes back to the page and while it is used, every three seconds at most."""
    page.load(None, None, None, js=_WATCH, **QUIET)
