"""FastV: drop, inside a vision-language model, the visual tokens that deep layers ignore.

    from fastv import FastV

    with FastV(k=2, r=0.5)(model) as trace:
        output = model.generate(**inputs)

Names resolve on first use, so that arithmetic (``fastv.costs``, ``fastv.evidence``) and the list of methods import
without torch.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "Compose": "fastv.pruning.methods.compose",
    "FastV": "fastv.pruning.methods.fastv",
    "FastVError": "fastv.errors",
    "METHODS": "fastv.pruning.methods.registry",
    "PruningConfig": "fastv.pruning.config",
    "Trace": "fastv.pruning.trace",
}
__version__ = "0.2.0"
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'fastv' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
