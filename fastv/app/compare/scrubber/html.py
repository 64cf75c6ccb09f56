"""The slider itself as HTML, with all that was recorded inside it."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from fastv.app.compare.scrubber.recorded import RecordedScene
from fastv.presentation.html import render
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS

#: Runs once in the component that holds the slider.
SCRIPT = Path(__file__).with_name("scrubber.js").read_text(encoding="utf-8")
KS = (1, 2, 3, 4)
OFFERED = ("fastv", "random")


def scrubber(pruning: PruningConfig, layers: int, recorded: RecordedScene | None, of: object = "") -> Markup:
    """The slider at a setting.

    Parameters
    ----------
    pruning
        The chosen K, R and method.
    layers
        Decoder layers of the model.
    recorded
        What was recorded of this model, picture and question; without it the slider asks the model.
    of
        Tells the slider of one picture from that of another.
    """
    return render(
        "app/compare/scrubber/scrubber",
        k=pruning.k,
        percent=round(100 * pruning.r, 1),
        method=pruning.method,
        of=str(of),
        ks=[k for k in KS if k < layers],
        methods=[(name, METHODS[name].label) for name in OFFERED],
        recorded=None if recorded is None else recorded.data(),
    )
