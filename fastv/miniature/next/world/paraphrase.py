"""Questions in other words, as ``fastv.miniature.world.paraphrase`` makes them, for the phrasings of this world."""

from __future__ import annotations

import random
import re

from fastv.miniature.next.world.question_templates import PHRASINGS
from fastv.miniature.world.paraphrase import varied

_HELD_OUT = {
    form: [
        re.compile(
            re.sub(r"\\\{\w+\\\}", ".+", re.escape(phrasing)).rstrip("?.\\") + r"[?.]?", re.IGNORECASE | re.DOTALL
        )
        for phrasing in unseen
    ]
    for form, (_, unseen) in PHRASINGS.items()
}


def reworded(text: str, form: str, rng: random.Random) -> str:
    """``text``, a question of ``form``, in other words, or as it is: by lot, and where the outcome is kept from
    training.
    """
    other = varied(text, rng)
    return text if is_held_out(other, form) else other


def is_held_out(text: str, form: str) -> bool:
    """Whether a question of ``form`` is asked in a phrasing kept from training, whatever its capitals and its end
    mark.
    """
    return any(phrasing.fullmatch(text) for phrasing in _HELD_OUT[form])
