"""The recorded examples that the tab opens with; ``record`` makes them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from fastv.paths import ASSETS

FOLDER = ASSETS / "examples" / "attention"
FIRST = "mini-13"  # what the tab opens with
SCENE, QUESTION = 61, "Describe the picture."


@lru_cache(maxsize=4)
def recorded(model: str = FIRST) -> dict[str, Any] | None:
    """A model's record: ``scene``, ``date``, ``command``, ``weights`` and the ``payload`` that the page draws. None
    where there is none.
    """
    path = FOLDER / f"{model}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
