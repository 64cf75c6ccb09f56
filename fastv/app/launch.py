"""Starts the app from its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from fastv.app.hosting import garbage
from fastv.app.hosting.settings import Settings
from fastv.app.page import build, serve
from fastv.app.platforms import spaces
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.families.catalogue import DEFAULT
from fastv.loading.load import load


class NotServed(Exception):
    """The app cannot start; the message is one sentence."""


@dataclass(frozen=True)
class App:
    """A served app: its Gradio page and the address it is open at."""

    page: gr.Blocks
    address: str


def start(settings: Settings, environment: Mapping[str, str] = os.environ) -> App:
    """Loads the model and serves the page in the background. Raises NotServed."""
    platform = spaces.Platform.of(environment)
    settings = platform.adjusted(settings)
    garbage.exempt_what_is_there()  # not the models, which may have to go
    try:
        pool = ModelPool(
            load(settings.model or DEFAULT, settings.dtype),
            settings.dtype,
            unavailable=platform.unavailable(settings),
        )
        platform.prepare(pool)
        policy = RunPolicy(settings, platform.execute)
    except FastVError as error:
        raise NotServed(str(error)) from error
    page = build(pool, policy)
    try:
        return App(page.blocks, serve(page, host=settings.host, port=settings.port, share=settings.share))
    except OSError as error:
        raise NotServed(
            f"The page cannot be served at that address: choose another --host or --port. ({error})"
        ) from error
