"""Sweep files of an earlier version, converted in place: one record for each question, its answers in a fixed order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.measurement.records import Record, read, write
from fastv.pruning.config import PruningConfig
from fastv.sweep.datasets.base import Sample

_LISTS = ("answers", "tokens", "prefill_seconds", "total_seconds", "flops")
_FIELDS = ("answer", "answer_tokens", "prefill_seconds", "total_seconds", "total_flops")


def convert_earlier(path: Path, samples: Sequence[Sample], identities: Sequence[str], header: Record) -> None:
    """Rewrite a file of the earlier version; any other file, and a path without one, are left alone.

    Answers whose tokens were drawn at random are dropped, to be asked again: all questions had one draw.

    Parameters
    ----------
    path
        The file.
    samples, identities
        The questions and their ids; the earlier version told questions by their place.
    header
        Of the new version.

    Raises
    ------
    InvalidInputError
        Where the file is of other settings or questions.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        before, records = read(path)
    except InvalidInputError:  # told where it is opened
        return
    if not isinstance(before.get("budgets"), list):
        return
    expected = {name: header[name] for name in ("model", "dtype", "answer_tokens")}
    expected["questions"] = _digest(samples)
    for name, value in expected.items():
        if before.get(name) != json.loads(json.dumps(value)):
            raise InvalidInputError(
                f"{path} was written with other settings ({name} differs): remove it, or write to another file."
            )
    configs = [None, *map(PruningConfig.from_dict, before["budgets"])]
    kept = [index for index, config in enumerate(configs) if config is None or config.chosen_by != "random"]
    fresh = [_record(record, identity, configs, kept) for record, identity in zip(records, identities)]
    write(path, {**header, "machine": before.get("machine")}, fresh)


def _record(record: Record, identity: str, configs: Sequence[PruningConfig | None], kept: Sequence[int]) -> Record:
    if "problem" in record:
        return {"question": identity, "problem": record["problem"]}
    answers: list[dict[str, Any]] = []
    for index in kept:
        config = configs[index]
        values = {field: record[name][index] for name, field in zip(_LISTS, _FIELDS)}
        answers.append({"config": config and config.to_dict(), **values})
    return {"question": identity, "answers": answers}


def _digest(samples: Sequence[Sample]) -> str:
    """Of all questions, answers and images, as the earlier version computed it."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(json.dumps([sample.question, sample.answers]).encode() + sample.image.read_bytes())
    return digest.hexdigest()[:16]
