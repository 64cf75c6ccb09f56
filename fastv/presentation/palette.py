"""Colors whose meaning is the same on the page and in reports."""

from __future__ import annotations

from fastv.pruning.methods.registry import METHODS

# Meaning -> (on light, on dark). From Okabe and Ito's palette, which is safe for color-blind people; darker or lighter
# where text needs the contrast.
COLORS = {
    "baseline": ("#0072B2", "#56B4E9"),
    "fastv": ("#B84E00", "#F5924A"),
    "seven-b": ("#007A5A", "#35C79B"),
    "invented": ("#A3123A", "#FF8FA3"),
}


def variables(shade: int) -> str:
    """CSS that makes each color a variable, such as ``--baseline``; shade: 0 on light, 1 on dark."""
    return "".join(f"--{name}: {shades[shade]};" for name, shades in COLORS.items())


def method_styles() -> str:
    """CSS that gives each method's marks their own fill, from full for the first to none for the last."""
    steps = max(len(METHODS) - 1, 1)
    fills = {name: 100 - round(100 * index / steps) for index, name in enumerate(METHODS)}
    return "".join(f".method-{name} {{ --fill: {fill}%; }}\n" for name, fill in fills.items())
