"""What an attacker sends, and how to see that the app is still up."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from tests.support.http_client import ALONE, Stranger

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "how many red ?"
ASKED = (QUESTION, 2, 0.5, None, "fastv", 0, 2, 1, 1, *ALONE)  # what "compare" takes after the picture
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>[a](javascript:alert(3))"


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 60), colour).save(file, "PNG")
    return file.getvalue()


def still_answers(stranger: Stranger) -> bool:
    answer = stranger.ask("compare", stranger.picture(png()), *ASKED)
    return "event: complete" in answer and '"baseline"' in answer
