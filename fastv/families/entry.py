"""An entry of the catalogue: a model one can choose, and what is known of it before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelEntry:
    """A model one can choose.

    Parameters
    ----------
    key, name, description
        What it is called in links and commands, what it is called for people, and what it is for them.
    source
        A folder, or a hub id, "owner/name" or "owner/name@revision".
    embedded
        Whether it comes with the project; such a model needs neither network nor GPU.
    revision
        A commit, branch or tag of the hub; "main" where none was asked for.
    prompt, visual_span
        For people: the model's chat format, and what a picture becomes in it.
    visual_tokens
        How many visual tokens a usual prompt has: a picture's, or a video's where the model is for videos.
    paper_visual_tokens
        What the FastV paper counts for it, where that differs.
    config
        The sizes in its published config.json, to cost it without a download; None where only its files tell.
    parameters
        Number of weights by that config; None where it is not known.
    file_bits
        Bits of a weight in its files.
    """

    key: str
    name: str
    source: str
    description: str
    embedded: bool = False
    revision: str = "main"
    prompt: str = ""
    visual_span: str = ""
    visual_tokens: int = 576
    paper_visual_tokens: int | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    parameters: int | None = None
    file_bits: int = 16

    @property
    def repository(self) -> str:
        """The hub id without a revision."""
        return self.source.split("@")[0]

    @property
    def revision_words(self) -> str:
        """Which revision of the hub is fetched, for people: "revision b234b80" or "newest revision"; empty where none
        is.
        """
        if self.embedded or "/" not in self.repository or Path(self.source).is_dir():
            return ""
        return "newest revision" if self.revision == "main" else f"revision {self.revision[:7]}"

    @property
    def download_bytes(self) -> int | None:
        """Bytes of the weights on the hub; None when not known beforehand, 0 when nothing is fetched."""
        return 0 if self.embedded else self.parameters and self.parameters * self.file_bits // 8
