"""Files that are made to break or to stall their decoder get a sentence, and the app stays up."""

from __future__ import annotations

import io
import re
import struct
import time
import zlib

import psutil
import pytest
from PIL import Image

from fastv.app.hosting import sandbox
from tests.support.attacks import ASKED, png, still_answers
from tests.support.http_client import ALONE, VIDEO_ALONE
from tests.support.video_files import growing

pytestmark = pytest.mark.slow


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
def test_a_picture_that_stalls_its_decoder_ends_only_its_own_request(stranger, monkeypatch, content):
    """Opened in the app itself, each of them would stop it for minutes, or take all memory."""
    monkeypatch.setitem(sandbox._CPU_SECONDS, "picture", 2)
    path, before = stranger.picture(content()), psutil.Process().memory_info().rss
    begun = time.process_time()
    answer = stranger.ask("compare", path, *ASKED)
    assert "event: error" in answer and re.search("too long, or too much memory|not an image|damaged", answer), answer
    assert time.process_time() - begun < 5 and psutil.Process().memory_info().rss - before < 300e6


def test_a_video_whose_frames_grow_is_refused(stranger):
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
        (text_bomb, None),
        (lambda: png()[:50], "damaged|not an image"),
        (lambda: b"GIF89a" + b"<script>alert(1)</script>" * 9, "damaged|not an image|megapixels|narrow"),
        (lambda: b"%PDF-1.4\n" + png(), "not an image"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "not an image"),
        (lambda: b"", "not an image|no image|no file|Error"),
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


def test_after_all_that_the_app_answers_and_never_left_the_machine(app, stranger):
    assert still_answers(stranger) and app.strangers == []
