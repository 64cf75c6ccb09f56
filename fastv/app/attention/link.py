"""What is chosen on the Attention tab in the address of the page, as query parameters ``a_...``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastv.app.attention.recorded import FIRST, QUESTION, SCENE
from fastv.app.shared.deep_link import link_of

_PREFIX = "a_"
LINK_FIELDS = tuple(_PREFIX + name for name in ("model", "question", "scene", "picture", "word", "layer"))
_MOST = 999  # words or layers


@dataclass(frozen=True)
class AttentionLink:
    """What a link says of the tab; None for what it leaves open.

    Attributes
    ----------
    model, question, scene, picture
        As in ``deep_link.Link``.
    word, layer
        Indices of what is chosen in the pane.
    """

    model: str | None = None
    question: str | None = None
    scene: int | None = None
    picture: str | None = None
    word: int | None = None
    layer: int | None = None

    @property
    def query(self) -> str:
        """Without the question mark; the first example's own settings are left out."""
        usual = {"model": FIRST, "question": QUESTION, "scene": SCENE}
        said = {name: value for name, value in vars(self).items() if value is not None and value != usual.get(name)}
        return urlencode({_PREFIX + name: value for name, value in said.items()})


def attention_link(query: Mapping[str, str]) -> AttentionLink:
    """From the parameters of an address; invalid values count as absent."""
    sent = {name: query.get(_PREFIX + name) for name in ("model", "question", "scene", "picture")}
    link = link_of({name: value for name, value in sent.items() if value is not None})
    word, layer = (_index(query.get(_PREFIX + name)) for name in ("word", "layer"))
    return AttentionLink(link.model, link.question, link.scene, link.picture, word, layer)


def view_of(text: str | None) -> tuple[int | None, int | None]:
    """(word, layer) from the hidden text box ``view``, "3,1"."""
    parts = (text or "").split(",")
    word, layer = (_index(part) for part in (parts + ["", ""])[:2])
    return word, layer


def _index(text: object) -> int | None:
    shown = str(text)
    return int(shown) if shown.isdecimal() and len(shown) <= 3 and int(shown) <= _MOST else None
