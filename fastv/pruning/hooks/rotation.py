"""The rotary embedding of a decoder's attention, by the function of the model's own module."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor

Rotation = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def rotation_of(attention: Any) -> Rotation | None:
    """What turns queries and keys (batch, heads, n, width) by cosines and sines (batch, n, width); None where the
    module has no such function. Some models' function turns both, others' one tensor at a time.
    """
    rotate = getattr(sys.modules[type(attention).__module__], "apply_rotary_pos_emb", None)
    if rotate is None:
        return None
    names = list(inspect.signature(rotate).parameters)
    if names[1:3] == ["cos", "sin"]:
        return lambda query, key, cos, sin: (rotate(query, cos, sin), rotate(key, cos, sin))
    return rotate
