"""Lists of questions as JSON Lines."""

from __future__ import annotations

import json

import pytest

from fastv.errors import InvalidInputError
from fastv.sweep.datasets.base import Dataset, Sample
from fastv.sweep.datasets.registry import FORMATS, read_dataset


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scene.png").write_bytes(b"not looked into")
    return tmp_path


def written(folder, *rows, encoding="utf-8", suffix=".jsonl"):
    path = folder / f"questions{suffix}"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


ROW = {"image": "scene.png", "question": "Où?"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".JSONL"])
def test_every_line_is_a_sample(folder, encoding, suffix):
    path = written(
        folder,
        {**ROW, "answer": "là | ici", "id": 7},
        "",
        {"Picture": "scene.png", "Question": "How many?", "answers": ["two", 2, ""]},
        {**ROW, "answer": None},
        encoding=encoding,
        suffix=suffix,
    )
    image = folder / "scene.png"
    dataset = read_dataset(path)
    assert dataset.samples == (
        Sample(image, "Où?", ("là", "ici")),
        Sample(image, "How many?", ("two", "2")),
        Sample(image, "Où?"),
    )
    assert [sample.line for sample in dataset.samples] == [1, 3, 4]
    assert dataset.unused_columns == ("id",)


@pytest.mark.parametrize(
    "row, reason",
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ({"image": "scene.png"}, "no column “question”"),
        ({"question": "How many?"}, "no column “image”"),
        ({**ROW, "anwser": "two"}, "nearly “answer”"),
        ({**ROW, "question": 3}, "no question"),
        ({**ROW, "image": [3]}, "no image"),
        ({**ROW, "image": ["scene.png", "none.png"]}, "no image “none.png”"),
        ({**ROW, "video": "scene.png"}, "not both"),
        ({**ROW, "choices": ["x"] * 27}, "27 choices"),
        ({**ROW, "image": "none.png"}, "no image “none.png”"),
        ({**ROW, "answer": True}, "must be text"),
        ({**ROW, "answer": [["two"]]}, "must be text"),
        ({**ROW, "answer": {"text": "two"}}, "must be text"),
    ],
)
def test_bad_rows_are_told_by_line_and_left_out_on_request(folder, row, reason):
    path = written(folder, ROW, row, ROW)
    with pytest.raises(InvalidInputError, match="line 2: ") as error:
        read_dataset(path)
    assert reason in str(error.value)
    dataset = read_dataset(path, skip_bad_rows=True)
    assert len(dataset.samples) == 2
    assert [bad.line for bad in dataset.bad_rows] == [2]


def test_a_format_is_one_reader_and_one_line(folder, monkeypatch):
    monkeypatch.setitem(FORMATS, ".made", lambda path, columns: Dataset((Sample(path, "How many?"),)))
    assert read_dataset(folder / "questions.made").samples[0].question == "How many?"


def test_several_images_a_video_choices_tasks_and_the_answers_of_several_people(folder):
    (folder / "two|parts.png").write_bytes(b"")
    (folder / "clip.mp4").write_bytes(b"")
    path = written(
        folder,
        {**ROW, "image": ["scene.png", "two|parts.png"], "choices": ["red", "blue"], "answer": "B", "task": "colour"},
        {**ROW, "image": "two|parts.png"},
        {"question": "What happens?", "video": "clip.mp4", "group": 3},
        {**ROW, "image": "scene.png|scene.png", "answers": [{"answer": "yes", "answer_id": 1}, {"answer": "yes"}]},
    )
    many, one, clip, people = read_dataset(path).samples
    assert [file.name for file in many.files] == ["scene.png", "two|parts.png"]
    assert (many.choices, many.answers, many.task) == (("red", "blue"), ("B",), "colour")
    assert many.prompt.splitlines()[:3] == ["Où?", "A. red", "B. blue"]
    assert [file.name for file in one.files] == ["two|parts.png"]
    assert (clip.is_video, clip.image.name, clip.group, clip.prompt) == (True, "clip.mp4", "3", "What happens?")
    assert (len(people.files), people.answers) == (2, ("yes", "yes"))


def test_columns_of_other_names_are_chosen(folder):
    path = written(
        folder, {"file": "scene.png", "question": "Which?", "right_answers": ["a"]}, {**ROW, "file": "scene.png"}
    )
    chosen = {"image": "file", "answer": "right_answers"}
    first, second = read_dataset(path, columns=chosen).samples
    assert (first.image.name, first.answers, second.answers) == ("scene.png", ("a",), ())
    table = folder / "questions.csv"
    table.write_text("file;question;right_answers\nscene.png;Which?;a\n")
    assert read_dataset(table, columns=chosen).samples == (first,)
    for wrong, told in (({"image": "photo"}, "no column “photo”"), ({"colour": "file"}, "no field “colour”")):
        with pytest.raises(InvalidInputError, match=told):
            read_dataset(table, columns=wrong)
