"""What other sites show of a link to the app: its title, a description of what the link is about, and a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL, Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastv.app.shared.deep_link import link_of
from fastv.app.shared.example_scenes import example
from fastv.formatting import budget
from fastv.paths import ASSETS
from fastv.presentation.html import render
from fastv.presentation.result_card import result_card
from fastv.presentation.shared_result import FIELD, LONGEST, SharedResult

PICTURE = ASSETS / "screenshot.png"
PICTURE_PATH = "/preview.png"
DESCRIPTION = (
    "Ask a vision-language model about an image, with and without FastV pruning of its visual tokens, and compare the "
    "answers, FLOPs, memory and time to first token."
)
_LONGEST_QUESTION = 120  # characters
_DRAWING = Lock()  # one card at a time: anyone can ask for many
_TAGS = re.compile(rb"<meta\b[^>]*\b(?:property|name)=\"(?:og|twitter):[^>]*>\s*")


def description_of(query: Mapping[str, str]) -> str:
    """What a link is about, in a sentence or two."""
    link = link_of(query)
    chosen = [budget(link.k, link.r / 100)] if link.k is not None and link.r is not None else []
    if link.question is not None:
        question = " ".join(link.question.split())
        cut = question if len(question) <= _LONGEST_QUESTION else question[: _LONGEST_QUESTION - 1].rstrip() + "…"
        chosen.append(f"“{cut}”")
    return " ".join([f"{': '.join(chosen)}." if chosen else "", DESCRIPTION]).strip()


class LinkPreview:
    """ASGI middleware that replaces Gradio's own preview tags of the page.

    Parameters
    ----------
    title
        The page's title.
    """

    def __init__(self, app: ASGIApp, *, title: str):
        self.app, self.title = app, title

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].rstrip("/"):
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = bytes(body)
            headers = MutableHeaders(scope=start)
            if headers.get("content-type", "").startswith("text/html"):
                page = self._with_tags(page, scope)
                headers["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, collect)

    def _with_tags(self, page: bytes, scope: Scope) -> bytes:
        url = URL(scope=scope)
        if (
            Headers(scope=scope).get("x-forwarded-proto") == "https"
        ):  # only decides how the app's own address is written
            url = url.replace(scheme="https")
        query = QueryParams(scope["query_string"])
        result = SharedResult.parsed(query.get(FIELD))
        carried = urlencode({FIELD: query[FIELD]}) if result else ""
        tags = render(
            "app/link_preview",
            title=result.headline if result else self.title,
            description=description_of(query) if result is None else told(result),
            address=str(url),
            picture=str(url.replace(path=scope.get("root_path", "").rstrip("/") + PICTURE_PATH, query=carried)),
        ).encode()
        return _TAGS.sub(b"", page).replace(b"<head>", b"<head>\n" + tags, 1)


def told(result: SharedResult) -> str:
    """A result in sentences."""
    sides = (result.baseline, result.candidate)
    answers = [f"{', '.join(filter(None, (side.name, side.detail)))}: “{side.answer}”." for side in sides]
    return " ".join([f"“{result.question}”", *answers, f"{result.model}, {result.date}."])


def route() -> Route:
    """``GET /preview.png``: a result that the address carries, drawn; otherwise a picture of the page."""

    async def picture(request: Request) -> Response:
        lasting = {"Cache-Control": "public, max-age=86400"}
        text = request.query_params.get(FIELD)
        drawn = await run_in_threadpool(_card, text) if text else None
        if drawn is None:
            return FileResponse(PICTURE, headers=lasting)
        return Response(drawn, media_type="image/png", headers=lasting)

    return Route(PICTURE_PATH, picture, methods=["GET"])


def _card(text: str) -> bytes | None:
    """The card of a link's field; None where it holds no result."""
    with _DRAWING:
        return _drawn(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=32)
def _drawn(text: str) -> bytes | None:
    result = SharedResult.parsed(text)
    if result is None:
        return None
    return result_card(result, None if result.scene is None else example(result.scene).picture)
