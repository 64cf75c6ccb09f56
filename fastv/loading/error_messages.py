"""A sentence for every way in which loading fails: what is wrong, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from fastv.families.catalogue import ModelEntry
from fastv.loading.memory_fit import smaller


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device, or the machine, had no memory left."""
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
    )


def load_error_message(error: Exception, entry: ModelEntry, dtype: str) -> str:
    """What is wrong, and what to do, when loading a model in ``dtype`` raised this error of a library."""
    chain = list(_chain(error))
    if any(is_out_of_memory(link) for link in chain):
        return f"{entry.name} in {dtype} does not fit in memory: choose {smaller(dtype)}."
    detail = first_line(error).replace(entry.source, entry.name)  # a folder's path is private
    codes = {getattr(link, "errno", None) for link in chain}
    if codes & {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"The disk filled up while {entry.name} was downloaded: free some space, or set HF_HOME to a folder on a "
            "larger disk. Files already downloaded are kept."
        )
    if codes & {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"The files of {entry.name} cannot be read, or their folder cannot be written to: check its "
            f"permissions, or set HF_HOME to another one. ({detail})"
        )
    if any(type(link).__name__ == "SafetensorError" for link in chain):
        return f"The weights of {entry.name} are damaged or incomplete: {_again(entry)}. ({detail})"
    if Path(entry.source).is_dir():
        if isinstance(error, OSError):
            return (
                f"The folder of {entry.name} holds no complete model (config.json and safetensors): "
                f"{_again(entry)}. ({detail})"
            )
    elif found := _from_hub(error, entry):
        return found
    if dtype in ("8bit", "4bit"):
        return f"{entry.name} in {dtype} does not work on this machine: choose the dtype auto. ({detail})"
    return f"{entry.name} could not be loaded: {_again(entry)}, or choose another model. ({detail})"


def first_line(error: BaseException) -> str:
    """The beginning of what an error says."""
    line = str(error).strip().split("\n")[0] or type(error).__name__
    return line if len(line) <= 200 else f"{line[:199]}…"


def _from_hub(error: Exception, entry: ModelEntry) -> str | None:
    page = f"{constants.ENDPOINT}/{entry.repository}"
    if isinstance(error, GatedRepoError):
        return (
            f"{entry.repository} is gated: accept its terms at {page} and log in with “hf auth login”, "
            "or choose another model."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"There is no model {entry.repository} on the hub, or it is private: check the name, or log in with "
            "“hf auth login”."
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{entry.repository} has no revision “{entry.revision}”: choose one that {page}/commits/main lists, or "
            "leave it out."
        )
    if isinstance(error, RemoteEntryNotFoundError):
        return f"{entry.repository} has no config.json: choose another model."
    if any(isinstance(link, OfflineModeIsEnabled) for link in _chain(error)) or (
        isinstance(error, LocalEntryNotFoundError) and constants.HF_HUB_OFFLINE
    ):
        return (
            f"{entry.repository} is not on this machine, and HF_HUB_OFFLINE prevents the download: unset it, or "
            f"download the model first with “{_command(entry)}”."
        )
    if isinstance(error, HfHubHTTPError):
        status = getattr(error.response, "status_code", "an error")
        return f"The hub answered {status} when asked for {entry.repository}: try again later. ({first_line(error)})"
    if isinstance(error, (OSError, HTTPError)):
        return (
            f"{entry.repository} is incomplete on this machine and could not be downloaded: check the network, or "
            f"download it first with “{_command(entry)}”. ({first_line(list(_chain(error))[-1])})"
        )
    return None


def _again(entry: ModelEntry) -> str:
    if Path(entry.source).is_dir():
        return "fetch its files again"
    return f"fetch them again with “{_command(entry)} --force-download”"


def _command(entry: ModelEntry) -> str:
    revision = "" if entry.revision == "main" else f" --revision {entry.revision}"
    return f"hf download {entry.repository}{revision}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those it came from."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
