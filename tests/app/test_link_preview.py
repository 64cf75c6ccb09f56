"""What other sites show of a link is the app's own, says what the link is about, and cannot be used to inject HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from io import BytesIO

import httpx
import pytest
from PIL import Image

from fastv.app.link_preview import description_of
from fastv.app.page import TITLE


class Meta(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        name = values.get("property") or values.get("name") or ""
        if tag == "meta" and name.startswith(("og:", "twitter:")):
            self.tags.append((name, values.get("content") or ""))


def preview(app, **query) -> dict[str, str]:
    answer = httpx.get(app.address, params=query)
    tags = Meta(answer.text).tags
    assert answer.status_code == 200 and len(dict(tags)) == len(tags)  # none twice: sites take the first or the last
    return dict(tags)


def test_title_and_picture_are_the_apps_own(app):
    found = preview(app)
    assert found["og:title"] == found["twitter:title"] == TITLE
    assert found["og:image"].startswith(app.address) and found["og:url"].startswith(app.address)
    picture = httpx.get(found["og:image"])
    assert picture.status_code == 200 and Image.open(BytesIO(picture.content)).width >= 600


def test_the_description_says_what_a_link_is_about(app):
    found = preview(app, k="3", r="53.7", question="Where is\n the sign?")
    assert "K=3, R=53.7%" in found["og:description"] and "“Where is the sign?”" in found["og:description"]
    assert found["og:description"] != preview(app)["og:description"]


@pytest.mark.parametrize(
    "question", ['"><script>alert(1)</script>', "</head><img src=x onerror=alert(1)>", "x" * 5_000]
)
def test_nothing_in_a_link_becomes_markup(app, question):
    html = httpx.get(app.address, params={"question": question}).text
    assert "<script>alert" not in html and "<img src=x" not in html
    assert len(Meta(html).tags) == len(preview(app))
    assert len(description_of({"question": question})) < 500


def test_only_the_page_itself_is_changed(app):
    assert httpx.get(f"{app.address}healthz").json()["status"] == "ok"
    assert "og:title" not in httpx.get(f"{app.address}config").text
