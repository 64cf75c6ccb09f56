"""Three colours whose meaning never changes, on the page and in reports."""

from __future__ import annotations

# What a colour means -> (on light, on dark). From Okabe and Ito's palette, which colour-blind people can tell apart
# too; darker or lighter where text needs the contrast.
COLOURS = {"baseline": ("#0072B2", "#56B4E9"), "fastv": ("#B84E00", "#F5924A"), "seven-b": ("#007A5A", "#35C79B")}


def variables(shade: int) -> str:
    """CSS that makes each meaning a variable, ``--baseline`` and so on; shade: 0 on light, 1 on dark."""
    return "".join(f"--{name}: {shades[shade]};" for name, shades in COLOURS.items())
