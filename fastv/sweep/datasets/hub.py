"""Data sets of the library ``datasets``: a folder that it saved or can load, or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset
from fastv.sweep.datasets.embedded import dataset_of_rows, missing_package

_NAME = re.compile(r"(?P<source>[\w.-]+/[\w.-]+?)(?::(?P<config>[\w.-]+))?(?:@(?P<split>[\w.\[\]:%-]+))?")
_PATIENCE_SECONDS = 5.0
_WITHOUT_NETWORK = (
    "Without a network, load it once where there is one, save it with save_to_disk, and pass that folder."
)
_SAVED = ("state.json", "dataset_dict.json")


def is_hub_name(text: str) -> bool:
    """Whether a text may be a data set's name: ``owner/name``, with ``:config`` and ``@split`` where it has several."""
    return _NAME.fullmatch(text) is not None


def is_saved(folder: Path) -> bool:
    """Whether ``datasets`` can load a folder: one it saved, or one with Parquet or Arrow files."""
    return any((folder / name).is_file() for name in _SAVED) or any(
        next(folder.glob(pattern), None) for pattern in ("*.parquet", "data/*.parquet", "*.arrow")
    )


def read_hub(name: str, columns: Mapping[str, str]) -> Dataset:
    """Read a data set by its name on the hub, ``owner/name[:config][@split]``.

    Raises
    ------
    InvalidInputError
        Where it cannot be had, as without a network, where it has several configs or splits and none is named, and
        where it lacks the columns.
    """
    matched = _NAME.fullmatch(name)
    if matched is None:
        raise InvalidInputError(f"There is no file or folder “{name}”, and it is no name of a data set (owner/name).")
    _check_there(matched["source"])
    return _loaded(matched["source"], matched["config"], matched["split"], name, columns)


def _check_there(source: str) -> None:
    """Raise InvalidInputError, within seconds, for a name that neither the hub nor the cache of ``datasets`` knows.

    ``datasets`` itself tries again and again where there is no network.
    """
    try:
        import datasets
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    except ImportError as error:
        raise missing_package("A data set's name or folder", "datasets") from error
    if Path(datasets.config.HF_DATASETS_CACHE, source.replace("/", "___")).is_dir():
        return
    try:
        HfApi().dataset_info(source, timeout=_PATIENCE_SECONDS)
    except GatedRepoError:
        return  # what to do about it is told when it is loaded
    except RepositoryNotFoundError:
        why = "the Hugging Face hub has no data set of that name."
    except Exception as error:  # of the network, in whatever library it is
        why = f"the Hugging Face hub cannot be asked for it: {_first_line(error)} {_WITHOUT_NETWORK}"
    else:
        return
    raise InvalidInputError(f"There is no file or folder “{source}” here, and {why}")


def read_saved(folder: Path, split: str | None, columns: Mapping[str, str]) -> Dataset:
    """Read a folder that ``datasets`` saved or can load; raises as ``read_hub``."""
    return _loaded(folder, None, split, folder.name, columns)


def _loaded(
    source: str | Path, config: str | None, split: str | None, name: str, columns: Mapping[str, str]
) -> Dataset:
    try:
        import datasets
    except ImportError as error:
        raise missing_package("A data set's name or folder", "datasets") from error
    try:
        if isinstance(source, Path) and any((source / one).is_file() for one in _SAVED):
            found = datasets.load_from_disk(str(source))
            found = found[split] if split and isinstance(found, dict) else found
        else:
            found = datasets.load_dataset(str(source), config, split=split)
    except Exception as error:  # hub, network, disk and data set scripts fail in many ways
        raise InvalidInputError(
            f"“{name}” is no file here, and cannot be loaded as a data set: {_first_line(error)} {_WITHOUT_NETWORK}"
        ) from error
    try:
        return _dataset(_one_split(found, name), source if isinstance(source, Path) else Path(), columns)
    except InvalidInputError as error:
        raise InvalidInputError(f"“{name}”: {error}") from error


def _one_split(found: Any, name: str) -> Any:
    if not isinstance(found, dict):
        return found
    if len(found) != 1:
        raise InvalidInputError(f"it has the splits {', '.join(found)}: choose one, as in {name}@{next(iter(found))}.")
    return next(iter(found.values()))


def _dataset(table: Any, folder: Path, columns: Mapping[str, str]) -> Dataset:
    import datasets

    datasets.disable_progress_bars()  # a bar for each column, on standard error
    for heading, feature in table.features.items():
        inner = getattr(feature, "feature", feature)  # of a list
        if isinstance(inner, datasets.Image | datasets.Video):
            raw = type(inner)(decode=False)
            table = table.cast_column(heading, raw if inner is feature else datasets.List(raw))
    return dataset_of_rows(
        iter(table), list(table.column_names), lambda row, heading: table[row][heading], folder, columns
    )


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return text if text.endswith(".") else f"{text}."
