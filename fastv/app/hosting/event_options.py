"""Keyword arguments for Gradio's event listeners: how an event queues, and what it shows meanwhile."""

from __future__ import annotations

from typing import Any

MODEL_QUEUE = "model"
# Everything that uses a model shares one queue: two runs at a time would disturb each other's timings.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": MODEL_QUEUE, "concurrency_limit": 1}
# Shown on no component: to tell a component that an event begins or ends, Gradio copies all it holds, and it tells each
# that any event ever named.
QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
INSTANT: dict[str, Any] = QUIET | {"queue": False}
# While a field is being edited: only the last change counts, and values that Gradio's own check would reject pass.
TYPED: dict[str, Any] = INSTANT | {"trigger_mode": "always_last", "preprocess": False}
# Gradio's dropdown tells of one choice twice, as an option is clicked and as the field loses the focus: the second time
# the values are asked for, they never come, and nothing is sent.
CHOICE: dict[str, Any] = {
    "js": """(...values) => {
        const told = JSON.stringify(values), {last, at} = window.fastvChoice ?? {};
        const now = performance.now();
        window.fastvChoice = {last: told, at: now};
        return told === last && now - at < 500 ? new Promise(() => {}) : values;
    }"""
}
