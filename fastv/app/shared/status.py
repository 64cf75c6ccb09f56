"""The line under the Run button, as HTML: how far a run is, or what is wrong."""

from __future__ import annotations

from html import escape


def status(words: str, fraction: float | None = None) -> str:
    """The line under the Run button. fraction: how far a run is, None when nothing is running."""
    bar = "" if fraction is None else f'<progress max="1" value="{fraction:.3f}" aria-label="Progress"></progress>'
    return f'<p class="status">{escape(words)}</p>{bar}'


def problem(words: str) -> str:
    """The same line when something is wrong."""
    return f'<p class="status problem"><span aria-hidden="true">⚠</span> {escape(words)}</p>'
