"""Lists of questions as spreadsheets write them: read as meant, or refused with the line and the reason."""

from __future__ import annotations

import unicodedata

import pytest

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Sample
from fastv.sweep.datasets.registry import read_dataset

HEADING = "picture,question,answer\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in ("pictures/one.png", "scene.png"):
        (tmp_path / name).write_bytes(b"not looked into")
    return tmp_path


def written(folder, text, encoding="utf-8", name="questions.csv"):
    path = folder / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


def asked(folder, text, **settings):
    return [(one.question, one.answers) for one in read_dataset(written(folder, text, **settings)).samples]


def refusal(folder, text, **settings) -> str:
    with pytest.raises(InvalidInputError) as error:
        read_dataset(written(folder, text, **settings))
    assert "questions.csv" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_columns_stand_in_any_order_and_answers_may_be_several_or_none(folder, encoding):
    path = written(
        folder,
        'note,question,answer,picture\nx,"Who, and\nwhere?",Zoë | a cat,pictures/one.png\n'
        ",How many?,,pictures/one.png\n",
        encoding,
    )
    image = folder / "pictures/one.png"
    dataset = read_dataset(path)
    assert dataset.samples == (Sample(image, "Who, and\nwhere?", ("Zoë", "a cat")), Sample(image, "How many?"))
    assert [sample.line for sample in dataset.samples] == [2, 4]
    assert dataset.unused_columns == ("note",)
    assert asked(folder, "picture,question\npictures/one.png,How many?\n") == [("How many?", ())]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("space", ["", " "])
def test_separators_and_line_ends_of_any_spreadsheet(folder, separator, newline, space):
    rows = (["picture", "question", "answer"], ["scene.png", f'"Red{separator} or blue?"', "red"])
    text = newline.join((separator + space).join(row) for row in rows) + newline
    assert asked(folder, text) == [(f"Red{separator} or blue?", ("red",))]
    assert asked(folder, f"sep={separator}{newline}{text}") == [(f"Red{separator} or blue?", ("red",))]


@pytest.mark.parametrize(
    "heading",
    [
        "picture,question,Answer",
        "PICTURE,Question,answers",
        "Image , questions, answer ",
        '"images","question","ANSWERS"',
    ],
)
def test_headings_are_compared_without_case_space_and_plural(folder, heading):
    assert asked(folder, heading + "\nscene.png,How many?,three\n") == [("How many?", ("three",))]


@pytest.mark.parametrize("heading", ["anwser", "answer 1", "correct_answer", "Answer(s) here", "answr"])
def test_a_heading_that_is_nearly_answer_is_not_ignored(folder, heading):
    assert f"“{heading}” is nearly “answer”" in refusal(
        folder, f"picture,question,{heading}\nscene.png,How many?,three\n"
    )
    assert asked(folder, f"picture,question,{heading},answer\nscene.png,How many?,x,three\n") == [
        ("How many?", ("three",))
    ]


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("picture,answer\nscene.png,two\n", ["no column “question”", "“picture”, “answer”"]),
        ("scene.png,How many?\n", ["no column “image”", "“scene.png”, “How many?”"]),
        ("picture|question\nscene.png|How many?\n", ["no column", "“picture|question”"]),
        ("picture;frage\nscene.png;How many?\n", ["no column “question”", "“picture”, “frage”"]),
        ("picture,image,question\nscene.png,scene.png,How many?\n", ["more than one column", "“picture”, “image”"]),
        ("picture,question\n", ["holds no questions"]),
        ("picture,question\n,\n\n", ["holds no questions"]),
        ("", ["no column “image”"]),
    ],
)
def test_headings_that_cannot_be_used_are_named(folder, text, pieces):
    told = refusal(folder, text)
    assert all(piece in told for piece in pieces)
    assert "UTF-8" not in told


