"""Where questions come from; what visitors send is confined to what they sent."""

from __future__ import annotations

import zipfile

import pytest
from PIL import Image

from fastv.app.hosting.settings import Settings
from fastv.app.service.run_policy import RunPolicy
from fastv.app.sweep.questions import drawn_scenes, example_questions, sent_questions
from fastv.errors import InvalidInputError
from fastv.sweep.cells import sample_id


@pytest.fixture
def send(tmp_path):
    """Sends files: name -> bytes, text or a colour."""
    (tmp_path / "uploads").mkdir()

    def sent(files, count=10, **settings):
        uploads = []
        for number, (name, content) in enumerate(files.items()):
            path = tmp_path / "uploads" / f"{number}"
            if isinstance(content, tuple):
                Image.new("RGB", (30, 20), content).save(path, "PNG")
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            uploads.append({"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}})
        return sent_questions(uploads, count, tmp_path / "visit", RunPolicy(Settings(log="none", **settings)))

    return sent


def test_the_same_scenes_are_drawn_every_time(tmp_path):
    first, again = drawn_scenes(4, tmp_path / "a"), drawn_scenes(3, tmp_path / "b")
    assert [sample_id(one) for one in first.samples[:3]] == [sample_id(one) for one in again.samples]
    assert all(one.answers and one.task and one.group for one in first.samples)


def test_the_example_file_has_answers():
    assert len(example_questions(2).samples) == 2
    assert all(one.answers for one in example_questions(500).samples)


def test_a_table_with_its_pictures(send):
    found = send({"q.csv": "image,question,answer\nred.png,What?,red\ngone.png,What?,red\n", "red.png": (255, 0, 0)})
    (sample,) = found.samples
    assert sample.answers == ("red",) and Image.open(sample.image).getpixel((3, 3)) == (255, 0, 0)
    assert [row.line for row in found.bad_rows] == [3]


def test_an_archive_and_its_first_questions(send, tmp_path):
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
        archive.write(tmp_path / "a.png", "in/a.png")
        archive.writestr("in/questions.jsonl", '{"image": "a.png", "question": "What?"}\n' * 3)
    found = send({"made.zip": (tmp_path / "made.zip").read_bytes()}, count=2)
    assert len(found.samples) == 2 and found.samples[0].image == found.samples[1].image


def test_files_of_this_machine_are_not_there(send, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "mine.png")
    inside = f"{tmp_path}/mine.png"
    rows = f"image,question\n{inside},What?\n../../mine.png,What?\n{inside}.no,What?\nred.png,What?\n"
    found = send({"q.csv": rows, "red.png": (255, 0, 0)})
    assert len(found.samples) == 1 and len(found.bad_rows) == 3
    there, _, not_there = (row.reason.split("“")[0] for row in found.bad_rows)
    assert there == not_there


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"red.png": (255, 0, 0)},
        {"a.csv": "image,question\n", "b.csv": "image,question\n"},
        {"q.csv": "image,question\n"},
        {"q.csv": "image,question\nbad.png,What?\n", "bad.png": "no picture"},
        {"q.csv": "image,question\ngone.png,What?\n"},
        {"q.csv": b"\xff\x00\xfe broken"},
        {"q.zip": b"no archive"},
        {"../q.csv": "question\nWhat?\n"},
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(send, files):
    with pytest.raises(InvalidInputError) as refused:
        send(files)
    assert len(str(refused.value)) > 20


def test_an_archive_that_unpacks_to_too_much_is_refused(send, tmp_path):
    with zipfile.ZipFile(tmp_path / "made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("questions.csv", "x" * 50_001)
    with pytest.raises(InvalidInputError, match="too much"):
        send({"made.zip": (tmp_path / "made.zip").read_bytes()}, picture_bytes=50_000)


def test_limits_of_the_operator_hold(send):
    files = {"q.csv": f"image,question\nred.png,{'x' * 60}\nred.png,What?\n", "red.png": (255, 0, 0)}
    found = send(files, question_characters=50)
    assert [one.question for one in found.samples] == ["What?"] and len(found.bad_rows) == 1


def test_what_is_no_upload_is_refused(tmp_path):
    for sent in ("/etc/passwd", [{"path": "/etc/passwd"}], [None]):
        with pytest.raises(InvalidInputError):
            sent_questions(sent, 1, tmp_path, RunPolicy())
