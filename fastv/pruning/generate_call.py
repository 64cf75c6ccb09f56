"""How long the prompt is that ``generate`` was given: its forwards may read less of it, or drafted tokens along with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Asked:
    """``length``: tokens of the prompt that ``generate`` is at, padding included; None outside of it."""

    length: int | None = None


@contextmanager
def asked_of(model: nn.Module) -> Iterator[Asked]:
    """While open, ``Asked`` knows of each call of ``model.generate``."""
    asked, kept = Asked(), vars(model).get("generate")
    generate = getattr(model, "generate", None)
    if generate is None:
        yield asked
        return

    def told(*args: Any, **kwargs: Any) -> Any:
        prompt = kwargs.get("input_ids", kwargs.get("inputs", args[0] if args else None))
        before, asked.length = asked.length, prompt.shape[1] if isinstance(prompt, Tensor) else None
        try:
            return generate(*args, **kwargs)
        finally:
            asked.length = before

    model.generate = told
    try:
        yield asked
    finally:
        if kept is None:
            del model.generate
        else:
            model.generate = kept
