"""Which models can be chosen: two small ones that come with the project, the paper's two, or any folder or hub id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fastv.errors import ModelLoadError

DEFAULT = "mini-7"
_EMBEDDED = Path(__file__).resolve().parents[2] / "assets" / "models"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class ModelEntry:
    """A model one can choose. ``source`` is a folder or a hub id; ``embedded`` ones need neither network nor GPU."""

    key: str
    name: str
    source: str
    description: str
    embedded: bool = False


def _catalogue() -> tuple[ModelEntry, ...]:
    embedded = (
        ModelEntry("mini-7", "Mini 7", str(_EMBEDDED / "mini-7"), "A small LLaVA that comes with the project and knows "
                   "its own drawn scenes. Runs on a laptop, without network.", embedded=True),
        ModelEntry("mini-13", "Mini 13", str(_EMBEDDED / "mini-13"), "Its larger twin, as 13B is to 7B. Runs on a "
                   "laptop, without network.", embedded=True),
    )
    return tuple(entry for entry in embedded if entry.key == DEFAULT or Path(entry.source).is_dir()) + (
        ModelEntry("llava-1.5-7b", "LLaVA-1.5 7B", "llava-hf/llava-1.5-7b-hf", "The model of the FastV paper. A "
                   "download of 14 GB; wants a GPU of 16 GB, or 6 GB in 4-bit."),
        ModelEntry("llava-1.5-13b", "LLaVA-1.5 13B", "llava-hf/llava-1.5-13b-hf", "The paper's larger model. A "
                   "download of 27 GB; wants a GPU of 32 GB, or 10 GB in 4-bit."),
    )


CATALOGUE = _catalogue()


def find(name: str) -> ModelEntry:
    """The entry for a catalogue key, a local folder or a hub id ("owner/name").

    Raises ModelLoadError when ``name`` is none of them. Whether the model can be loaded shows only in ``loading.load``.
    """
    for entry in CATALOGUE:
        if name in (entry.key, entry.source):
            return entry
    folder = Path(name)
    if name.strip() and folder.is_dir():
        return ModelEntry(name, folder.resolve().name, str(folder), "A model in a folder of this machine.")
    if _HUB_ID.fullmatch(name) and not folder.is_absolute():
        return ModelEntry(name, name.split("/")[1], name, "A model of the Hugging Face hub.")
    keys = ", ".join(entry.key for entry in CATALOGUE)
    raise ModelLoadError(f"There is no model “{name}”: choose one of {keys}, or give a model folder or a hub id "
                         "(owner/name).")
