"""The list of all pruning methods. To add one: a file beside this one, and its class in the line at the end.

Everything that lists methods (the command line, the API, links, the page and its legends, reports, tests) reads
``METHODS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastv.pruning.methods.base import Method
from fastv.pruning.methods.cdpruner import CDPruner
from fastv.pruning.methods.dart import DART
from fastv.pruning.methods.description import check_description
from fastv.pruning.methods.divprune import DivPrune
from fastv.pruning.methods.evs import EfficientVideoSampling
from fastv.pruning.methods.fastervlm import FasterVLM
from fastv.pruning.methods.fastv import RANK_NAMES, FastV
from fastv.pruning.methods.fastv_max import FastVMax
from fastv.pruning.methods.fastv_mean import FastVMean
from fastv.pruning.methods.fastv_norope import FastVNoRope
from fastv.pruning.methods.feather import Feather
from fastv.pruning.methods.grid import UniformGrid
from fastv.pruning.methods.lower_resolution import LowerResolution
from fastv.pruning.methods.pooling import Pooling
from fastv.pruning.methods.pyramiddrop import PyramidDrop
from fastv.pruning.methods.question_tokens import QuestionTokens
from fastv.pruning.methods.random import RandomTokens
from fastv.pruning.methods.scope import Scope
from fastv.pruning.methods.sparsevlm import SparseVLM
from fastv.pruning.methods.v2drop import V2Drop
from fastv.pruning.methods.visionzip import VisionZip
from fastv.pruning.methods.vispruner import VisPruner
from fastv.pruning.signals import SIGNALS

#: Name -> class, in the order in which people are shown them.
METHODS: dict[str, type[Method]] = {}


def register(method: type[Method]) -> type[Method]:
    """Add a method to ``METHODS``.

    Raises
    ------
    TypeError
        For a class that does not describe itself wholly, and for a name that is taken.
    """
    check_description(method)
    if METHODS.setdefault(method.name, method) is not method:
        raise TypeError(f"{method.__name__} cannot be registered: {METHODS[method.name].__name__} has its name.")
    return method


def method_name(name: Any) -> Any:
    """The present name of a method, given that or what ``rank`` called it before; other names come back as they are."""
    return RANK_NAMES.get(name, name) if isinstance(name, str) else name


def with_method(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its method under ``method``, also where it was written as ``rank`` by an older version."""
    found = dict(record)
    name = found.pop("rank", None)
    return found | {"method": method_name(found.get("method", name))}


def phrase_of(name: str) -> str:
    """How a method chooses, for people; its name, where it is one that is not registered."""
    return METHODS[name].phrase if name in METHODS else f"by {name}"


def takes_k(name: str | None) -> bool:
    """Whether a method cuts at the K that is chosen; one that is not registered may."""
    return name not in METHODS or METHODS[name].takes_k


def described() -> list[dict[str, Any]]:
    """Every method as plain values for people and machines: name, label, phrase, paper, signals, cuts, limits."""
    return [
        {
            "name": method.name,
            "label": method.label,
            "phrase": method.phrase,
            "paper": method.paper or None,
            "signals": {signal: SIGNALS[signal] for signal in method.signals},
            "cuts": method.cuts,
            "limits": method.limits,
        }
        for method in METHODS.values()
    ]


for _method in (
    FastV,
    FastVMean,
    FastVMax,
    FastVNoRope,
    QuestionTokens,
    RandomTokens,
    UniformGrid,
    LowerResolution,
    Pooling,
    DivPrune,
    CDPruner,
    DART,
    FasterVLM,
    VisPruner,
    VisionZip,
    Scope,
    PyramidDrop,
    SparseVLM,
    Feather,
    V2Drop,
    EfficientVideoSampling,
):
    register(_method)
