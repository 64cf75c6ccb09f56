"""The operator's limits, which hold for every run: from the page and from scripts alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from PIL import Image

from fastv.app.hosting.gradio_adapter import current_request
from fastv.app.hosting.rate_limit import RateLimiter, Visitor, client_address
from fastv.app.hosting.sandbox import open_image_sandboxed, open_video_sandboxed
from fastv.app.hosting.settings import Settings
from fastv.app.service.request import Request
from fastv.app.service.run_log import RunLog
from fastv.errors import InvalidInputError
from fastv.inputs.image import check_question
from fastv.inputs.video import MAX_FRAME_PIXELS, Clip

# execute(request, pool, *, seconds, unwanted) -> the steps of the comparison of a checked request.
Executor = Callable[..., Iterator[Any]]
# For local scripts: size limits, but no rate limits.
_LOCAL = Settings(log="none", runs_per_minute=0, runs_per_minute_of_address=0, uploads_per_minute=0)


class RunPolicy:
    """The limits of one served app.

    Parameters
    ----------
    settings
        The operator's settings; by default only size limits.
    execute
        Starts comparisons, see ``Executor``; None runs them in this process.
    """

    def __init__(self, settings: Settings = _LOCAL, execute: Executor | None = None):
        self.settings, self.execute = settings, execute
        self.limiter = RateLimiter(settings.runs_per_minute, settings.runs_per_minute_of_address)
        self.log = RunLog(settings.log)

    def visitor(self) -> Visitor:
        """The visitor whose event is being handled; an anonymous one outside of an event."""
        request = current_request()
        peer = getattr(getattr(request, "client", None), "host", None)
        headers = getattr(request, "headers", None) or {}
        address = client_address(peer, headers, self.settings.trust_proxy or 0)
        return Visitor(getattr(request, "session_hash", None), address)

    def admit(self, visitor: Visitor) -> None:
        """Counts a run of this visitor. Raises RateLimitError. Calls from outside an event are not counted."""
        if current_request() is not None:
            self.limiter.admit(visitor)

    def checked(self, request: Request) -> Request:
        """The request with its image or clip opened. Raises InvalidInputError for what exceeds the settings.

        The settings can be tighter than the limits of :func:`fastv.measurement.compare.compare`.
        """
        limits = self.settings
        if isinstance(request.max_new_tokens, int) and request.max_new_tokens > limits.answer_tokens:
            raise InvalidInputError(
                f"max_new_tokens is at most {limits.answer_tokens:,} here, not {request.max_new_tokens:,}."
            )
        check_question(request.question, most_characters=limits.question_characters)
        if not isinstance(request.media, str):
            raise InvalidInputError("There is no image: please choose one.")
        opened = self.open_video(request.media) if request.video else self.open_image(request.media)
        return replace(request, media=opened)

    def open_image(self, path: str) -> Image.Image:
        """The image in a file. Raises InvalidInputError for one that exceeds the settings."""
        limits = self.settings
        return open_image_sandboxed(path, most_pixels=limits.picture_pixels, most_bytes=limits.picture_bytes)

    def open_video(self, path: str) -> Clip:
        """The frames of a video file. Raises InvalidInputError for one that exceeds the settings."""
        limits = self.settings
        return open_video_sandboxed(
            path, most_pixels=min(limits.picture_pixels, MAX_FRAME_PIXELS), most_bytes=limits.picture_bytes
        )
