"""Parquet files, folders and archives, and what the library ``datasets`` saves: the rows of a CSV file, wherever."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import RepositoryNotFoundError
from PIL import Image

from fastv.errors import InvalidInputError
from fastv.sweep.cells import sample_id
from fastv.sweep.datasets.registry import read_dataset
from fastv.sweep.shown import open_shown

datasets = pytest.importorskip("datasets", reason="the extra eval is not installed")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CSV = (
    "file_name,question,answer,choices,task\na.png,Which?,red,red|blue,colour\na.png|b.png,Same?,no,,\nnone.png,x,,,\n"
)


def png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, "PNG")
    return data.getvalue()


A, B = png("red"), png("blue")


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    for name, data in (("a.png", A), ("b.png", B), ("questions.csv", CSV.encode())):
        (made / name).write_bytes(data)
    return made


def zipped(folder: Path, *, inside: str = "") -> Path:
    path = folder.parent / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one in folder.iterdir():
            archive.write(one, f"{inside}{one.name}")
        archive.writestr("__MACOSX/._a.png", b"")
    return path


def test_a_folder_and_an_archive_are_the_table_in_them(folder):
    table = read_dataset(folder / "questions.csv", skip_bad_rows=True)
    assert [sample.choices for sample in table.samples] == [("red", "blue"), ()]
    assert [bad.line for bad in table.bad_rows] == [4]
    for path in (folder, zipped(folder), zipped(folder, inside="mine/")):
        same = read_dataset(path, skip_bad_rows=True)
        assert same.bad_rows == table.bad_rows
        assert [sample_id(sample) for sample in same.samples] == [sample_id(sample) for sample in table.samples]
        assert [sample.task for sample in same.samples] == ["colour", None]
    shown = open_shown(same.samples[1])
    assert [picture.getpixel((0, 0)) for picture in shown] == [(255, 0, 0), (0, 0, 255)]


def test_archives_and_folders_that_cannot_be_used_are_refused(folder, tmp_path):
    broken, empty = tmp_path / "broken.zip", tmp_path / "empty"
    broken.write_bytes(b"PK\x03\x04 and no more")
    empty.mkdir()
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.png", A)
    for path in (broken, empty, tmp_path / "pictures.zip", tmp_path / "absent.zip"):
        with pytest.raises(InvalidInputError, match=path.name):
            read_dataset(path)
    (folder / "other.csv").write_text(CSV)
    assert read_dataset(folder, skip_bad_rows=True).samples  # the usual name
    (folder / "questions.csv").rename(folder / "more.csv")
    with pytest.raises(InvalidInputError, match="several tables"):
        read_dataset(folder)


def test_parquet_holds_pictures_or_names_them(tmp_path):
    (tmp_path / "a.png").write_bytes(A)
    rows = {
        "image": [{"bytes": A, "path": "in.png"}, {"bytes": B, "path": None}, None],
        "question": ["One?", "Two?", "Three?"],
        "answers": [["1", "one"], [], None],
        "id": [1, 2, 3],
    }
    path = tmp_path / "q.parquet"
    pq.write_table(pa.table(rows), path, row_group_size=1)
    dataset = read_dataset(path, skip_bad_rows=True)
    assert [sample.image.read_bytes() for sample in dataset.samples] == [A, B]
    assert [sample.answers for sample in dataset.samples] == [("1", "one"), ()]
    assert (dataset.unused_columns, [str(bad) for bad in dataset.bad_rows]) == (("id",), ["row 3: there is no image."])
    assert [sample.image.read_bytes() for sample in reversed(dataset.samples)] == [B, A]
    pq.write_table(pa.table({"image": [A], "question": ["?"]}), path)
    assert read_dataset(path).samples[0].image.read_bytes() == A
    pq.write_table(pa.table({"image": ["a.png"], "question": ["?"]}), path)
    assert read_dataset(path).samples[0].image == tmp_path / "a.png"
    with zipfile.ZipFile(tmp_path / "q.zip", "w") as archive:
        archive.write(path, "q.parquet")
        archive.writestr("a.png", A)
    assert read_dataset(tmp_path / "q.zip").samples[0].image.read_bytes() == A


def test_parquet_files_that_cannot_be_used_are_refused(tmp_path):
    path = tmp_path / "q.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidInputError, match="cannot be read as Parquet"):
        read_dataset(path)
    pq.write_table(pa.table({"image": ["a.png"]}), path)
    with pytest.raises(InvalidInputError, match="no column “question”"):
        read_dataset(path)


def test_what_datasets_saves_is_read_with_its_pictures_as_they_were(tmp_path, folder):
    many = [[{"bytes": A, "path": None}, {"bytes": B, "path": None}], [{"bytes": B, "path": None}]]
    table = datasets.Dataset.from_dict({"images": many, "question": ["Same?", "Which?"], "answer": ["no", "blue"]})
    table = table.cast_column("images", datasets.List(datasets.Image()))
    table.save_to_disk(tmp_path / "saved")
    dataset = read_dataset(tmp_path / "saved")
    assert [[file.read_bytes() for file in sample.files] for sample in dataset.samples] == [[A, B], [B]]
    same = read_dataset(folder, skip_bad_rows=True).samples[1]
    assert sample_id(dataset.samples[0]) == sample_id(same)  # the same question, wherever it is kept
    datasets.DatasetDict({"train": table, "test": table.select([1])}).save_to_disk(tmp_path / "splits")
    assert len(read_dataset(tmp_path / "splits@test").samples) == 1
    with pytest.raises(InvalidInputError, match="splits train, test"):
        read_dataset(tmp_path / "splits")


def test_names_on_the_hub_and_a_missing_network(tmp_path, monkeypatch):
    asked = []

    def load(*arguments, **settings):
        asked.append((arguments, settings))
        raise ConnectionError("Could not reach the hub")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda self, name, timeout: None)
    with pytest.raises(InvalidInputError, match="Could not reach the hub"):
        read_dataset(Path("owner/name:config@test[:5]"))
    assert asked == [(("owner/name", "config"), {"split": "test[:5]"})]
    for no_name in ("questions", "a/b/c", "owner/questions.csv"):
        with pytest.raises(InvalidInputError, match="cannot be read"):
            read_dataset(Path(no_name))


@pytest.mark.parametrize(
    "answer",
    [RepositoryNotFoundError("404", response=httpx.Response(404, request=httpx.Request("GET", "https://hub")))]
    + [ConnectionError("no network"), TimeoutError()],
    ids=["no such name", "no network", "no answer"],
)
def test_a_mistyped_path_is_refused_before_a_load_is_tried(tmp_path, monkeypatch, answer):
    def asked(self, name, timeout):
        assert timeout <= 10
        raise answer

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", asked)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("tried to load it"))
    with pytest.raises(InvalidInputError, match="data/questoins"):
        read_dataset(Path("data/questoins"))


def test_what_an_earlier_load_left_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    (tmp_path / "owner___name").mkdir()
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: pytest.fail("asked the hub"))
    table = datasets.Dataset.from_dict({"question": ["What?"], "image": [{"bytes": A, "path": None}]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: table.cast_column("image", datasets.Image()))
    assert read_dataset(Path("owner/name")).samples[0].image.read_bytes() == A


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "q.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("q.csv", "image,question\na.png,What?\n")
        with archive.open("a.png", "w") as file:
            for _ in range(60):
                file.write(bytes(10**6))
    with pytest.raises(InvalidInputError, match="a.png"):
        read_dataset(tmp_path / "q.zip")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import builtins

    plain = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] in ("pyarrow", "datasets"):
            raise ImportError(name)
        return plain(name, *rest)

    path = tmp_path / "q.parquet"
    path.write_bytes(b"")
    monkeypatch.setattr(builtins, "__import__", refuse)
    for wanted, package in ((path, "pyarrow"), (Path("owner/name"), "datasets")):
        with pytest.raises(InvalidInputError, match=f"pip install {package}"):
            read_dataset(wanted)
