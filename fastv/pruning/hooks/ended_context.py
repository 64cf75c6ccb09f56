"""Generations that go on after the ``with`` in which they began: their next forward raises."""

from __future__ import annotations

import threading
from typing import Any

from torch import nn

from fastv.errors import InvalidInputError
from fastv.pruning.transformers_compat import generate_call, other_generates

ENDED = (
    "The `with` in which this generation began has ended, and the rest of it would not be pruned. Wait for it, for "
    "example with thread.join(), before leaving the `with`."
)


def refuse_later(base: nn.Module, running: set[tuple[int, int]]) -> None:
    """Make the next forward of each of these calls of ``generate`` raise, rather than go on without pruning."""
    if not running:
        return

    def refuse(*_: Any) -> None:
        call = generate_call(base)
        here = (threading.get_ident(), call.key if call else 0)
        if here in running:
            running.discard(here)
            raise InvalidInputError(ENDED)
        running.intersection_update(other_generates(base))
        if not running:
            handle.remove()

    handle = base.register_forward_pre_hook(refuse)
