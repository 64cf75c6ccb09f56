"""What a miniature knows, in words: its world, and what it gets wrong by its own measured scores."""

from __future__ import annotations

import json
from pathlib import Path

from fastv.miniature.world.scenes import MOST_THINGS
from fastv.miniature.world.vocabulary import COLOURS, KINDS

# task -> what a question of it is about
ABOUT = {
    "exists": "what is there",
    "count": "how many there are of a kind",
    "where": "where a thing is",
    "what at": "what is in a part of the image",
    "relation": "left of and above",
    "count category": "how many there are in all",
    "category": "what kind of thing it is",
    "colour": "the background",
    "sign": "the numbers on signs",
    "compare": "what there is more of",
    "describe": "the whole image",
    "choice": "multiple choice",
}
_OFTEN = 0.85  # below this share of right answers a task is named


def in_words(folder: Path) -> str:
    """What the miniature in ``folder``, which holds its ``scores.json``, knows, and how often it is right, in two
    sentences.
    """
    shares = {
        name: score["share"]
        for name, score in json.loads((folder / "scores.json").read_text(encoding="utf-8"))["scores"].items()
    }
    weak = sorted((share, ABOUT[task]) for task, share in shares.items() if task in ABOUT and share < _OFTEN)
    but = f" ({', '.join(f'{share:.1%} about {about}' for share, about in weak)})" if weak else ""
    return (
        f"Its scenes show up to {MOST_THINGS} objects of {len(KINDS)} kinds on {len(COLOURS)} background colours; it "
        f"answers {shares['all']:.1%} of questions about new scenes correctly{but}. About other images its answers "
        "are meaningless."
    )
