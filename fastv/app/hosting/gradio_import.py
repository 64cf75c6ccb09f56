"""Imports Gradio in half the time. Imports nothing heavy itself.

While it is imported, Gradio parses the source of every component to write type stubs for editors beside its own files:
about half of its import, each time. Nothing that runs reads them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_MODULE, _FUNCTION = "gradio.component_meta", "create_or_modify_pyi"


def skip_type_stubs() -> None:
    """Leaves the stubs unwritten in this process. Call it before Gradio is imported; afterwards it does nothing."""
    if _MODULE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the one module as Python does, and replaces the function once it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_replace(module: ModuleType) -> None:
                run(module)
                if hasattr(module, _FUNCTION):
                    setattr(module, _FUNCTION, _nothing)

            spec.loader.exec_module = run_and_replace  # type: ignore[method-assign]  # of this one loader
        return spec


def _nothing(*_: Any) -> None:
    """In place of writing a stub."""
