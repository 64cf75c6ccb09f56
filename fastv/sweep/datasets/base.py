"""What every data set format yields: samples, and the rows that cannot be used with their line and reason. No torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any

from fastv.errors import InvalidInputError
from fastv.inputs.scoring.base import Reference
from fastv.sweep.datasets.media_files import Folder, MediaFile, RowError, files_of
from fastv.validation import shown

#: Field -> the headings it goes by, compared without case, space and punctuation.
HEADINGS = {
    "image": ("image", "images", "picture", "pictures", "filename"),
    "question": ("question", "questions"),
    "answer": ("answer", "answers"),
    "choices": ("choices", "choice", "options"),
    "video": ("video", "videos", "clip"),
    "task": ("task", "tasks"),
    "group": ("group", "groups"),
}
REQUIRED = ("image", "question")
_NEARLY = 0.75  # of ``SequenceMatcher.ratio``: "anwser" is nearly "answer"
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Sample:
    """A question about an image, several images, or a video.

    Attributes
    ----------
    image : MediaFile
        The first image's file, or the video's.
    question : str
        As it stands in the data.
    answers : tuple of str
        Each of them is right; empty where no answer is known.
    line : int or None
        Where it stands in its file, from 1.
    more_images : tuple of MediaFile
        The files of further images, shown after the first.
    is_video : bool
        Whether ``image`` is a video.
    choices : tuple of str
        The options of a multiple-choice question, in the order of their letters.
    task, group : str or None
        By which results are told apart.
    """

    image: MediaFile
    question: str
    answers: tuple[str, ...] = ()
    line: int | None = field(default=None, compare=False)
    more_images: tuple[MediaFile, ...] = ()
    is_video: bool = False
    choices: tuple[str, ...] = ()
    task: str | None = None
    group: str | None = None

    @property
    def files(self) -> tuple[MediaFile, ...]:
        """All that is shown."""
        return (self.image, *self.more_images)

    @property
    def prompt(self) -> str:
        """What is asked: the question and, where there are choices, these with their letters (LLaVA-1.5's format)."""
        if not self.choices:
            return self.question
        options = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, self.choices)]
        return "\n".join([self.question, *options, "Answer with the option's letter from the given choices directly."])

    @property
    def reference(self) -> Reference:
        """What a measure compares an answer with."""
        return Reference(self.answers, self.choices, self.question)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: the line it begins in, from 1, and why; in tables without lines, its row."""

    line: int
    reason: str
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.unit} {self.line}: {self.reason}"


@dataclass(frozen=True)
class Dataset:
    """The samples of a file in their order.

    Attributes
    ----------
    samples : tuple of Sample
    bad_rows : tuple of BadRow
        Rows that were left out.
    unused_columns : tuple of str
        Headings that mean nothing here.
    """

    samples: tuple[Sample, ...]
    bad_rows: tuple[BadRow, ...] = ()
    unused_columns: tuple[str, ...] = ()


def columns_of(names: Sequence[str], chosen: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Which heading stands for which field.

    Parameters
    ----------
    names
        The headings as they stand in the file.
    chosen
        Field -> heading, where the user says so.

    Returns
    -------
    dict
        Field -> heading; without the optional fields that are absent.

    Raises
    ------
    InvalidInputError
        Where a required field is missing, two headings stand for one field, or an optional field is missing and a
        heading is nearly its name: the column would be ignored without a word.
    """
    found: dict[str, str] = {}
    for name, heading in chosen.items():
        if name not in HEADINGS:
            raise InvalidInputError(f"there is no field “{name}”: columns are chosen for {', '.join(HEADINGS)}.")
        if heading not in names:
            raise InvalidInputError(f"there is no column “{heading}” for the {name}: found are {_quoted(names)}.")
        found[name] = heading
    for name, headings in HEADINGS.items():
        if name in found:
            continue
        matching = [column for column in names if _plain(column) in headings and column not in found.values()]
        if len(matching) > 1:
            raise InvalidInputError(f"there is more than one column for the {name}: {_quoted(matching)}.")
        if matching:
            found[name] = matching[0]
    missing = [name for name in REQUIRED if name not in found and not (name == "image" and "video" in found)]
    if missing:
        raise InvalidInputError(
            f"there is no column “{missing[0]}”. Needed are image (or video), question and, where it is known, answer, "
            f"named in the first line; found are {_quoted(names)}."
        )
    near = [column for column in names if column not in found.values() and _is_nearly(column, "answer")]
    if "answer" not in found and near:
        raise InvalidInputError(
            f"the column “{near[0].strip()}” is nearly “answer”: rename it to “answer”, or to something else if it "
            "holds something else."
        )
    return found


