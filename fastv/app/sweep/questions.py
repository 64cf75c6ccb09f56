"""The questions of a sweep: drawn scenes, the example file, or files that a visitor sent.

Pictures that come from a visitor are opened in a subprocess, once, and written again: what decodes them afterwards
meets no file that it has not seen.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastv.app.hosting.uploads import upload_path
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import InvalidInputError
from fastv.inputs.image import check_question
from fastv.miniature.world.gallery import gallery_scene
from fastv.miniature.world.question_templates import GROUP_OF
from fastv.miniature.world.questions import questions
from fastv.paths import ASSETS
from fastv.sweep.datasets.base import BadRow, Dataset, Sample
from fastv.sweep.datasets.media_files import MediaFile
from fastv.sweep.datasets.registry import read_dataset

EXAMPLE_FILE = ASSETS / "examples" / "questions.csv"
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_FIRST_SEED = 500_000  # other scenes than those of the other tabs
_MOST_UNPACKED = 10  # times the largest upload


def drawn_scenes(count: int, folder: Path) -> Dataset:
    """One question, whose answer is known, about each of so many scenes; always the same ones. They are saved in a
    folder."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + count):
        made = gallery_scene(seed)
        path = folder / f"scene-{seed}.png"
        if not path.exists():
            made.picture.save(path)
        (asked,) = questions(made, 1, random.Random(f"sweep {seed}"), emphasis={"describe": 0.0})
        samples.append(Sample(path, asked.text, (asked.answer,), task=asked.task, group=GROUP_OF[asked.task]))
    return Dataset(tuple(samples))


def example_questions(count: int) -> Dataset:
    """The example file."""
    return Dataset(read_dataset(EXAMPLE_FILE).samples[:count])


def sent_questions(uploads: Any, count: int, folder: Path, policy: RunPolicy) -> Dataset:
    """What a visitor sent: a table and the pictures it names, or a zip archive of them.

    Parameters
    ----------
    uploads
        As Gradio hands them over, unprocessed.
    count
        The most questions.
    folder
        Of this visit; files are copied and written there.
    policy
        Its limits hold for each picture and question.

    Raises
    ------
    InvalidInputError
        Where there is no question that can be used, with the reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = _archive(uploads, folder, policy.settings.picture_bytes)
    found = read_dataset(table, skip_bad_rows=True)
    safe, bad = _checked(found.samples[:count], folder, policy)
    bad = sorted([*found.bad_rows, *bad], key=lambda row: row.line)
    if not safe:
        raise InvalidInputError(f"No question of “{table.name}” can be used, {bad[0]}")
    return Dataset(tuple(safe), tuple(bad), found.unused_columns)


def _archive(uploads: Any, folder: Path, most_bytes: int) -> Path:
    """The archive that was sent, or one of the files that were: what a table names is then looked for in there alone,
    and not on this machine."""
    sent: dict[str, Path] = {}
    for upload in uploads if isinstance(uploads, list) else [uploads] if uploads else []:
        path = Path(upload_path(upload, "file"))
        name = Path(str(upload.get("orig_name") or path.name).replace("\\", "/")).name
        if name and not name.startswith("."):
            sent[name] = path
    tables = [name for name in sent if Path(name).suffix.lower() in (*TABLES, ".zip")]
    if len(tables) != 1:
        what = "There is no table" if not tables else f"There are {len(tables)} tables or archives"
        raise InvalidInputError(f"{what}: send one file ({', '.join(TABLES)}) and its images, or one zip archive.")
    target = folder / f"{Path(tables[0]).stem}.zip"
    if tables[0].lower().endswith(".zip"):
        shutil.copyfile(sent[tables[0]], target)
        _check_archive(target, most_bytes)
    else:
        with zipfile.ZipFile(target, "w") as archive:
            for name, path in sent.items():
                archive.write(path, name)
    return target


def _check_archive(path: Path, most_bytes: int) -> None:
    """Raises InvalidInputError for an archive that would unpack to too much; others are left to their reader."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = [one.file_size for one in archive.infolist()]
    except (OSError, zipfile.BadZipFile):
        return
    if max(sizes, default=0) > most_bytes or sum(sizes) > _MOST_UNPACKED * most_bytes:
        raise InvalidInputError(
            f"“{path.name}” unpacks to too much: at most {most_bytes / 1e6:.0f} MB a file and "
            f"{_MOST_UNPACKED * most_bytes / 1e6:.0f} MB together."
        )


def _checked(samples: Sequence[Sample], folder: Path, policy: RunPolicy) -> tuple[list[Sample], list[BadRow]]:
    safe: list[Sample] = []
    bad: list[BadRow] = []
    seen: dict[bytes, Path | str] = {}
    for sample in samples:
        try:
            check_question(sample.prompt, most_characters=policy.settings.question_characters)
            if sample.is_video:
                raise InvalidInputError("videos are swept by the command line only: fastv sweep.")
            first, *others = (_written_again(file, folder, policy, seen) for file in sample.files)
        except InvalidInputError as error:
            bad.append(BadRow(sample.line or 0, str(error)))
        else:
            safe.append(replace(sample, image=first, more_images=tuple(others)))
    return safe, bad


def _written_again(file: MediaFile, folder: Path, policy: RunPolicy, seen: dict[bytes, Path | str]) -> Path:
    """The picture of a file as a PNG of ours. Raises InvalidInputError."""
    data = file.read_bytes()
    digest = hashlib.sha256(data).digest()
    if digest not in seen:
        seen[digest] = _attempt(lambda: _open_and_write(data, folder / f"{digest.hex()[:16]}.png", policy))
    if isinstance(found := seen[digest], str):
        raise InvalidInputError(found)
    return found


def _attempt(open_it: Callable[[], Path]) -> Path | str:
    """The file, or why there is none: a picture of many rows is tried once."""
    try:
        return open_it()
    except InvalidInputError as error:
        return str(error)


def _open_and_write(data: bytes, target: Path, policy: RunPolicy) -> Path:
    if not target.exists():
        raw = target.with_suffix(".raw")
        raw.write_bytes(data)
        try:
            policy.open_image(str(raw)).save(target)
        finally:
            raw.unlink(missing_ok=True)
    return target
