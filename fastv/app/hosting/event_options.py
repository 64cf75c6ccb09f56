"""How the page's events run: keyword arguments that Gradio's event listeners take."""

from __future__ import annotations

# All that touches a model stands in one line: two runs at a time would spoil each other's times.
ONE_AT_A_TIME = {"concurrency_id": "model", "concurrency_limit": 1}
QUIET = {"show_progress": "hidden", "api_visibility": "private"}
INSTANT = QUIET | {"queue": False}
# While somebody types: the last change counts, and fields may hold what Gradio's own check answers with an error.
TYPED = INSTANT | {"trigger_mode": "always_last", "preprocess": False}
