"""A question in other words: what training varies, so that no miniature goes by how a few fixed phrasings happen to
begin or end.

Words that name nothing are left out or added, others are put in their place, the capital and the end mark are
forgotten, as people do. What a question asks stays as it is, and no outcome is a phrasing that is kept from training.
"""

from __future__ import annotations

import random
import re

from fastv.miniature.world.question_templates import PHRASINGS

_AS_IT_IS = 0.4  # share of questions that keep their words
_LEFT_OUT = (0.0, 0.0, 0.25, 0.25, 0.5)  # of the words a question can do without, by lot
_ADDED, _EXCHANGED, _CARELESS = (
    0.2,
    0.2,
    0.15,
)  # how often: an opening, a closing; each word with another like it; capital, mark

_NAME_NOTHING = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "do",
        "does",
        "you",
        "see",
        "find",
        "can",
        "there",
        "here",
        "in",
        "of",
        "picture",
        "show",
        "shows",
        "tell",
        "me",
        "if",
        "all",
        "anywhere",
        "to",
    ]
)
_OPENINGS = (
    "In the picture,",
    "In this picture,",
    "In the image,",
    "Tell me:",
    "Say:",
    "Please:",
    "Look:",
    "Now,",
    "So,",
    "Hello!",
)
_CLOSINGS = (
    "in the picture",
    "in this picture",
    "in the image",
    "in this photo",
    "in the scene",
    "here",
    "now",
    "please",
)
_ALIKE = {
    "picture": ("image", "photo", "scene", "drawing"),
    "see": ("notice", "spot"),
    "find": ("spot", "see"),
    "thing": ("object",),
    "kind": ("sort", "type"),
    "colour": ("color",),
    "shows": ("has",),
    "describe": ("explain",),
}
_OPTIONS = re.compile(r"(\n| Choose: )A\. ")  # what is chosen from stays as it is
_HELD_OUT = {
    task: [
        re.compile(
            re.sub(r"\\\{\w+\\\}", ".+", re.escape(phrasing)).rstrip("?.\\") + r"[?.]?", re.IGNORECASE | re.DOTALL
        )
        for phrasing in unseen
    ]
    for task, (_, unseen) in PHRASINGS.items()
}


def reworded(text: str, task: str, rng: random.Random) -> str:
    """``text``, a question of ``task``, in other words, or as it is: by lot, and where the outcome is kept from
    training.
    """
    other = varied(text, rng)
    return text if is_held_out(other, task) else other


def varied(text: str, rng: random.Random) -> str:
    """``text`` with words left out, added or exchanged, or as it is, by lot; options to choose from stay as they
    are.
    """
    if rng.random() < _AS_IT_IS:
        return text
    options = _OPTIONS.search(text)
    asked, rest = (text[: options.start()], text[options.start() :]) if options else (text, "")
    return _careless(_added(_without(asked, rng), rng), rng) + rest


def is_held_out(text: str, task: str) -> bool:
    """Whether a question of ``task`` is asked in a phrasing kept from training, whatever its capitals and its end
    mark.
    """
    return any(phrasing.fullmatch(text) for phrasing in _HELD_OUT[task])


def _without(asked: str, rng: random.Random) -> str:
    share = rng.choice(_LEFT_OUT)
    words = [word for word in asked.split(" ") if _bare(word) not in _NAME_NOTHING or rng.random() >= share]
    return " ".join(_exchanged(word, rng) for word in words) + ("" if words and words[-1][-1] in "?." else asked[-1])


def _exchanged(word: str, rng: random.Random) -> str:
    others = _ALIKE.get(_bare(word))
    return word.lower().replace(_bare(word), rng.choice(others)) if others and rng.random() < _EXCHANGED else word


def _added(asked: str, rng: random.Random) -> str:
    if rng.random() < _ADDED:
        asked = f"{rng.choice(_OPENINGS)} {asked[:1].lower()}{asked[1:]}"
    return f"{asked[:-1]} {rng.choice(_CLOSINGS)}{asked[-1]}" if rng.random() < _ADDED else asked


def _careless(asked: str, rng: random.Random) -> str:
    asked = asked[:1].lower() + asked[1:] if rng.random() < _CARELESS else asked[:1].upper() + asked[1:]
    return asked.rstrip("?.") if rng.random() < _CARELESS else asked


def _bare(word: str) -> str:
    return word.lower().strip(",:.?!")