def sample_of(row: Mapping[str, Any], folder: Folder, line: int) -> Sample:
    """The sample of one row.

    Parameters
    ----------
    row
        Field -> value. ``answer`` and ``choices`` are text, in which ``|`` separates several, or a list; ``image`` is
        text likewise, or a list, of names of files or of files themselves.
    folder
        Where relative paths of images begin.
    line
        Where the row begins.

    Raises
    ------
    RowError
        With the reason, where the row cannot be used.
    """
    question = row.get("question")
    if not isinstance(question, str) or not question.strip():
        raise RowError("there is no question.")
    images, videos = (files_of(folder, row.get(kind), kind) for kind in ("image", "video"))
    if not images and not videos:
        raise RowError("there is no image.")
    if videos and (images or len(videos) > 1):
        raise RowError("a question is about images or about one video, not both.")
    first, *others = images or videos
    choices = _texts(row.get("choices"), "a choice")
    if len(choices) > len(ascii_uppercase):
        raise RowError(f"it has {len(choices)} choices: there are letters for {len(ascii_uppercase)}.")
    return Sample(
        first,
        question.strip(),
        _texts(row.get("answer"), "an answer"),
        line,
        more_images=tuple(others),
        is_video=bool(videos),
        choices=choices,
        task=_label(row.get("task")),
        group=_label(row.get("group")),
    )


def read_text(path: Folder, *, kind: str) -> str:
    """A file's text in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises InvalidInputError where it cannot be read, and for other encodings, with the line. kind: of the file, for the
    message ("CSV").
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read: {error}") from error
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InvalidInputError(
            f"“{path.name}” cannot be read: it is a spreadsheet or an archive; export it as {kind}."
        )
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None) or _unmarked(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            raise InvalidInputError(f"“{path.name}” cannot be read as {encoding.upper()}: {error.reason}.") from error
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"“{path.name}”, line {line}: cannot be read, the text is not UTF-8 (perhaps Windows-1252, as Excel writes "
            f"“{kind}”): save it as “{kind} UTF-8”."
        ) from error


def _unmarked(data: bytes) -> str:
    """UTF-16 shows by its zeros: every second byte of Latin text."""
    head = data[:400]
    if head.count(0) < len(head) / 4:
        return "utf-8"
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def _plain(heading: str) -> str:
    """A heading without case, and without all but letters and digits."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", heading).casefold())


def _is_nearly(heading: str, name: str) -> bool:
    plain = _plain(heading)
    return name in plain or SequenceMatcher(None, plain, name).ratio() >= _NEARLY


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{name.strip()[:40]}”" for name in names[:20]) or "none"


def _texts(value: Any, what: str) -> tuple[str, ...]:
    """One text, several with ``|`` between them, or a list, also of VQA's ``{"answer": text}``."""
    if value is None:
        return ()
    several = value.split("|") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    plain = [one["answer"] if isinstance(one, dict) and "answer" in one else one for one in several]
    for one in plain:
        if isinstance(one, bool) or not isinstance(one, (str, int, float)):
            raise RowError(f"{what} must be text, not {shown(one)}.")
    return tuple(text for one in plain if (text := str(one).strip()))


def _label(value: Any) -> str | None:
    """A task or a group; None for an empty cell."""
    return str(value).strip() or None if value is not None else None
