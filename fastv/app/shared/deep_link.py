"""What is chosen on the Compare tab, as the query of a link, and back. Each field is read independently."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from fastv.inputs.image import MAX_QUESTION_CHARACTERS
from fastv.pruning.config import OPTIONS
from fastv.pruning.methods.registry import METHODS, method_name

OWN_PICTURE = "own"  # a link says only that there was one
EXAMPLE_CLIP, OWN_CLIP = "example", "own"  # only the first can be linked to
_LONGEST_NAME = 100
_MOST_SCENES = 10**6  # scene seeds are below this


@dataclass(frozen=True)
class Link:
    """What a link says; None for what it leaves open.

    Attributes
    ----------
    model
        A key of the model pool.
    k, r
        The layer K, and R in percent, as on the sliders.
    scene
        The seed of an example.
    clip
        "example".
    picture
        "own" for a picture or clip of the sender's own, which a link does not contain.
    baseline
        The key of the other side's model, where that is another one.
    baseline_k, baseline_r, baseline_method
        Where the other side is pruned too; R in percent. Without a method it has that of this side.
    options, baseline_options
        Names of the options of either side's method that are not at their defaults, separated by commas.
    """

    model: str | None = None
    k: int | None = None
    r: float | None = None
    preset: str | None = None
    question: str | None = None
    scene: int | None = None
    method: str | None = None
    baseline: str | None = None
    baseline_k: int | None = None
    baseline_r: float | None = None
    baseline_method: str | None = None
    clip: str | None = None
    picture: str | None = None
    options: str | None = None
    baseline_options: str | None = None

    @property
    def query(self) -> str:
        """Without the question mark; empty when it says nothing."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return urlencode({name: f"{value:g}" if isinstance(value, float) else value for name, value in said.items()})

    def address(self, page: str | None) -> str | None:
        """The whole link for a page's http(s) address, whose own query is replaced; None for other addresses."""
        try:
            parts = urlsplit(page or "")
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return None
        return urlunsplit((parts.scheme, parts.netloc, parts.path, self.query, ""))


FIELDS = tuple(field.name for field in fields(Link))
OLD_FIELDS = ("rank",)  # of older links: what is now ``method``


def link_of(values: Mapping[str, Any]) -> Link:
    """A link from the parameters of an address; invalid values count as absent.

    Whether there is such a model, preset or layer is checked where the link is followed.
    """
    sent = {name: str(values[name]) for name in FIELDS if values.get(name) is not None}
    return Link(
        model=_name(sent.get("model")),
        k=_whole(sent.get("k"), 999),
        r=_percent(sent.get("r")),
        preset=_name(sent.get("preset")),
        question=_question(sent.get("question")),
        scene=_whole(sent.get("scene"), _MOST_SCENES - 1),
        method=_one_of(METHODS, method_name(sent.get("method") or str(values.get("rank")))),
        baseline=_name(sent.get("baseline")),
        baseline_k=_whole(sent.get("baseline_k"), 999),
        baseline_r=_percent(sent.get("baseline_r")),
        baseline_method=_one_of(METHODS, sent.get("baseline_method")),
        clip=_one_of((EXAMPLE_CLIP,), sent.get("clip")),
        picture=_one_of((OWN_PICTURE,), sent.get("picture")),
        options=_options(sent.get("options")),
        baseline_options=_options(sent.get("baseline_options")),
    )


def _name(text: str | None) -> str | None:
    return text if text and len(text) <= _LONGEST_NAME and text.isprintable() else None


def _whole(text: str | None, most: int) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) and int(text) <= most else None


def _percent(text: str | None) -> float | None:
    """In tenths, as on the slider."""
    if not text or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text) or float(text) > 100:
        return None
    return round(float(text), 1)


def _options(text: str | None) -> str | None:
    named = (text or "").split(",")
    return ",".join(name for name in OPTIONS if name in named) or None


def _question(text: str | None) -> str | None:
    shown = "".join(letter for letter in text or "" if letter.isprintable() or letter == "\n").strip()
    return shown if 0 < len(shown) <= MAX_QUESTION_CHARACTERS else None


def _one_of(choices: Container[str], text: str | None) -> str | None:
    return text if text in choices else None
