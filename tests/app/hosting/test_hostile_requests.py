"""Hostile requests are refused without a trace of the inside, and the app stays up."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import httpx
import pytest

from fastv.errors import ModelLoadError
from tests.support.attacks import ASKED, HOSTILE, QUESTION, ROOT, png, still_answers
from tests.support.http_client import FILE, SLIDERS, Stranger


@pytest.mark.parametrize(
    "body, status",
    [
        (b"[" * 400_000, 400),
        (b'{"data":' + b"[" * 90_000 + b"]" * 90_000 + b"}", 400),
        (b'{"data":["' + b"x" * 3_000_000 + b'"]}', 413),
        (b"", 422),
        (b"null", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"data":{"a":1}}', 422),
        (b'{"data":[],"fn_index":99999,"session_hash":"s"}', None),
        (b'{"data":[],"fn_index":-1,"session_hash":"s"}', None),
        (b'{"data":[1e999999]}', None),
    ],
    ids=["deep", "deep-data", "huge", "empty", "null", "cut", "not-text", "object", "no-such", "minus", "inf"],
)
def test_hostile_json_is_refused(stranger, secrets, body, status):
    for path in (
        "/gradio_api/call/compare",
        "/gradio_api/queue/join",
        "/gradio_api/run/predict",
        "/gradio_api/run/cost",
    ):
        answer = stranger.http.post(path, content=body, headers={"content-type": "application/json"})
        assert not any(word in answer.text for word in secrets), answer.text[:500]
        if status is not None:
            assert answer.status_code == status, (path, answer.status_code, answer.text[:200])
        else:
            assert answer.status_code >= 400 or "event_id" in answer.text or path.endswith("cost"), (path, answer.text)


def test_bodies_of_unannounced_length_are_limited_too(stranger):
    def endless():
        yield b'{"data": ["'
        for _ in range(400):
            yield b"x" * 10_000
        yield b'"]}'

    answer = stranger.http.post("/gradio_api/call/compare", content=endless())
    assert answer.status_code == 413
    for length in ("99999999", "-1", "many"):
        with socket.create_connection((stranger.http.base_url.host, stranger.http.base_url.port), timeout=10) as raw:
            raw.sendall(f"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            assert raw.recv(100).split()[1] in (b"413", b"400")


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(stranger):
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    before = set(folder.rglob("*"))
    assert stranger.upload(bytes(21_000_000)).status_code == 413
    left = {path for path in set(folder.rglob("*")) - before if path.is_file() and path.stat().st_size > 1_000_000}
    assert left == set()


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/monitoring/summary",
        "/monitoring/x",
        "/gradio_api/deep_link?session_hash=stranger",
        "/gradio_api/runs",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/gradio_api/profiling/traces",
    ],
)
def test_unused_parts_of_gradio_are_closed(stranger, path):
    assert stranger.http.get(path).status_code == 404


def test_components_methods_cannot_be_called(stranger):
    for name in ("postprocess", "__init__", "get_config", "ls"):
        body = {"data": "x", "component_id": 12, "fn_name": name, "session_hash": "s"}
        assert stranger.http.post("/gradio_api/component_server", json=body).status_code == 404


def test_private_functions_withstand_any_values(app, stranger, secrets):
    """They are private, but can be called by number: no trace of the inside comes back, and nothing breaks."""
    each = [None, HOSTILE, {"path": "/etc/passwd", **FILE}, [[["x"]]]]
    by_turns = [-1, 10**12, 1.5, "x" * 5_000, [], {}, True]
    called = [one for one in stranger.dependencies() if one["backend_fn"]]
    for turn, one in enumerate(called):
        for value in [*each, *by_turns[turn % 2 :: 2]]:
            said = stranger.press(one["id"], *[value] * len(one["inputs"]), queued=one["queue"])
            assert not any(word in said for word in secrets), (one["api_name"], value, said[:800])
            # A refusal may repeat what was sent, whole or cut short, as JSON for scripts.
            plain = said.replace(json.dumps(HOSTILE)[1:-1], "")
            if one["api_visibility"] == "public":
                plain = plain.replace(f"not '{HOSTILE[:50]}", "")
            assert "<script>alert" not in plain or "\\u003c" in said, (one["api_name"], said[:800])
    assert still_answers(stranger)


def test_a_model_that_cannot_be_loaded_says_nothing_of_the_disk(app, stranger, secrets, monkeypatch):
    def fails(*_, **__):
        raise ModelLoadError(
            f"The folder {ROOT}/assets/models holds no model: see https://example.com/a/b. (C:\\x\\y, '/etc/z')"
        )

    monkeypatch.setattr("fastv.loading.load.load", fails)
    number = next(one["id"] for one in stranger.dependencies() if one["api_name"] == "switch")
    told = [
        stranger.press(number, *stranger.values("switch", model="llava-1.5-7b", **SLIDERS), queued=True),
        stranger.ask("compare", stranger.picture(png()), QUESTION, 2, 0.5, "llava-1.5-7b", *ASKED[4:]),
    ]
    for said in told:
        assert "holds no model: see https://example.com/a/b" in said
        assert not any(word in said for word in [*secrets, "/etc/z", "x\\\\y"])


def test_names_of_private_functions_are_no_endpoints(stranger):
    for one in stranger.dependencies():
        if one["api_visibility"] == "private":
            answer = stranger.call(one["api_name"], *[None] * len(one["inputs"]))
            assert answer.status_code >= 400, one["api_name"]


def test_nothing_public_tells_about_the_machine(app, stranger, secrets):
    folder = os.environ["GRADIO_TEMP_DIR"]
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/healthz",
        "/gradio_api/queue/status",
        "/theme.css",
        "/manifest.json",
        "/gradio_api/app_id",
        "/gradio_api/startup-events",
        "/nowhere",
    ):
        answer = stranger.http.get(path)
        told = f"{answer.text} {answer.headers}"
        assert not any(word in told for word in secrets), path
        # Of paths on this machine only names in the folder of files that are meant to be fetched.
        paths = set(re.findall(r'"(/(?:tmp|home|root|usr|opt|work|var)/[^"]*)', told))
        assert all(found.startswith(folder) for found in paths), (path, paths)
    assert "server" not in stranger.http.get("/healthz").json()


def test_health_says_what_monitoring_needs(stranger):
    health = stranger.http.get("/healthz")
    assert health.status_code == 200 and health.headers["cache-control"] == "no-store"
    told = health.json()
    assert "standin" in told.pop("loaded")  # beside what other tests of this app had it load
    assert told == {
        "status": "ok",
        "model": "standin",
        "device": "cpu",
        "dtype": "float32",
        "queue": {"waiting": 0, "limit": 20, "busy": False},
    }
    assert stranger.http.post("/healthz").status_code == 405


def test_pages_of_other_sites_cannot_use_a_visitors_browser(stranger):
    answer = stranger.http.get("/config", headers={"origin": "https://evil.example"})
    assert answer.headers.get("access-control-allow-origin") in (None, "")


def test_uploaded_files_have_names_that_cannot_be_guessed(app, stranger):
    """The full address of a file is all it takes to fetch it, until it is deleted: Gradio has no owners of files."""
    path = stranger.picture(png("blue"))["path"]
    assert re.fullmatch(r"[0-9a-f]{64}", Path(path).parent.name)
    other = Stranger(app.address, session="other")
    for near in (Path(path).parent, Path(path).parent.parent, Path(path).with_name("image.png")):
        assert other.http.get(f"/gradio_api/file={near}").status_code in (403, 404)


def test_answers_go_to_the_one_who_asked(app):
    one, other = Stranger(app.address, "one-session"), Stranger(app.address, "other-session")
    asked = one.call("compare", one.picture(png()), "how many blue ?", *ASKED[1:]).json()
    for session in (other.session, "", asked["event_id"][:-1] + "x"):
        try:
            assert "how many blue" not in other.http.get(f"/gradio_api/queue/data?session_hash={session}").text
        except httpx.RemoteProtocolError:  # Gradio hangs up on sessions it does not know
            pass
    assert "how many blue" in one.http.get(f"/gradio_api/call/compare/{asked['event_id']}").text


def test_after_all_that_the_app_answers_and_never_left_the_machine(app, stranger):
    assert still_answers(stranger) and app.strangers == []
