"""A model's files on this machine: from its folder, from the cache, or fetched from the hub now."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import DryRunError

from fastv.errors import ModelLoadError
from fastv.families.catalogue import ModelEntry
from fastv.loading.memory_fit import gb
from fastv.loading.progress import LoadObserver

_SECONDS_TO_ANSWER = 10
# What loading reads: no weights in other formats, no folders of other tools.
_FILES = {"allow_patterns": ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"], "ignore_patterns": ["*/*"]}


def fetch_config(entry: ModelEntry) -> Path:
    """The folder of the model's config.json, which is fetched where it is missing; other files may not be there yet.

    Raises ModelLoadError for folders without it, and what huggingface_hub raises.
    """
    folder = Path(entry.source)
    if entry.embedded and not folder.is_dir():
        raise ModelLoadError(
            f"The embedded model {entry.name} is missing from this copy of the project: fetch the "
            f"files under assets/models/{entry.key} again, or choose another model."
        )
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelLoadError(f"The folder of {entry.name} holds no model: it has no config.json.")
        return folder
    if not constants.HF_HUB_OFFLINE and not isinstance(
        try_to_load_from_cache(entry.repository, "config.json", revision=entry.revision), str
    ):
        # Asked first: without a network this fails at once, where the download below tries for half a minute.
        HfApi().model_info(entry.repository, revision=entry.revision, timeout=_SECONDS_TO_ANSWER)
    return Path(hf_hub_download(entry.repository, "config.json", revision=entry.revision)).parent


def fetch_files(entry: ModelEntry, observer: LoadObserver) -> Path:
    """The folder with all files that loading reads, fetched where they are missing.

    Raises ModelLoadError when they do not fit on the disk, Stopped, and what huggingface_hub raises.
    """
    if Path(entry.source).is_dir():
        return Path(entry.source)
    where: dict[str, Any] = {"repo_id": entry.repository, "revision": entry.revision, **_FILES}
    try:
        files: Any = snapshot_download(**where, dry_run=True, tqdm_class=observer.download_bar(0))
    except DryRunError:  # the hub cannot be reached: what is in the cache has to do
        return Path(snapshot_download(**where, local_files_only=True))
    missing = sum(file.file_size for file in files if file.will_download)
    if missing:
        _check_disk(entry, missing)
        observer.step("downloading", 0, missing)
    return Path(snapshot_download(**where, tqdm_class=observer.download_bar(missing) if observer.is_needed else None))


def _check_disk(entry: ModelEntry, missing: int) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise ModelLoadError(
            f"{entry.name} is a download of {gb(missing)} and {gb(free)} are free on the disk: free "
            "some space, or set HF_HOME to a folder on a larger disk."
        )
