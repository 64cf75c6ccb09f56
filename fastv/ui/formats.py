"""The number formats of ``fastv.formats``, under the name the explorer's modules know them by."""

from fastv.formats import COUNT, FLOPS, MEMORY, TIME, Unit, change, number, percent, ratio, unit_for

__all__ = ["COUNT", "FLOPS", "MEMORY", "TIME", "Unit", "change", "number", "percent", "ratio", "unit_for"]
