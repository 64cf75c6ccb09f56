"""The models that can be chosen, and those in memory."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastv.app.hosting import garbage
from fastv.app.service.model_outline import ModelOutline
from fastv.errors import ModelLoadError
from fastv.families.catalogue import CATALOGUE, ModelEntry
from fastv.measurement.results import Setup
from fastv.pruning.config import PruningConfig
from fastv.worker import Stopped, never

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel

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
        The first model, or its entry where it comes with the project and is loaded later: see
        ``load_default_in_background``. Its path is hidden: pages and the API only see its name.
    dtype
        How weights are held; "auto" decides per model.
    unavailable
        Models that are listed but not offered, by key.
    """

    def __init__(
        self,
        started_with: LoadedModel | ModelEntry,
        dtype: str = "auto",
        catalogue: tuple[ModelEntry, ...] = CATALOGUE,
        unavailable: Mapping[str, Unavailable] | None = None,
    ):
        self.unavailable = dict(unavailable or {})
        loaded = None if isinstance(started_with, ModelEntry) else started_with
        first = started_with if isinstance(started_with, ModelEntry) else started_with.entry
        listed = {entry.key: entry for entry in catalogue}
        entry = listed.get(first.key) or replace(
            first, key=first.name if first.name not in listed else f"{first.name} (given)"
        )
        self.default, self.dtype = entry.key, dtype
        self.entries: dict[str, ModelEntry] = {entry.key: entry} | listed
        self._models = {} if loaded is None else {entry.key: replace(loaded, entry=entry)}
        # What is loaded later is loaded on a machine without a GPU: see ``launch``.
        self.device_type = "cpu" if loaded is None else loaded.device.type
        self._device = "cpu" if loaded is None else str(loaded.device)
        self.default_dtype = dtype if loaded is None else loaded.dtype
        self._starting: threading.Thread | None = None

    def load_default_in_background(self) -> None:
        """Begins to load the first model in a thread; ``load`` waits for it.

        Where that fails it is logged, and the next ``load`` of that model tries again and raises the error.
        """
        self._starting = threading.Thread(target=self._load_default, name="first model", daemon=True)
        self._starting.start()

    def _load_default(self) -> None:
        import fastv.measurement.compare  # noqa: F401 (all that a first run needs, torch and transformers among it)

        garbage.exempt_what_is_there()
        entry = self.entries[self.default]
        try:
            loaded = self._read(entry)
        except ModelLoadError:  # _read has logged it
            return
        self.default_dtype = loaded.dtype
        self._models[entry.key] = loaded

    def _wait_for_start(self, stopped: Callable[[], bool]) -> None:
        """Raises Stopped."""
        thread = self._starting
        while thread is not None and thread.is_alive() and thread is not threading.current_thread():
            if stopped():
                raise Stopped
            thread.join(0.1)

    def entry(self, key: str | None) -> ModelEntry:
        """The entry for a key, the first model's for None. Raises ModelLoadError for unknown keys."""
        key = self.default if key is None else key
        if not isinstance(key, str) or key not in self.entries:
            raise ModelLoadError(f"There is no model “{key}” here: choose one of {', '.join(self.entries)}.")
        return self.entries[key]

    def is_loaded(self, key: str | None) -> bool:
        return self.entry(key).key in self._models

    def get_loaded(self, key: str) -> LoadedModel | None:
        """The model, if it is in memory."""
        return self._models.get(key)

    def outline(self, key: str | None = None) -> ModelOutline:
        """What is known of a model: from memory, or else from the config in its folder. Raises ModelLoadError."""
        entry = self.entry(key)
        loaded = self._models.get(entry.key)
        return ModelOutline.of_folder(entry) if loaded is None else ModelOutline.of_loaded(loaded)

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
        self._wait_for_start(progress.get("stopped") or never)
        if entry.key not in self._models:
            from fastv.loading.precision import held_bytes

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
            import torch

            from fastv.loading.precision import free_memory

            free_memory(torch.device(self._device))

    def _read(self, entry: ModelEntry, **options: Any) -> LoadedModel:
        """Reads a model from its files. Paths in errors are for the log only."""
        from fastv.loading import load as loading  # imports torch: the page is up sooner

        try:
            return replace(loading.load(entry.source, self.dtype, **options), entry=entry)
        except ModelLoadError as error:
            logger.warning("%s could not be loaded: %s", entry.key, error)
            raise ModelLoadError(_PATH.sub("…", str(error))) from error

    def setup(self, key: str | None, pruning: PruningConfig | None = None) -> Setup:
        """A side with this model, whether or not it is in memory. Raises ModelLoadError for an unknown key."""
        entry = self.entry(key)
        dtype = self._models[entry.key].dtype if entry.key in self._models else self.dtype
        described = Setup(entry.key, entry.name, dtype, self._device)
        if pruning is None:
            return described
        return replace(described, **pruning.to_dict())

    @property
    def gpu_bytes(self) -> int:
        """The memory of the GPU in bytes; 0 on a CPU."""
        if self.device_type != "cuda":
            return 0
        import torch

        return int(torch.cuda.mem_get_info(self._device)[1])
