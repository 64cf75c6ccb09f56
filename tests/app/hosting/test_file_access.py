"""Files of the server are out of reach, and nothing is fetched from other sites."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.attacks import ASKED, HOSTILE, QUESTION, ROOT, png, still_answers
from tests.support.http_client import FILE


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
        said = answer.text.replace(path, "")  # what was asked for may be repeated
        assert answer.status_code in (307, 400, 403, 404, 405) and not any(word in said for word in secrets), address


def test_no_path_leads_out_of_the_upload_folder(app, stranger, secrets):
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
def test_the_name_of_an_upload_does_not_decide_its_path(stranger, name):
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


def test_an_upload_with_a_false_url_is_not_fetched(stranger, trap):
    port, visits = trap
    lying = stranger.picture(png()) | {"url": f"http://127.0.0.1:{port}/p.png"}
    assert "event: complete" in stranger.ask("compare", lying, *ASKED)
    assert visits == []


def test_after_all_that_the_app_answers_and_never_left_the_machine(app, stranger):
    assert still_answers(stranger) and app.strangers == []
