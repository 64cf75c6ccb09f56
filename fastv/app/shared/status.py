"""The status line under the Run button, as HTML: the progress of a run, or an error."""

from __future__ import annotations

from markupsafe import Markup

from fastv.presentation.html import render


def status(words: str, fraction: float | None = None) -> Markup:
    """The progress of a run.

    Parameters
    ----------
    words : str
        Plain text.
    fraction : float, optional
        How far the run is, from 0 to 1. No bar is shown without it.
    """
    return render("app/shared/status", words=words, fraction=fraction, problem=False)


def problem(words: str) -> Markup:
    """An error message, plain text."""
    return render("app/shared/status", words=words, fraction=None, problem=True)
