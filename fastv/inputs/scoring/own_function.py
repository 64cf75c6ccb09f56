"""A measure of the user's own: a function named ``module:function``."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.base import Measure, Reference
from fastv.validation import shown


class OwnFunction(Measure):
    """Calls ``function(answer, answers)``, or ``function(answer, answers, choices=..., question=...)``.

    The function returns a number, 1 for a perfect answer, or True and False.
    """

    name = "module:function"
    label = "score"
    summary = "a function of one's own: (answer, accepted answers) to a number, 1 for a perfect answer"

    def __init__(self, path: str, function: Callable[..., Any]):
        self.path, self._function = path, function
        self._keywords = _takes(function, ("choices", "question"))

    def score(self, answer: str, reference: Reference) -> float:
        more = {name: getattr(reference, name) for name in self._keywords}
        value = self._function(answer, list(reference.answers), **more)
        if not isinstance(value, (bool, int, float)) or not math.isfinite(value):
            raise InvalidInputError(
                f"{self.path} returned {shown(value)} for {shown(answer)}: it must return a number."
            )
        return float(value)


def own_function(path: str) -> OwnFunction:
    """The measure of a function that can be imported, from the working directory too.

    Parameters
    ----------
    path
        ``module:function``, or ``file.py:function``.

    Raises
    ------
    InvalidInputError
        Where there is no such module or function, or its module fails.
    """
    module_name, _, name = path.rpartition(":")
    module_name = module_name.removesuffix(".py").replace("/", ".").strip(".")
    if not module_name or not name.isidentifier():
        raise InvalidInputError(f"“{path}” names no function: write module:function.")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module_name), name, None)
    except Exception as error:  # whatever the user's module raises while it is imported
        raise InvalidInputError(f"{module_name} cannot be imported: {error!r}.") from error
    finally:
        sys.path.remove(here)
    if not callable(function):
        raise InvalidInputError(f"{module_name} has no function {name}.")
    return OwnFunction(path, function)


def _takes(function: Callable[..., Any], names: tuple[str, ...]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return []
    return [name for name in names if name in parameters]
