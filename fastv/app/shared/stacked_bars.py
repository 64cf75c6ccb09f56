"""Two stacked bars on one scale, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from fastv.presentation.html import render


def stacked_bars(parts: Sequence[tuple[str, float, float]], sides: tuple[str, str]) -> Markup:
    """Two stacked bars on one scale, without FastV above with FastV.

    Parameters
    ----------
    parts : sequence of (str, float, float)
        Name, amount without and amount with FastV, in the order of the stack.
    sides : (str, str)
        The bars' titles.
    """
    amounts = {"baseline": [part[1] for part in parts], "fastv": [part[2] for part in parts]}
    longest = max(map(sum, amounts.values())) or 1
    bars = [
        {
            "kind": kind,
            "title": title,
            "pieces": [
                {"index": index, "name": parts[index][0], "width": f"{100 * amount / longest:.3f}"}
                for index, amount in enumerate(amounts[kind])
                if amount > 0
            ],
        }
        for kind, title in zip(amounts, sides, strict=True)
    ]
    return render("app/shared/stacked_bars", bars=bars)
