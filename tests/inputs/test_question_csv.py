"""Files of questions: what is right in them is read, and what is wrong is named before anything runs."""

from __future__ import annotations

import pytest

from fastv.errors import InvalidInputError
from fastv.inputs.question_csv import Item, read_questions


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "one.png").write_bytes(b"not looked into")
    return tmp_path


def written(folder, text, encoding="utf-8"):
    path = folder / "questions.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_stand_in_any_order_and_answers_may_be_several_or_none(folder, encoding):
    path = written(
        folder,
        'note,question,answer,picture\nx,"Who, and\nwhere?",Zoë | a cat,pictures/one.png\n,How many?,,pictures/one.png\n',
        encoding,
    )
    picture = folder / "pictures/one.png"
    assert read_questions(path) == [Item(picture, "Who, and\nwhere?", ("Zoë", "a cat")), Item(picture, "How many?")]
    assert read_questions(written(folder, "picture,question\npictures/one.png,How many?\n"))[0].answers == ()


@pytest.mark.parametrize(
    "text, told",
    [
        ("picture,answer\npictures/one.png,two\n", "no column “question”"),
        ("picture,question\n", "holds no questions"),
        ("", "no column “picture”"),
        (
            "picture,question\npictures/one.png,How many?\npictures/two.png,How many?\n",
            "line 3: there is no picture “pictures/two.png”",
        ),
        ("picture,question\npictures/one.png\n", "line 2: there is no question"),
        ("picture,question\n,How many?\n", "line 2: there is no picture"),
        ("picture,question\npictures,How many?\n", "line 2: there is no picture"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(folder, text, told):
    with pytest.raises(InvalidInputError, match=told):
        read_questions(written(folder, text))


def test_a_file_that_is_not_there_or_not_text_is_said(folder):
    for path in (folder / "none.csv", folder, folder / "pictures" / "one.png"):
        if path.is_file():
            path.write_bytes(b"\xff\xfe\x00picture")
        with pytest.raises(InvalidInputError, match="cannot be read"):
            read_questions(path)
