"""Checks every HTTP request before Gradio sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from fastv.app.hosting.rate_limit import SlidingWindow, client_address

_MOST_JSON_BYTES = 1_000_000
_ROUND_A_FILE = 64_000  # bytes of multipart headers
_EVENTS = ("/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/run/", "/gradio_api/api/")
_NAMED = re.compile(r"/gradio_api/(?:call/v2|call|run|api)/([^/]*)")
_UPLOAD = "/gradio_api/upload"
# Parts of Gradio that the app does not use: fetching other sites, snapshots of the page on the server's disk, figures
# about other visitors, calls of components' methods, and editing the app from outside.
_CLOSED = (
    "/monitoring",
    "/gradio_api/deep_link",
    "/gradio_api/proxy=",
    "/gradio_api/component_server",
    "/gradio_api/process_recording",
    "/gradio_api/profiling",
    "/gradio_api/runs",
    "/gradio_api/run-history",
    "/gradio_api/vibe",
    "/gradio_api/undo-vibe",
    "/gradio_api/dev/",
    "/gradio_api/stream/",
)
_FILES = ("/gradio_api/file=", "/gradio_api/file/")
_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


class _TooLarge(Exception):
    """A body of more than ``limit`` bytes."""

    def __init__(self, limit: int):
        super().__init__(limit)
        self.limit = limit


class HttpGuard:
    """ASGI middleware that refuses what the app has no use for.

    Parameters
    ----------
    picture_bytes
        The largest file that may be uploaded.
    uploads_per_minute
        Per address; 0 is no limit.
    proxies
        See ``client_address``.
    names
        The endpoints for scripts; Gradio alone would also answer to the names of the page's own functions.
    """

    def __init__(self, app: Any, *, picture_bytes: int, uploads_per_minute: int, proxies: int, names: Collection[str]):
        self.app, self.proxies, self.names = app, proxies, {"predict", *names}
        self.upload_bytes = picture_bytes + _ROUND_A_FILE
        self.uploads = SlidingWindow(uploads_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal, receive = await self._refusal(scope, receive)
            await (refusal or self.app)(scope, receive, answer)
        except _TooLarge as error:
            if begun:
                raise
            await _refused(413, f"Request too large: at most {error.limit:,} bytes.")(scope, receive, answer)

    async def _refusal(self, scope: Scope, receive: Receive) -> tuple[JSONResponse | None, Receive]:
        path, headers = scope["path"], Headers(scope=scope)
        if path.startswith(_CLOSED) or path.startswith(_FILES) and "://" in path[: len(_FILES[0]) + 20]:
            return _refused(404, "There is no such page."), receive
        named = _NAMED.match(path)
        if named and named[1] not in self.names:
            return _refused(404, "There is no such endpoint."), receive
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return None, receive
        upload = path.startswith(_UPLOAD)
        receive = _at_most(self.upload_bytes if upload else _MOST_JSON_BYTES, headers, receive)
        if upload:
            peer = scope["client"][0] if scope.get("client") else None
            if wait := self.uploads.take(client_address(peer, headers, self.proxies)):
                words = f"Too many uploads in a minute: please try again in {max(1, round(wait))} s."
                return _refused(429, words), receive
        if path.startswith(_EVENTS):
            body = await _all(receive)
            try:
                sent = json.loads(body or b"null")
            except (ValueError, RecursionError):
                return _refused(400, "The body is not valid JSON."), receive
            if _names_another_site(sent):
                return _invalid("Files are not fetched from other sites: please upload the file itself."), receive
            receive = _again(body, receive)
        return None, receive


def _refused(status: int, words: str) -> JSONResponse:
    return JSONResponse({"detail": words}, status)


def _invalid(words: str) -> JSONResponse:
    """In the form whose message Gradio's clients show."""
    said = {"__type__": "validate", "is_valid": False, "message": words, "parameter_name": "request"}
    return JSONResponse({"detail": [said]}, 422)


def _at_most(most: int, headers: Headers, receive: Receive) -> Receive:
    """``receive`` that raises _TooLarge for a body over ``most`` bytes, announced or not."""
    announced, seen = headers.get("content-length", "0"), 0

    async def counted() -> Message:
        nonlocal seen
        if not announced.isdecimal() or int(announced) > most:
            raise _TooLarge(most)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _TooLarge(most)
        return message

    return counted


async def _all(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Replays a body that was already read, then forwards later messages such as a disconnect."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _names_another_site(sent: Any) -> bool:
    """Whether a file in what was sent is an address, which Gradio would fetch."""
    todo = [sent]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            path = part.get("path")
            if "meta" in part and isinstance(path, str) and "://" in path[:20]:
                return True
            todo.extend(part.values())
        elif isinstance(part, list):
            todo.extend(part)
    return False
