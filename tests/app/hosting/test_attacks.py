"""The running app under attack from the same machine: what should be out of reach is, and the app stays up."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
from PIL import Image

from fastv.app.hosting import sandbox
from fastv.app.service import model_pool
from fastv.errors import ModelLoadError
from tests.support.http_client import ALONE, FILE, SLIDERS, VIDEO_ALONE, Stranger
from tests.support.video_files import growing

ROOT = Path(__file__).resolve().parents[3]
QUESTION = "how many red ?"
ASKED = (QUESTION, 2, 0.5, None, "fastv", 0, 2, 1, 1, *ALONE)  # what "compare" takes after the picture
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>[a](javascript:alert(3))"


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 60), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def stranger(app):
    return Stranger(app.address)


@pytest.fixture(scope="module")
def secrets(app):
    """Words that no answer may hold: where the project lies, who runs it, where its model is, what it is told."""
    os.environ["FASTV_TEST_SECRET"] = "a-secret-of-the-environment"
    yield [
        str(ROOT),
        str(Path.home()) + "/",
        str(Path(app.model.entry.source).parent),
        "site-packages",
        "Traceback",
        "a-secret-of-the-environment",
        "root:x:",
    ]
    del os.environ["FASTV_TEST_SECRET"]


def still_answers(stranger) -> bool:
    answer = stranger.ask("compare", stranger.picture(png()), *ASKED)
    return "event: complete" in answer and '"baseline"' in answer


@pytest.fixture(scope="module")
def trap():
    """A server on this machine that nothing should ever turn to; it counts who does, and redirects them to itself."""
    visits = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self):
            visits.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/inner")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Trap)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, visits
    server.shutdown()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//etc/passwd",
        "%2Fetc%2Fpasswd",
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        str(ROOT / "app.py"),
        str(ROOT / "assets/screenshot.png"),
        "app.py",
        "./app.py",
        ".env",
        "assets/devices.json",
        "/proc/self/environ",
        "/proc/self/cwd/app.py",
        "C:\\Windows\\win.ini",
        "\x00",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:text/html,x",
    ],
)
def test_files_of_the_server_cannot_be_fetched(stranger, secrets, path):
    for address in (
        f"/gradio_api/file={path}",
        f"/gradio_api/file/{path}",
        f"/file={path}",
        f"/static/{path}",
        f"/assets/{path}",
        f"/gradio_api/custom_component/1/client/component/{path}",
    ):
        try:
            answer = stranger.http.get(address)
        except httpx.InvalidURL:
            continue
        said = answer.text.replace(path, "")  # what somebody asked for may be repeated
        assert answer.status_code in (307, 400, 403, 404, 405) and not any(word in said for word in secrets), address


def test_from_the_folder_of_uploads_no_way_leads_out(app, stranger, secrets):
    folder = Path(stranger.picture(png())["path"]).parent
    for way in ("../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "....//....//etc/passwd", ".."):
        answer = stranger.http.get(f"/gradio_api/file={folder}/{way}")
        assert answer.status_code in (403, 404) and "root:x:" not in answer.text
    (folder / "link.png").symlink_to("/etc/passwd")
    assert "root:x:" not in stranger.http.get(f"/gradio_api/file={folder}/link.png").text
    (folder / "link.png").unlink()


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.py",
        "..\\..\\evil.py",
        "/etc/evil",
        "a/../../b.png",
        "x" * 400 + ".png",
        "nul\x00.png",
        HOSTILE + ".png",
        ".htaccess",
        "..",
        "\u202egnp.exe",
    ],
)
def test_an_uploads_name_does_not_say_where_it_goes(stranger, name):
    answer = stranger.upload(png(), name)
    if answer.status_code == 200:
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        (path,) = map(Path, answer.json())
        assert path.resolve().is_relative_to(folder) and len(path.relative_to(folder).parts) == 2
        assert "<" not in path.name and not (set(path.name) & set("\"'\x00/\\"))
    else:
        assert answer.status_code in (400, 413, 422, 500)
    assert not list(ROOT.glob("evil*")) and not Path("/etc/evil").exists()


def test_what_is_uploaded_is_never_run_by_a_browser(stranger):
    page = b"<html><script>alert(document.cookie)</script></html>"
    for name in ("page.html", "page.svg", "page.png", "page.xhtml", "page.js"):
        (path,) = stranger.upload(page, name).json()
        answer = stranger.http.get(f"/gradio_api/file={path}")
        kind, how = answer.headers["content-type"], answer.headers["content-disposition"]
        assert kind.startswith("image/png") or how.startswith("attachment"), (name, kind, how)
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/p.png",
        "http://localhost:{port}/p.png",
        "http://[::1]:{port}/p.png",
        "http://0.0.0.0:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "HTTP://127.0.0.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "https://example.com/picture.png",
        "//127.0.0.1:{port}/p.png",
        "\thttp://127.0.0.1:{port}/",
    ],
)
def test_pictures_are_never_fetched_from_anywhere(app, stranger, trap, secrets, address):
    port, visits = trap
    url, before = address.format(port=port), len(app.strangers)
    number = stranger.run_number()
    for file in ({"path": url, **FILE}, {"path": url, "url": url, **FILE}, {"url": url, "path": "/etc/passwd", **FILE}):
        assert "event: complete" not in stranger.ask("compare", file, *ASKED)
        said = stranger.press(number, *stranger.run_values(file, QUESTION, tokens=4, repeats=1), queued=True)
        assert "Done:" not in said and not any(word in said for word in secrets)
    answer = stranger.http.get(f"/gradio_api/file={quote(url, safe=':/[]')}")
    assert answer.status_code in (400, 403, 404), answer.text
    assert stranger.http.get(f"/gradio_api/proxy={quote(url)}").status_code == 404
    assert visits == [] and len(app.strangers) == before


def test_a_picture_of_ones_own_with_a_lying_address_is_not_fetched_either(stranger, trap):
    port, visits = trap
    lying = stranger.picture(png()) | {"url": f"http://127.0.0.1:{port}/p.png"}
    assert "event: complete" in stranger.ask("compare", lying, *ASKED)
    assert visits == []


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that unpacks to width x height grey pixels."""
    rows = zlib.compressobj(9)
    packed = b"".join([rows.compress(bytes(width + 1)) for _ in range(height)] + [rows.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 200 MB."""
    comment = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    whole = png()
    return whole[:33] + chunk(b"zTXt", comment) + whole[33:]


def exif_loop() -> bytes:
    """A PNG of 6 MB whose camera data makes its reader begin again a million times."""
    whole = png()
    return whole[:33] + chunk(b"eXIf", b"Exif\0\0" * 1_000_000) + whole[33:]


def exif_crumbs() -> bytes:
    """A JPEG of 9 MB with its camera data in 900,000 pieces, of which each is added to a copy of those before."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    whole = file.getvalue()
    return whole[:2] + b"\xff\xe1\x00\x0cExif\0\0abcd" * 900_000 + whole[2:]


def tags_that_share() -> bytes:
    """A TIFF of 3 MB whose 2,000 tags are all of it."""
    size, tags = 3_000_000, 2_000
    start = 14 + 12 * (tags + 8)
    entries = [
        (256, 4, 1, 8),
        (257, 4, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, start),
        (278, 4, 1, 8),
        (279, 4, 1, 64),
        *((40_000 + tag, 7, size, start + 64) for tag in range(tags)),
    ]
    return (
        b"II*\0"
        + struct.pack("<IH", 8, len(entries))
        + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        + struct.pack("<I", 0)
        + bytes(64)
        + bytes(size)
    )


@pytest.mark.parametrize("content", [exif_loop, exif_crumbs, tags_that_share])
def test_a_picture_that_keeps_its_decoder_busy_harms_nobody(stranger, monkeypatch, content):
    """Opened in the app itself, each of them would stop it for minutes, or take all memory."""
    monkeypatch.setitem(sandbox._CPU_SECONDS, "picture", 2)
    path, before = stranger.picture(content()), psutil.Process().memory_info().rss
    begun = time.process_time()
    answer = stranger.ask("compare", path, *ASKED)
    assert "event: error" in answer and re.search("too long, or too much memory|not a picture|damaged", answer), answer
    assert time.process_time() - begun < 5 and psutil.Process().memory_info().rss - before < 300e6


def test_a_video_whose_frames_grow_harms_nobody(stranger):
    """It says 64 x 48, and has frames of 100 megapixels on the way."""
    path, before = stranger.picture(growing(10_000)), psutil.Process().memory_info().rss
    answer = stranger.ask("compare", path, *ASKED[: -len(ALONE)], *VIDEO_ALONE)
    assert "event: error" in answer and re.search("10000 x 10000|damaged|too long, or too much", answer), answer
    assert psutil.Process().memory_info().rss - before < 300e6


@pytest.mark.parametrize(
    "content, words",
    [
        (lambda: bomb(10_000, 9_000), "megapixels"),
        (lambda: bomb(40_000, 20), "too narrow"),
        (text_bomb, "not a picture|damaged"),
        (lambda: png()[:50], "damaged|not a picture"),
        (lambda: b"GIF89a" + b"<script>alert(1)</script>" * 9, "damaged|not a picture|megapixels|narrow"),
        (lambda: b"%PDF-1.4\n" + png(), "not a picture"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "not a picture"),
        (lambda: b"", "not a picture|no picture|no file|Error"),
        (lambda: png() + b"PK\x03\x04" + b"<?php system($_GET[0]); ?>", None),
    ],
    ids=["megapixels", "ribbon", "comment", "truncated", "gif-html", "pdf", "svg", "empty", "polyglot"],
)
def test_bad_pictures_get_a_sentence_and_harmless_ones_an_answer(stranger, secrets, content, words):
    answer = stranger.ask("compare", stranger.picture(content()), *ASKED)
    assert not any(word in answer for word in secrets)
    if words is not None:
        assert "event: error" in answer and re.search(words, answer), answer
    else:
        assert "event: complete" in answer or "damaged" in answer, answer


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


def test_what_is_not_announced_is_counted_all_the_same(stranger):
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
def test_what_the_app_has_no_use_for_is_closed(stranger, path):
    assert stranger.http.get(path).status_code == 404


def test_components_methods_cannot_be_called(stranger):
    for name in ("postprocess", "__init__", "get_config", "ls"):
        body = {"data": "x", "component_id": 12, "fn_name": name, "session_hash": "s"}
        assert stranger.http.post("/gradio_api/component_server", json=body).status_code == 404


def test_the_pages_own_functions_bear_any_values(app, stranger, secrets):
    """They are private, but anybody can press them by number: no trace of the inside comes back, and nothing breaks."""
    values = [None, -1, 10**12, 1.5, "x" * 5_000, HOSTILE, [], {}, {"path": "/etc/passwd", **FILE}, [[["x"]]], True]
    for one in (one for one in stranger.dependencies() if one["backend_fn"]):
        for value in values:
            said = stranger.press(one["id"], *[value] * len(one["inputs"]), queued=one["queue"])
            assert not any(word in said for word in secrets), (one["api_name"], value, said[:800])
            assert "<script>alert" not in said.replace(json.dumps(HOSTILE)[1:-1], "") or "\\u003c" in said
    assert still_answers(stranger)


def test_a_model_that_cannot_be_loaded_says_nothing_of_the_disk(app, stranger, secrets, monkeypatch):
    def fails(*_, **__):
        raise ModelLoadError(
            f"The folder {ROOT}/assets/models holds no model: see https://example.com/a/b. (C:\\x\\y, '/etc/z')"
        )

    monkeypatch.setattr(model_pool, "load", fails)
    monkeypatch.setattr(model_pool.ModelPool, "_must_go", lambda *_: ())
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


def test_health_says_what_a_watchman_needs(stranger):
    health = stranger.http.get("/healthz")
    assert health.status_code == 200 and health.headers["cache-control"] == "no-store"
    assert health.json() == {
        "status": "ok",
        "model": "standin",
        "device": "cpu",
        "dtype": "float32",
        "loaded": ["standin"],
        "queue": {"waiting": 0, "limit": 20, "busy": False},
    }
    assert stranger.http.post("/healthz").status_code == 405


def test_pages_of_other_sites_cannot_use_a_visitors_browser(stranger):
    answer = stranger.http.get("/config", headers={"origin": "https://evil.example"})
    assert answer.headers.get("access-control-allow-origin") in (None, "")


def test_another_visitors_file_has_a_name_nobody_can_guess(app, stranger):
    """Whoever knows the whole address of a file can fetch it, until it is swept: Gradio has no owners of files."""
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
