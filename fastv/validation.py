"""Checks of single values that come from outside: numbers in a range, and names out of a list.

Every check returns the value as a plain Python one (NumPy's numbers are accepted, and are not JSON) and raises
``error`` with one wording: ``repeats must be a whole number from 1 to 50, not 0.`` Booleans and NaN are no numbers
here.
"""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, TypeVar

_LONGEST_VALUE = 60  # characters of a refused value that a message repeats

Choice = TypeVar("Choice")


def whole(
    value: Any,
    name: str,
    *,
    low: int | None = None,
    high: int | None = None,
    error: type[Exception] = ValueError,
    allow_float: bool = False,
) -> int:
    """Check a whole number.

    Parameters
    ----------
    value
        What was given.
    name
        What the value is called, the first words of the message.
    low, high
        The smallest and the largest value allowed, both inclusive; None for no bound.
    error
        The class of the exception.
    allow_float
        Accept a float without a fractional part, as sliders and JSON send them (``2.0``).

    Returns
    -------
    int

    Raises
    ------
    error
        For anything else, ``True`` and (without ``allow_float``) ``2.0`` included.
    """
    if allow_float and isinstance(value, Real) and not isinstance(value, Integral) and value == value // 1:
        value = int(float(value))
    if isinstance(value, Integral) and not isinstance(value, bool) and _within(value, low, high):
        return int(value)
    raise error(f"{name} must be a whole number{_range(low, high)}, not {shown(value)}.")


def real(
    value: Any,
    name: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    error: type[Exception] = ValueError,
) -> float:
    """Check a finite number.

    Parameters
    ----------
    value
        What was given.
    name
        What the value is called, the first words of the message.
    low, high
        The smallest and the largest value allowed, both inclusive; None for no bound.
    above
        A bound that the value must exceed, in place of ``low``.
    error
        The class of the exception.

    Returns
    -------
    float

    Raises
    ------
    error
        For anything else, booleans, NaN and infinities included.
    """
    number = _finite(value)
    if number is not None and _within(number, low, high) and (above is None or number > above):
        return number
    raise error(f"{name} must be a number{_range(low, high, above)}, not {shown(value)}.")


def fraction(value: Any, name: str, *, error: type[Exception] = ValueError) -> float:
    """Check a number from 0 to 1; see ``real``."""
    return real(value, name, low=0, high=1, error=error)


def one_of(value: Any, name: str, choices: Collection[Choice], *, error: type[Exception] = ValueError) -> Choice:
    """Check that a value is one of some choices; returns the choice.

    Raises
    ------
    error
        Otherwise, with the choices in the message.
    """
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise error(f"{name} must be one of {', '.join(map(str, choices))}, not {shown(value)}.")


def shown(value: Any) -> str:
    """The value as a message repeats it: its ``repr``, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return number if abs(number) < float("inf") else None  # False for NaN too


def _within(value: Any, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: float | None, high: float | None, above: float | None = None) -> str:
    """The end of "a number ...": `` from 1 to 1,024``, `` of at least 1``, `` above 0 and at most 5``."""
    least, most = (_bound(value) for value in (low, high))
    if above is not None:
        return f" above {_bound(above)}{'' if most is None else f' and at most {most}'}"
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return f" of at most {most}" if most is not None else ""


def _bound(value: float | None) -> str | None:
    return None if value is None else f"{value:,}"
