"""A sweep over several processes, GPUs and machines: each rank asks its slice and keeps a file, rank 0 merges them.

``accelerate launch`` and ``torchrun`` start the ranks and tell each its number. Ranks exchange records at the beginning
and at the end only, over gloo, so that machines need no common disk. A rank that is killed takes the others with it
(that is the launcher's way), but every answer that was written stays in its rank's file: the next start, with however
many ranks, merges those files first, and only what is missing is asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.measurement.records import Record, check_same, read, write
from fastv.sweep.cells import sample_id
from fastv.sweep.datasets.base import Sample

_PATIENCE = timedelta(days=7)  # for the slowest rank
_FREE = ("machine", "weights")  # header fields in which ranks may differ

Part = tuple[Record, list[Record]]  # header and records of one file


@dataclass(frozen=True)
class Rank:
    """Which of several processes this one is.

    Attributes
    ----------
    number, ranks : int
        From 0, and how many there are.
    local : int
        Its number on this machine: that of its GPU.
    """

    number: int = 0
    ranks: int = 1
    local: int = 0

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Rank:
        """By what ``accelerate launch`` and ``torchrun`` set; a process that was started by itself is rank 0 of 1."""
        number, ranks, local = (int(environment.get(name, plain)) for name, plain in _NAMES.items())
        return cls(number, ranks, local)

    @property
    def device(self) -> str:
        """For ``load``: a GPU of its own where there are several ranks."""
        import torch

        return f"cuda:{self.local}" if self.ranks > 1 and torch.cuda.is_available() else "auto"


_NAMES = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


def sharded(
    rank: Rank,
    samples: Sequence[Sample],
    path: Path,
    ask: Callable[[Sequence[Sample], Path], Any],
) -> bool:
    """Ask this rank's slice of the questions, then merge all ranks' records into ``path``.

    Parameters
    ----------
    rank
        This process. All ranks call this with the same other arguments.
    samples
        All questions.
    path
        The record file of the whole sweep, read and written by rank 0.
    ask
        Asks some questions and keeps their records in a file, leaving out what is in it: ``sweep``.

    Returns
    -------
    bool
        Whether this is rank 0, whose ``path`` now holds all records.

    Raises
    ------
    InvalidInputError
        Where a file holds records of other settings, on every rank.
    """
    with _group() as exchange:
        parts = exchange.gather(_parts_at(path, rank))
        known, problem = _agreed(parts)
        if rank.number == 0:
            _write_merged(path, known)  # before other ranks begin their files, since it removes those of the last start
        known, problem = exchange.broadcast((known, problem))
        if problem:
            raise InvalidInputError(problem)
        own, identities = rank_file(path, rank.number), slice_of(samples, rank)
        write_part(own, known, identities)
        ask([sample for sample in samples if sample_id(sample) in identities], own)
        parts = exchange.gather([read(own)])
        if rank.number == 0:
            _write_merged(path, merged(parts))
        exchange.broadcast(None)  # rank 0 has written everything
        own.unlink(missing_ok=True)
    return rank.number == 0


def slice_of(samples: Iterable[Sample], rank: Rank) -> set[str]:
    """The ids of the questions that a rank asks: every ``ranks``-th in the order of ids, each one once."""
    return set(sorted({sample_id(sample) for sample in samples})[rank.number :: rank.ranks])


def rank_file(path: Path, number: int) -> Path:
    """Where a rank keeps its records until they are merged."""
    return path.with_name(f"{path.name}.rank{number}")


def merged(parts: Sequence[Part]) -> Part | None:
    """The records of several files as those of one, each once; None for no files.

    Raises
    ------
    InvalidInputError
        Where they are of different settings.
    """
    if not parts:
        return None
    header, _ = parts[0]
    found: dict[str, Record] = {}
    for other, records in parts:
        check_same(Path("the file of another rank"), other, header, free=_FREE)
        found |= {json.dumps(record, sort_keys=True): record for record in records}
    return header, list(found.values())


def write_part(path: Path, known: Part | None, identities: set[str]) -> None:
    """Start a rank's file with what is known of its questions; without anything known it starts empty."""
    path.unlink(missing_ok=True)
    if known is not None:
        header, records = known
        write(path, header, [record for record in records if record.get("question") in identities])


def _parts_at(path: Path, rank: Rank) -> list[Part]:
    """What this rank can see of an earlier start: on each machine the first rank looks for all."""
    if rank.local:
        return []
    files = [path, *sorted(path.parent.glob(f"{path.name}.rank*"))]
    return [read(file) for file in files if file.is_file() and file.stat().st_size]


def _agreed(parts: Sequence[Part]) -> tuple[Part | None, str]:
    """The merged records, or why they do not go together."""
    try:
        return merged(parts), ""
    except InvalidInputError as error:
        return None, str(error)


def _write_merged(path: Path, known: Part | None) -> None:
    """The whole file; the ranks' files go, whose records are in it."""
    if known is not None:
        write(path, *known)
        for file in path.parent.glob(f"{path.name}.rank*"):
            file.unlink(missing_ok=True)


class _Exchange:
    """Objects passed between the ranks."""

    def gather(self, mine: list[Any]) -> list[Any]:
        """All ranks' lists as one, in the order of ranks, on rank 0; nothing elsewhere."""
        import torch.distributed as dist

        everything: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
        dist.gather_object(mine, everything, dst=0)
        return [one for some in everything or () for one in some]

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


@contextmanager
def _group() -> Iterator[_Exchange]:
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield _Exchange()
    finally:
        dist.destroy_process_group()
