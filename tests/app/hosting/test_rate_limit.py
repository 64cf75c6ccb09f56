"""Fair use: counted per visitor and per address, said in words, and no more believed than can be known."""

from __future__ import annotations

import io
import time

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import ValidationError
from PIL import Image

from fastv.app.hosting import rate_limit
from fastv.app.hosting.rate_limit import RateLimiter, RateLimitError, SlidingWindow, Visitor, client_address
from fastv.app.hosting.settings import Settings
from fastv.app.service.run_policy import RunPolicy
from tests.support.http_client import ALONE, VIDEO_ALONE, Stranger
from tests.support.serving import served
from tests.support.video_files import video

pytestmark = pytest.mark.slow

QUICK = ("how many red ?", 2, 0.5, None, "fastv", 0, 1, 1, 1, *ALONE)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    moment = [1_000.0]
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: moment[0])
    return moment


def test_a_window_slides(clock):
    window = SlidingWindow(2)
    assert window.take("a") == 0
    clock[0] += 40
    assert window.take("a") == 0 and window.take("a") == 20 and window.take("b") == 0
    clock[0] += 20  # the first of the two is a minute old
    assert window.take("a") == 0 and window.take("a") == 40


def test_no_limit_counts_nothing(clock):
    window = SlidingWindow(0)
    assert all(window.take("a") == 0 for _ in range(1_000)) and not window._times


def test_keys_without_recent_entries_are_dropped(clock, monkeypatch):
    monkeypatch.setattr(rate_limit, "_FULL", 100)
    window = SlidingWindow(3)
    for number in range(100):
        window.take(str(number))
    clock[0] += 61
    window.take("new")
    assert list(window._times) == ["new"]


def test_a_session_and_its_address_are_both_counted(clock):
    fair = RateLimiter(of_session=2, of_address=3)
    fair.admit(Visitor("one", "1.1.1.1"))
    fair.admit(Visitor("one", "1.1.1.1"))
    with pytest.raises(RateLimitError, match="2 runs a minute .*again in 60 s"):
        fair.admit(Visitor("one", "1.1.1.1"))
    fair.admit(Visitor("two", "1.1.1.1"))  # what was refused was not counted
    with pytest.raises(RateLimitError, match="3 runs a minute"):
        fair.admit(Visitor("three", "1.1.1.1"))
    fair.admit(Visitor("three", "2.2.2.2"))
    clock[0] += 61
    fair.admit(Visitor("one", "1.1.1.1"))


def test_pseudonyms_in_the_log_identify_no_visitor():
    one, other = RateLimiter(0, 0), RateLimiter(0, 0)
    visitor = Visitor("session", "192.0.2.7")
    assert one.pseudonym(visitor) == one.pseudonym(visitor) != one.pseudonym(Visitor("session", "192.0.2.8"))
    assert one.pseudonym(visitor) != other.pseudonym(visitor) and len(one.pseudonym(visitor)) == 12


@pytest.mark.parametrize(
    "header, proxies, address",
    [
        (None, 0, "10.0.0.1"),
        ("6.6.6.6", 0, "10.0.0.1"),
        (None, 1, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
        ("9.9.9.9", 1, "9.9.9.9"),
        ("6.6.6.6, 9.9.9.9", 1, "9.9.9.9"),
        ("6.6.6.6, 9.9.9.9, 10.0.0.2", 2, "9.9.9.9"),
        ("9.9.9.9", 2, "10.0.0.1"),
        (" , 9.9.9.9 ,", 1, "9.9.9.9"),
    ],
)
def test_only_what_a_trusted_proxy_added_is_believed(header, proxies, address):
    headers = {} if header is None else {"x-forwarded-for": header}
    assert client_address("10.0.0.1", headers, proxies) == address


@pytest.fixture(scope="module")
def tight(tmp_path_factory):
    settings = Settings(
        log="none",
        queue=2,
        waiting_per_visitor=1,
        runs_per_minute=2,
        runs_per_minute_of_address=50,
        uploads_per_minute=40,
        picture_pixels=10_000,
        picture_bytes=50_000,
        question_characters=40,
        answer_tokens=8,
    )
    with served(tmp_path_factory.mktemp("models"), RunPolicy(settings)) as app:
        yield app


def red(side: int = 60) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "PNG")
    return file.getvalue()