@pytest.mark.parametrize(
    "row, reason",
    [
        ("pictures/two.png,How many?,two", "no image “pictures/two.png”"),
        ("scene.png", "no question"),
        ("scene.png, ,two", "no question"),
        (",How many?,two", "no image"),
        ("pictures,How many?,two", "no image"),
        ("https://example.org/a.png,How many?,two", "is an address"),
        ("scene.png,How many animals are there, please?,three", "4 cells and the heading 3"),
        ("scene.png,“How many animals, please?”,three", "4 cells and the heading 3"),
        ("scene.png,One, two, or three?,three", "5 cells"),
        ("scene.png,“How many animals, please?”", "typographic"),
        ("scene.png,„How many animals, please?“", "typographic"),
        ("scene.png,« How many animals, please? »", "typographic"),
    ],
)
def test_bad_rows_are_told_by_line_and_left_out_on_request(folder, row, reason):
    text = HEADING + f'scene.png,"How\nmany?",three\n\n{row}\nscene.png,Where?,left\n'
    told = refusal(folder, text)
    assert "line 5: " in told
    assert reason in told
    dataset = read_dataset(written(folder, text), skip_bad_rows=True)
    assert [sample.question for sample in dataset.samples] == ["How\nmany?", "Where?"]
    (bad,) = dataset.bad_rows
    assert bad.line == 5
    assert reason in bad.reason
    with pytest.raises(InvalidInputError, match="line 2: "):  # nothing would be left
        read_dataset(written(folder, HEADING + row + "\n"), skip_bad_rows=True)


def test_many_bad_rows_are_listed_and_counted(folder):
    told = refusal(folder, HEADING + "none.png,How many?,two\n" * 50)
    assert "50 rows" in told
    assert all(f"line {line}: " in told for line in range(2, 22))
    assert "30 more" in told


@pytest.mark.parametrize(
    "text, line",
    [
        ('scene.png,"How many?,three\nscene.png,What colour?,blue\nscene.png,Is there a cat?,no\n', 2),
        ('scene.png,How many?,three\nscene.png,What colour?,blue\nscene.png,"Is there a cat?,no\n', 4),
        ('scene.png,"How many?,three\nscene.png,"What colour, please?",blue\n', 2),
        ('scene.png,How many?,three\nscene.png,"What colour?,blue\nscene.png,Is it 24",no\n', 3),
        ('scene.png,"How many?,three\nscene.png,"Is there a cat?,no\n', 2),
        ('scene.png,"Two\nlines",x\nscene.png,"Is the screen 24" wide?",yes\n', 4),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_quotation_marks_out_of_order_are_refused_with_the_line_they_open_in(folder, text, line, newline):
    for skip in (False, True):  # where the rows after it begin is in doubt
        with pytest.raises(InvalidInputError, match=f"line {line}: a quotation mark"):
            read_dataset(written(folder, (HEADING + text).replace("\n", newline)), skip_bad_rows=skip)


def test_typographic_quotation_marks_that_close_are_text(folder):
    text = HEADING + "scene.png,“How many?” he asked,„two“\nscene.png,What does “so” mean?,«so» said\n"
    assert [question for question, _ in asked(folder, text)] == ["“How many?” he asked", "What does “so” mean?"]


def test_quotation_marks_in_order_are_kept(folder):
    text = HEADING + 'scene.png,"Is the screen 24"" wide?",yes\nscene.png,Is it 24" wide?,"a ""yes"""\n'
    assert asked(folder, text) == [('Is the screen 24" wide?', ("yes",)), ('Is it 24" wide?', ('a "yes"',))]


def test_rows_of_empty_cells_at_the_end_are_no_rows(folder):
    text = "picture,question,answer,,\nscene.png,How many?,three,,\n,,,,\n,,,,\n\n"
    assert asked(folder, text) == [("How many?", ("three",))]
    assert asked(folder, HEADING + "scene.png,How many?,three,,,\n") == [("How many?", ("three",))]


def test_other_encodings_are_named_with_the_line(folder):
    told = refusal(folder, (HEADING + "scene.png,How many?,two\nscene.png,Où?,là\n").encode("cp1252"))
    assert "line 3: " in told
    assert "UTF-8" in told


@pytest.mark.parametrize("data", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest"])
def test_spreadsheets_are_named(folder, data):
    assert "spreadsheet" in refusal(folder, data)


def test_files_that_cannot_be_read_are_refused(folder):
    for path in (folder / "none.csv", folder):
        with pytest.raises(InvalidInputError, match="cannot be read"):
            read_dataset(path)
    assert "cannot be read" in refusal(folder, b"\xff\xfe\x00pictur")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_files_may_be_in_another_normal_form(folder, form):
    (folder / unicodedata.normalize(form, "café.png")).touch()
    for other in ("NFC", "NFD"):
        text = HEADING + unicodedata.normalize(other, "café.png") + ",How many?,two\n"
        assert asked(folder, text) == [("How many?", ("two",))]


def test_folders_may_be_separated_as_windows_does(folder):
    dataset = read_dataset(written(folder, HEADING + "pictures\\one.png,How many?,two\n"))
    assert dataset.samples[0].image == folder / "pictures/one.png"
