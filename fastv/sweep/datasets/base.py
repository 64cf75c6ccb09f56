"""What every data set format yields: samples, and the rows that cannot be used with their line and reason. No torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from fastv.errors import InvalidInputError
from fastv.validation import shown

#: Field -> the headings it goes by, compared without case, space and punctuation.
HEADINGS = {
    "image": ("image", "images", "picture", "pictures"),
    "question": ("question", "questions"),
    "answer": ("answer", "answers"),
}
REQUIRED = ("image", "question")
_OPTIONAL = tuple(name for name in HEADINGS if name not in REQUIRED)
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
    """A question about an image.

    Attributes
    ----------
    image : Path
        The image's file.
    question : str
        As it is asked.
    answers : tuple of str
        Each of them is right; empty where no answer is known.
    line : int or None
        Where it stands in its file, from 1.
    """

    image: Path
    question: str
    answers: tuple[str, ...] = ()
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: the line it begins in, from 1, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


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


class RowError(Exception):
    """A row that cannot be used; its text is the reason."""


def columns_of(names: Sequence[str]) -> dict[str, str]:
    """Which heading stands for which field.

    Parameters
    ----------
    names
        The headings as they stand in the file.

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
    for name, headings in HEADINGS.items():
        matching = [column for column in names if _plain(column) in headings]
        if len(matching) > 1:
            raise InvalidInputError(f"there is more than one column for the {name}: {_quoted(matching)}.")
        if matching:
            found[name] = matching[0]
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise InvalidInputError(
            f"there is no column “{missing[0]}”. Needed are image, question and, where it is known, answer, named in "
            f"the first line; found are {_quoted(names)}."
        )
    for name in _OPTIONAL:
        near = [column for column in names if column not in found.values() and _is_nearly(column, name)]
        if name not in found and near:
            raise InvalidInputError(
                f"the column “{near[0].strip()}” is nearly “{name}”: rename it to “{name}”, or to something else if it "
                "holds something else."
            )
    return found


def sample_of(row: Mapping[str, Any], folder: Path, line: int) -> Sample:
    """The sample of one row.

    Parameters
    ----------
    row
        Field -> value; ``answer`` is text, in which ``|`` separates several right answers, or a list.
    folder
        Where relative paths of images begin.
    line
        Where the row begins.

    Raises
    ------
    RowError
        With the reason, where the row cannot be used.
    """
    question, image = row.get("question"), row.get("image")
    if not isinstance(question, str) or not question.strip():
        raise RowError("there is no question.")
    if not isinstance(image, str) or not image.strip():
        raise RowError("there is no image.")
    return Sample(_image_file(folder, image.strip()), question.strip(), _answers(row.get("answer")), line)


def read_text(path: Path, *, kind: str) -> str:
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


def _image_file(folder: Path, text: str) -> Path:
    """The file that a row names; its name may be in another Unicode normal form, as file systems write them."""
    if re.match(r"[a-z]+://", text, re.IGNORECASE):
        raise RowError(f"the image “{text[:80]}” is an address: save it to a file.")
    slashes = text.replace("\\", "/")
    for name in (text, *(unicodedata.normalize(form, one) for one in (text, slashes) for form in ("NFC", "NFD"))):
        try:
            if (folder / name).is_file():
                return folder / name
        except (OSError, ValueError):  # no name of a file at all
            break
    raise RowError(f"there is no image “{text[:80]}”.")


def _answers(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    several = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else [value]
    for one in several:
        if isinstance(one, bool) or not isinstance(one, (str, int, float)):
            raise RowError(f"an answer must be text, not {shown(one)}.")
    return tuple(text for one in several if (text := str(one).strip()))