def test_too_many_runs_are_refused_in_words_and_lying_about_ones_address_does_not_help(tight):
    visitor = Stranger(tight.address)
    picture = visitor.picture(red())

    def ask(number: int) -> str:
        body = {"data": [picture, *QUICK], "session_hash": "always-the-same", "fn_index": compare}
        visitor.http.post("/gradio_api/queue/join", json=body, headers={"x-forwarded-for": f"10.1.1.{number}"})
        return visitor.http.get("/gradio_api/queue/data", params={"session_hash": "always-the-same"}).text

    compare = next(one["id"] for one in visitor.dependencies() if one["api_name"] == "compare")
    answers = [ask(number) for number in range(3)]
    assert ["runs a minute" in answer for answer in answers] == [False, False, True]
    assert '"baseline"' in answers[1] and "again in" in answers[2]


@pytest.mark.parametrize(
    "side, question, tokens, words",
    [
        (101, "how many red ?", 1, "0.0102 megapixels: please make it smaller than 0.01"),
        (60, "how many red in the picture of many red things ?", 1, "48 characters: please keep it to 40"),
        (60, "how many red ?", 9, "max_new_tokens is at most 8 here"),
    ],
)
def test_the_operators_limits_are_kept(tight, side, question, tokens, words):
    visitor = Stranger(tight.address)
    said = visitor.ask("compare", visitor.picture(red(side)), question, 2, 0.5, None, "fastv", 0, tokens, 1, 1, *ALONE)
    assert "event: error" in said and words in said


@pytest.mark.parametrize("size, words", [((128, 96), "frames of 128 x 96 pixels"), ((64, 48), "reads images only")])
def test_a_video_is_within_the_same_limits(tight, size, words):
    visitor = Stranger(tight.address)
    clip = visitor.picture(video(3, size=size))
    said = visitor.ask("compare", clip, "how many ?", 2, 0.5, None, "fastv", 0, 1, 1, 1, *VIDEO_ALONE)
    assert "event: error" in said and words in said


def test_the_queue_is_limited_as_a_whole_and_per_visitor(tight):
    visitors = [Stranger(tight.address, session=f"visitor {number}") for number in range(4)]
    compare = next(one["id"] for one in visitors[0].dependencies() if one["api_name"] == "compare")
    picture = visitors[0].picture(red())

    def join(visitor: Stranger) -> httpx.Response:
        body = {"data": [picture, *QUICK], "session_hash": visitor.session, "fn_index": compare}
        return visitor.http.post("/gradio_api/queue/join", json=body)

    with tight.model.lock:
        assert join(visitors[0]).status_code == 200
        end = time.monotonic() + 10
        while not visitors[0].http.get("/healthz").json()["queue"]["busy"] and time.monotonic() < end:
            time.sleep(0.05)
        assert join(visitors[0]).status_code == 200  # one runs, one waits
        again = join(visitors[0])
        assert again.status_code == 422 and "1 runs waiting" in again.text
        assert join(visitors[1]).status_code == 200
        full = join(visitors[2])
        assert full.status_code == 503 and "busy: 2 runs" in full.text
        assert visitors[0].http.get("/healthz").json()["queue"] == {"waiting": 2, "limit": 2, "busy": True}
    for visitor in visitors[:2]:
        said = visitor.http.get("/gradio_api/queue/data", params={"session_hash": visitor.session}).text
        assert '"method"' in said and "process_completed" in said


def test_a_link_as_a_picture_is_refused_in_words_by_gradios_own_client(tight):
    link = {"path": "https://example.com/picture.png", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(ValidationError, match="not fetched from other sites"):
        Client(tight.address, verbose=False).predict(link, "how many red ?", api_name="/compare")


def test_too_many_files_are_refused(tight):
    visitor = Stranger(tight.address)
    codes = [visitor.upload(b"x").status_code for _ in range(41)]
    assert codes[-1] == 429 and codes[0] == 200
