"""The models that can be chosen on the page, and those in memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace

import torch

from fastv.comparison import Setup
from fastv.errors import ModelLoadError
from fastv.models.catalogue import CATALOGUE, ModelEntry
from fastv.models.loading import LoadedModel, free_memory, load
from fastv.ui.hosting import Hosting

logger = logging.getLogger(__name__)

_PATH = re.compile(r"(?<![\w:/.…])(?:[A-Za-z]:)?[/\\](?:[^\s/\\“”\"'(),:;]+[/\\])*[^\s/\\“”\"'(),:;]+")


class Shelf:
    """Nobody can have a model loaded that is neither in the catalogue nor the one the app was started with.

    Embedded models stay in memory once used; of the others only the last one does, and the one it is compared with.
    Not for several threads at once. hosting: what runs on these models go through. refused: why a model cannot be had
    here, by key.
    """

    def __init__(self, started_with: LoadedModel, dtype: str = "auto", catalogue: tuple[ModelEntry, ...] = CATALOGUE,
                 hosting: Hosting | None = None, refused: Mapping[str, str] | None = None):
        self.hosting, self.refused = hosting or Hosting(), dict(refused or {})
        first, listed = started_with.entry, {entry.key: entry for entry in catalogue}
        # A folder's path is nobody's business on the page, nor in what the API returns.
        entry = listed.get(first.key) or replace(
            first, key=first.name if first.name not in listed else f"{first.name} (given)"
        )
        self.default, self.dtype, self.device = entry.key, dtype, started_with.device
        self.entries: dict[str, ModelEntry] = {entry.key: entry} | listed
        self._loaded = {entry.key: replace(started_with, entry=entry)}

    def entry(self, key: str | None) -> ModelEntry:
        """The entry for a key, the first model's for None. Raises ModelLoadError for what cannot be chosen."""
        key = self.default if key is None else key
        if not isinstance(key, str) or key not in self.entries:
            raise ModelLoadError(f"There is no model “{key}” here: choose one of {', '.join(self.entries)}.")
        return self.entries[key]

    def title(self, key: str) -> str:
        """A model's name in a list; it says so where the model cannot be had here."""
        return f"{self.entries[key].name} (needs a GPU)" if key in self.refused else self.entries[key].name

    def is_loaded(self, key: str | None) -> bool:
        return self.entry(key).key in self._loaded

    def in_memory(self, key: str) -> LoadedModel | None:
        """The model, if it need not be loaded."""
        return self._loaded.get(key)

    def take(self, key: str | None, *, beside: str | None = None) -> LoadedModel:
        """The model, from memory or loaded now. Raises ModelLoadError; those in memory are then still there.

        beside: a model that is wanted at the same time, and stays in memory if it is there.
        """
        entry = self.entry(key)
        if entry.key in self.refused:
            raise ModelLoadError(self.refused[entry.key])
        if entry.key not in self._loaded:
            fresh = replace(_loaded(entry, self.dtype), entry=entry)
            self._loaded = {key: loaded for key, loaded in self._loaded.items()
                            if loaded.entry.embedded or key == beside} | {entry.key: fresh}
            free_memory(fresh.device)
        return self._loaded[entry.key]

    def both(self, key: str | None, other: str | None) -> tuple[LoadedModel, LoadedModel]:
        """Two models in memory at the same time. Raises ModelLoadError; those in memory are then still there."""
        names = self.entry(key).key, self.entry(other).key
        return self.take(names[0], beside=names[1]), self.take(names[1], beside=names[0])

    def setup(self, key: str | None, k: int | None = None, r: float = 0.0) -> Setup:
        """What a side with this model would be, whether or not it is in memory. Raises ModelLoadError."""
        entry = self.entry(key)
        dtype = self._loaded[entry.key].dtype if entry.key in self._loaded else self.dtype
        pruning = {} if k is None else {"k": k, "r": r}
        return Setup(entry.key, entry.name, dtype, str(self.device), **pruning)

    @property
    def gpu_bytes(self) -> int:
        """The memory of the GPU that models run on, 0 where they run on a CPU."""
        return torch.cuda.mem_get_info(self.device)[1] if self.device.type == "cuda" else 0


def _loaded(entry: ModelEntry, dtype: str) -> LoadedModel:
    """The model. What goes wrong is for everybody to read, where it lies on this machine for the operator alone."""
    try:
        return load(entry.source, dtype)
    except ModelLoadError as error:
        logger.warning("%s could not be loaded: %s", entry.key, error)
        raise ModelLoadError(_PATH.sub("…", str(error))) from error
