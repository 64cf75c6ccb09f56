"""What a method must say of itself to be registered."""

from __future__ import annotations

from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import SIGNALS

_DESCRIPTION = ("name", "label", "phrase", "paper", "cuts", "limits")


def check_description(method: type[Method]) -> None:
    """Raise TypeError, naming the class and what it lacks, where a method does not describe itself."""
    described = {name: getattr(method, name, None) for name in _DESCRIPTION}
    lacking = [name for name, value in described.items() if not (isinstance(value, str) and (value or name == "paper"))]
    signals = getattr(method, "signals", None)
    if not isinstance(signals, tuple) or not set(signals) <= SIGNALS.keys():
        lacking.append("signals")
    undefined = (Method.score, Method.select, AttentionMethod.score, AttentionMethod.attention)
    if all(getattr(method, way, None) in undefined for way in ("score", "select", "attention") if hasattr(method, way)):
        lacking.append("attention" if issubclass(method, AttentionMethod) else "score or select")
    if lacking:
        raise TypeError(f"{method.__name__} cannot be registered: it lacks {', '.join(lacking)}.")
