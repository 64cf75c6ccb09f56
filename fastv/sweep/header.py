"""The first line of a sweep's record file: the settings by which unlike sweeps are kept apart."""

from __future__ import annotations

from pathlib import Path

from fastv.errors import InvalidInputError
from fastv.evidence.measurements import fingerprint
from fastv.loading.load import LoadedModel
from fastv.measurement.records import Record

#: What may differ when a sweep goes on elsewhere; weights are compared where both files know them.
FREE = ("machine", "weights")
_MOST_READ = 10**9  # bytes of weights that are read to tell them apart


def header(loaded: LoadedModel, answer_tokens: int, machine: Record) -> Record:
    """What all records of a sweep share. machine: where it begins."""
    return {
        "kind": "sweep",
        "model": loaded.entry.key,
        "dtype": loaded.dtype,
        "answer_tokens": answer_tokens,
        "draws": "per question",
        "weights": _weights(Path(loaded.entry.source)),
        "machine": machine,
    }


def check_weights(path: Path, found: Record, wanted: Record) -> None:
    """Raise InvalidInputError where a file was written with other weights of the same model."""
    known = found.get("weights"), wanted["weights"]
    if None not in known and known[0] != known[1]:
        raise InvalidInputError(
            f"{path} was written with other weights of this model: remove it, or write to another file."
        )


def _weights(folder: Path) -> str | None:
    """Tells weights in a folder apart; None where they are too large to be read for it, or not in a folder."""
    files = list(folder.glob("*.safetensors")) if folder.is_dir() else []
    if not files or sum(file.stat().st_size for file in files) > _MOST_READ:
        return None
    return fingerprint(folder)
