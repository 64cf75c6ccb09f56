"""Which models can be chosen: two small ones that come with the project, real ones of the hub, or any folder or hub id.

What stands here is known before anything is downloaded. The real ones are the entries of all families; their revisions
are commits of the hub, so that what was tried is what is fetched, and their sizes come from the published configs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastv.errors import FastVError, ModelLoadError
from fastv.families.config_reader import read_shape
from fastv.families.entry import ModelEntry
from fastv.families.llava import VICUNA_PROMPT, VISUAL_SPAN
from fastv.families.registry import FAMILIES
from fastv.families.shapes import ModelShape
from fastv.paths import ASSETS

__all__ = ["CATALOGUE", "DEFAULT", "REFERENCE_CONFIGS", "ModelEntry", "find", "known_settings", "known_shape"]

DEFAULT = "mini-7"
_EMBEDDED = ASSETS / "models"
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")


def _catalogue() -> tuple[ModelEntry, ...]:
    embedded = (
        ModelEntry(
            "mini-7",
            "mini-7",
            str(_EMBEDDED / "mini-7"),
            "A small LLaVA trained by this project on drawn scenes. Runs on a laptop, without network.",
            embedded=True,
            prompt=VICUNA_PROMPT,
            visual_span=VISUAL_SPAN,
        ),
        ModelEntry(
            "mini-13",
            "mini-13",
            str(_EMBEDDED / "mini-13"),
            "The larger of the two, as 13B is to 7B. Runs on a laptop, without network.",
            embedded=True,
            prompt=VICUNA_PROMPT,
            visual_span=VISUAL_SPAN,
        ),
    )
    real = (entry for family in FAMILIES for entry in family.entries)
    return (
        *(entry for entry in embedded if entry.key == DEFAULT or Path(entry.source).is_dir()),
        *(replace(entry, parameters=read_shape(entry.config).parameters if entry.config else None) for entry in real),
    )


CATALOGUE = _catalogue()
#: Published configs by catalogue key, to cost those models with no download.
REFERENCE_CONFIGS: dict[str, Any] = {entry.key: entry.config for entry in CATALOGUE if entry.config is not None}


def find(name: str | os.PathLike[str]) -> ModelEntry:
    """The entry for a catalogue key, a local folder or a hub id, "owner/name" or "owner/name@revision".

    Raises ModelLoadError when ``name`` is none of them. Whether the model can be loaded shows only in ``loading.load``.
    """
    name = os.fspath(name)
    for entry in CATALOGUE:
        if name in (entry.key, entry.source):
            return entry
    folder = Path(name)
    if name.strip() and folder.is_dir():
        return ModelEntry(name, folder.resolve().name, str(folder), "A model in a folder of this machine.")
    if (match := _HUB_ID.fullmatch(name)) and not folder.is_absolute():
        repository, revision = match.groups()
        return ModelEntry(
            name, repository.split("/")[1], name, "A model of the Hugging Face hub.", revision=revision or "main"
        )
    keys = ", ".join(entry.key for entry in CATALOGUE)
    raise ModelLoadError(
        f"There is no model “{name}”: choose one of {keys}, or give a model folder or a hub id (owner/name)."
    )


def known_settings(entry: ModelEntry) -> Mapping[str, Any] | None:
    """A model's config as far as this machine has it without a download; None where it is not at hand or not JSON."""
    if entry.config is not None:
        return entry.config
    path = Path(entry.source, "config.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, OSError):
        return None
    return found if isinstance(found, dict) else None


def known_shape(entry: ModelEntry) -> ModelShape | None:
    """A model's sizes as far as this machine knows them without a download: published ones, or those in its folder.

    None where they are not at hand, or of a kind whose costs are not known.
    """
    settings = known_settings(entry)
    try:
        return None if settings is None else read_shape(settings)
    except (FastVError, ValueError):
        return None
