"""The models that can be chosen, and those in memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from fastv.errors import ModelLoadError
from fastv.families.catalogue import CATALOGUE, ModelEntry
from fastv.loading.load import LoadedModel, free_memory, load
from fastv.loading.memory_fit import gb
from fastv.loading.precision import held_bytes
from fastv.measurement.results import Setup
from fastv.pruning.config import PruningConfig

logger = logging.getLogger(__name__)

_PATH = re.compile(r"(?<![\w:/.…])(?:[A-Za-z]:)?[/\\](?:[^\s/\\“”\"'(),:;]+[/\\])*[^\s/\\“”\"'(),:;]+")


@dataclass(frozen=True)
class Unavailable:
    """Why a model is not offered here.

    Attributes
    ----------
    mark
        A few words, shown after the model's name in a list.
    sentence
        The reason, with what the model would cost.
    """

    mark: str
    sentence: str


class ModelPool:
    """The models that can be chosen, and those of them in memory. Not for concurrent use.

    Only models of the catalogue, and the one the app was started with, can be loaded. Models stay in memory; where a
    new one needs their memory, models that do not come with the project are dropped, except for the one that the new
    one is compared with.

    Parameters
    ----------
    started_with
        The first model. Its path is hidden: pages and the API only see its name.
    dtype
        How weights are held; "auto" decides per model.
    unavailable
        Models that are listed but not offered, by key.
    """

    def __init__(
        self,
        started_with: LoadedModel,
        dtype: str = "auto",
        catalogue: tuple[ModelEntry, ...] = CATALOGUE,
        unavailable: Mapping[str, Unavailable] | None = None,
    ):
        self.unavailable = dict(unavailable or {})
        first, listed = started_with.entry, {entry.key: entry for entry in catalogue}
        entry = listed.get(first.key) or replace(
            first, key=first.name if first.name not in listed else f"{first.name} (given)"
        )
        self.default, self.dtype, self.device = entry.key, dtype, started_with.device
        self.default_dtype = started_with.dtype
        self.entries: dict[str, ModelEntry] = {entry.key: entry} | listed
        self._models = {entry.key: replace(started_with, entry=entry)}

    def entry(self, key: str | None) -> ModelEntry:
        """The entry for a key, the first model's for None. Raises ModelLoadError for unknown keys."""
        key = self.default if key is None else key
        if not isinstance(key, str) or key not in self.entries:
            raise ModelLoadError(f"There is no model “{key}” here: choose one of {', '.join(self.entries)}.")
        return self.entries[key]

    def label(self, key: str) -> str:
        """A model's name in a list, with the size of its download or why it is not offered."""
        entry, refusal = self.entries[key], self.unavailable.get(key)
        if refusal:
            return f"{entry.name} ({refusal.mark})"
        return (
            entry.name if entry.embedded or not entry.download_bytes else f"{entry.name} · {gb(entry.download_bytes)}"
        )

    def is_loaded(self, key: str | None) -> bool:
        return self.entry(key).key in self._models

    def get_loaded(self, key: str) -> LoadedModel | None:
        """The model, if it is in memory."""
        return self._models.get(key)

    def load(self, key: str | None, *, beside: str | None = None, **progress: Any) -> LoadedModel:
        """The model, from memory or loaded now.

        Parameters
        ----------
        beside
            The key of a model that is needed at the same time and stays in memory.
        **progress
            ``report`` and ``stopped`` of :func:`fastv.loading.load.load`.

        Raises
        ------
        ModelLoadError
            The models in memory are then the same as before.
        """
        entry = self.entry(key)
        if entry.key in self.unavailable:
            raise ModelLoadError(self.unavailable[entry.key].sentence)
        if entry.key not in self._models:
            held = {
                name: held_bytes(loaded.model)
                for name, loaded in self._models.items()
                if not loaded.entry.embedded and name != beside
            }
            evicted: list[str] = []

            def evict(names: tuple[str, ...]) -> None:
                evicted.extend(names)
                self._forget(names)

            try:
                self._models[entry.key] = self._read(entry, held=held, evict=evict, **progress)
            except BaseException:
                self._models |= {name: self._read(self.entries[name]) for name in evicted}
                raise
        return self._models[entry.key]

    def load_pair(self, key: str | None, other: str | None, **progress: Any) -> tuple[LoadedModel, LoadedModel]:
        """Two models in memory at the same time; see ``load``."""
        names = self.entry(key).key, self.entry(other).key
        return self.load(names[0], beside=names[1], **progress), self.load(names[1], beside=names[0], **progress)

    def _forget(self, names: tuple[str, ...]) -> None:
        for name in names:
            del self._models[name]
        if names:
            free_memory(self.device)

    def _read(self, entry: ModelEntry, **options: Any) -> LoadedModel:
        """Reads a model from its files. Paths in errors are for the log only."""
        try:
            return replace(load(entry.source, self.dtype, **options), entry=entry)
        except ModelLoadError as error:
            logger.warning("%s could not be loaded: %s", entry.key, error)
            raise ModelLoadError(_PATH.sub("…", str(error))) from error

    def setup(self, key: str | None, pruning: PruningConfig | None = None) -> Setup:
        """A side with this model, whether or not it is in memory. Raises ModelLoadError for an unknown key."""
        entry = self.entry(key)
        dtype = self._models[entry.key].dtype if entry.key in self._models else self.dtype
        described = Setup(entry.key, entry.name, dtype, str(self.device))
        if pruning is None:
            return described
        return replace(described, k=pruning.k, r=pruning.r, method=pruning.method, seed=pruning.seed)

    @property
    def gpu_bytes(self) -> int:
        """The memory of the GPU in bytes; 0 on a CPU."""
        return torch.cuda.mem_get_info(self.device)[1] if self.device.type == "cuda" else 0
