"""Visitors' files do not stay: not while the app runs, not when it ends, and not when it was killed before."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from PIL import Image

from fastv.app.hosting import upload_cleanup
from fastv.app.hosting.settings import Settings
from fastv.app.service.run_policy import RunPolicy
from tests.support.http_client import FILE, Stranger
from tests.support.ports import free_port
from tests.support.serving import served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return upload_cleanup.private_folder()


def test_the_folder_is_private(folder, tmp_path):
    assert folder.parents[1] == tmp_path.resolve()
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o700 for one in (folder, folder.parent))
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder) == str(upload_cleanup.private_folder())


def test_a_folder_made_by_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    expected = upload_cleanup.private_folder().parent
    shutil.rmtree(expected)
    (tmp_path / "elsewhere").mkdir()
    expected.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert upload_cleanup.private_folder().parent not in (expected, tmp_path / "elsewhere")


def test_two_apps_of_one_user_have_no_file_in_common_and_find_each_others_leavings(folder):
    told = subprocess.run(
        [sys.executable, "-c", "from fastv.app.hosting.upload_cleanup import private_folder; print(private_folder())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    other = Path(told.stdout.strip())
    assert other != folder and other.parent == folder.parent


def test_old_files_are_deleted_and_the_pages_own_stay(folder, monkeypatch):
    for name in ("old/a.png", "old/deep/b.png", "own/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    later = time.time() + 100
    monkeypatch.setattr(upload_cleanup.time, "time", lambda: later)
    upload_cleanup.sweep(folder, 200)
    assert (folder / "old/a.png").exists()
    upload_cleanup.sweep(folder, 99, kept=[str(folder / "own/c.png")])
    assert [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()] == ["own/c.png"]
    assert not (folder / "old").exists()


def test_when_there_is_too_much_the_oldest_goes_first(folder):
    for number in range(4):
        (folder / f"{number}.png").write_bytes(bytes(1_000))
        time.sleep(0.02)
    upload_cleanup.sweep(folder, 3_600, most_bytes=2_500)
    assert sorted(path.name for path in folder.iterdir()) == ["2.png", "3.png"]


def test_nothing_is_older_than_it_may_be_between_two_looks(folder, monkeypatch):
    looks, ages, done = [], [], threading.Event()

    def look(swept, seconds, *_):
        if swept != folder:  # an app that other tests use looks at its own
            return
        looks.append(time.monotonic())
        ages.append(seconds)
        if len(looks) == 4:
            done.set()

    monkeypatch.setattr(upload_cleanup, "sweep", look)
    upload_cleanup.start_cleanup(folder, 1.0, tuple, lambda: not done.is_set())
    assert done.wait(20)
    assert ages[0] == 1.0 and all(age + 0.25 <= 1.0 for age in ages[1:])  # looked at four times a second
    assert all(later - look > 0.2 for look, later in pairwise(looks[:4]))


def test_what_a_killed_app_left_goes_and_what_another_one_keeps_does_not(folder, tmp_path):
    outside, (dead, alive) = tmp_path / "outside", (folder.parent / name for name in ("1", "2"))
    for place in (outside, dead, alive):
        (place / "deep").mkdir(parents=True)
        (place / "deep/a.png").write_bytes(b"x")
    (folder.parent / "link").symlink_to(outside)
    long_ago = time.time() - 2 * upload_cleanup._FORSAKEN_SECONDS
    for place in (dead, dead / "deep", outside):
        os.utime(place, (long_ago, long_ago))
    os.utime(folder.parent / "link", (long_ago, long_ago), follow_symlinks=False)
    time.sleep(0.05)
    upload_cleanup.start_cleanup(folder, 0.01, tuple, lambda: False)
    assert not (dead / "deep/a.png").exists() and (alive / "deep/a.png").exists() and (outside / "deep/a.png").exists()
    assert time.time() - folder.stat().st_mtime < 10


def test_links_are_removed_and_not_followed(folder, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("keep me")
    (folder / "link").symlink_to(outside)
    upload_cleanup.sweep(folder, -1)
    assert outside.exists() and not (folder / "link").is_symlink()


def red() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 60), "red").save(file, "PNG")
    return file.getvalue()


def test_a_running_app_forgets_what_was_sent_and_what_it_made(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    monkeypatch.setattr(upload_cleanup, "_OFTEN_SECONDS", 0.5)
    with served(tmp_path, RunPolicy(Settings(log="none", forget_seconds=10))) as app:
        visitor = Stranger(app.address)
        path = visitor.picture(red())["path"]
        number = visitor.run_number()
        said = visitor.press(
            number, *visitor.run_values({"path": path, **FILE}, "how many red ?", tokens=2, repeats=1), queued=True
        )
        assert "Done:" in said
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        own = {
            found
            for part in visitor.http.get("/config").json()["components"]
            for found in paths_in(part["props"])
            if found.startswith(str(folder))
        }
        made = {str(found) for found in folder.rglob("*") if found.is_file()} - own
        assert own and path in made and any(found.endswith(".html") for found in made)
        end = time.monotonic() + 40
        while any(Path(found).exists() for found in made) and time.monotonic() < end:
            time.sleep(0.5)
        assert not [found for found in made if Path(found).exists()]
        assert all(visitor.http.get(f"/gradio_api/file={found}").status_code == 200 for found in own)
        assert visitor.http.get(f"/gradio_api/file={path}").status_code == 403


def paths_in(value) -> set[str]:
    if isinstance(value, dict):
        here = {value["path"]} if isinstance(value.get("path"), str) else set()
        return here.union(*map(paths_in, value.values()))
    return set().union(*map(paths_in, value)) if isinstance(value, list) else set()


def left_by_a_killed_process(environment: dict[str, str]) -> Path:
    """A file in the private folder of a process that was killed."""
    script = """
import os, signal
from fastv.app.hosting.upload_cleanup import private_folder
place = private_folder() / "sent"
place.mkdir()
(place / "a.png").write_bytes(b"x")
print(place / "a.png", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    return Path(ended.stdout.strip())


def test_a_stopped_app_leaves_nothing_and_a_killed_ones_files_are_found_by_the_next(tmp_path):
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "files"), "FASTV_LOG": "none"}

    def start() -> tuple[subprocess.Popen, Stranger]:
        port = str(free_port())
        app = subprocess.Popen(
            [sys.executable, "app.py", "--port", port, "--host", "127.0.0.1"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert app.stdout.readline() == f"Open http://127.0.0.1:{port}/\n"
        return app, Stranger(f"http://127.0.0.1:{port}")

    killed = left_by_a_killed_process(environment)
    assert killed.exists()
    upload_cleanup.sweep(killed.parents[1], 3_600)
    assert killed.exists()  # the next one may not be in time for its owner, but an hour is an hour
    upload_cleanup.sweep(killed.parents[1], -1)
    assert not killed.exists()
    app, visitor = start()
    link = visitor.http.get("/", params={"k": 3, "r": 75, "question": "how many red ?"})
    assert link.status_code == 200  # links say it all themselves: nothing of them is kept here
    stopped = Path(visitor.picture(red())["path"])
    assert stopped.parents[2] == killed.parents[2] and stopped.parents[1] != killed.parents[1]
    app.send_signal(signal.SIGTERM)
    app.wait(20)
    assert not stopped.exists()
    with pytest.raises(httpx.ConnectError):
        visitor.http.get("/healthz")
