"""Record files: nothing that was written is lost, however the writer ends, and unlike runs are kept apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from fastv.errors import InvalidInputError
from fastv.measurement.records import HASH, RecordFile, read, settings_hash, write

HEADER = {"model": "mini-7", "answer_tokens": 32, "machine": {"cores": 2.0}, "command": "one"}
RECORDS = [{"question": index, "answer": f"“{index}” é", "seconds": (0.1 * index,)} for index in range(4)]


def plain(records):
    return json.loads(json.dumps(records))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "records.jsonl"
    with RecordFile.open(path, HEADER) as file:
        for record in RECORDS:
            file.add(record)
    return path


def test_what_was_added_is_read_back(path):
    header, records = read(path)
    assert {name: header[name] for name in HEADER} == HEADER
    assert records == plain(RECORDS)
    with RecordFile.open(path, HEADER) as file:
        assert file.records == plain(RECORDS)
        file.add({"question": 4})
        assert file.records[4] == {"question": 4}
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6


def test_a_file_cut_anywhere_keeps_its_complete_lines_and_goes_on(path):
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        complete = max(whole[:size].count(b"\n") - 1, 0)
        with RecordFile.open(path, HEADER) as file:
            assert file.records == plain(RECORDS[:complete])
            for record in RECORDS[complete:]:
                file.add(record)
        assert path.read_bytes() == whole


def test_a_last_line_of_noise_is_dropped_and_any_other_is_named(path):
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 20 + b"\n")
    with RecordFile.open(path, HEADER) as file:
        assert file.records == plain(RECORDS)
    assert path.read_bytes() == whole
    for noise in (b"\0\0", b"[1]", b"\xff"):
        lines = whole.split(b"\n")
        lines[2] = noise
        path.write_bytes(b"\n".join(lines))
        with pytest.raises(InvalidInputError, match="line 3 is damaged"):
            RecordFile.open(path, HEADER)
        assert path.read_bytes() == b"\n".join(lines)


@pytest.mark.parametrize("text", ["not JSON\n", "not JSON", "[1]\n", "\n", "{}", "3", '{"points": 3}', "{"])
def test_other_files_are_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    if text != "{":  # as much as there is of a header that was being written
        with pytest.raises(InvalidInputError, match="holds no records"):
            RecordFile.open(path, HEADER)
        assert path.read_text() == text


def test_other_settings_are_refused_by_name_but_for_those_that_are_free(path):
    before = path.read_bytes()
    for name, value in (("model", "mini-13"), ("machine", {"cores": 4.0}), ("more", 1)):
        with pytest.raises(InvalidInputError, match=rf"\({name} differs\)"):
            RecordFile.open(path, {**HEADER, name: value})
    with RecordFile.open(path, {**HEADER, "command": "two"}, free=("command",)) as file:
        assert file.header["command"] == "one"
    assert path.read_bytes() == before


def test_the_hash_tells_settings_apart_whatever_their_order():
    one = settings_hash(HEADER, free=("command",))
    assert one == settings_hash(dict(reversed(HEADER.items())) | {"command": "two"}, free=("command",))
    assert one != settings_hash({**HEADER, "answer_tokens": 31}, free=("command",))


def test_the_hash_stands_in_the_header(path):
    assert read(path)[0][HASH] == settings_hash(HEADER)


def test_files_of_an_earlier_version_are_read_and_go_on(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**HEADER, "points": plain(RECORDS[:2])}, indent=1))
    assert read(path) == (HEADER, plain(RECORDS[:2]))
    before = path.read_bytes()
    with pytest.raises(InvalidInputError, match="model differs"):
        RecordFile.open(path, {**HEADER, "model": "mini-13"})
    assert path.read_bytes() == before
    with RecordFile.open(path, HEADER) as file:
        assert file.records == plain(RECORDS[:2])
        file.add(RECORDS[2])
    assert read(path) == (HEADER, plain(RECORDS[:3]))


def test_a_whole_file_is_replaced_at_once(path, monkeypatch):
    before = path.read_bytes()

    def broken():
        yield RECORDS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, HEADER, broken())
    assert path.read_bytes() == before
    write(path, HEADER, RECORDS[:1])
    assert read(path) == (HEADER, plain(RECORDS[:1]))


WRITER = """
import itertools, sys, time
from pathlib import Path
from fastv.measurement.records import RecordFile
with RecordFile.open(Path(sys.argv[1]), {"model": "x"}) as file:
    for number in itertools.count(len(file.records)):
        file.add({"number": number, "text": "x" * 2000})
        print(number, flush=True)
        time.sleep(float(sys.argv[2]))
"""


def writer(path, pause=0.0):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(pause)], stdout=subprocess.PIPE, text=True)


def test_killed_writers_lose_no_record_they_reported(tmp_path):
    path, reported = tmp_path / "records.jsonl", -1
    for _ in range(3):
        with writer(path) as process:
            for _ in range(20):
                reported = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
        assert [record["number"] for record in read(path)[1]][: reported + 1] == list(range(reported + 1))


@pytest.mark.skipif(sys.platform == "win32", reason="no advisory locks")
def test_two_processes_do_not_write_one_file(tmp_path):
    path = tmp_path / "records.jsonl"
    with writer(path, pause=60) as process:
        process.stdout.readline()
        with pytest.raises(InvalidInputError, match="another process"):
            RecordFile.open(path, {"model": "x"})
        process.kill()
    with RecordFile.open(path, {"model": "x"}) as file:
        assert len(file.records) == 1
