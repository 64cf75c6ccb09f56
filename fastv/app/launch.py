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


@dataclass(frozen=True)
class App:
    """A served app: its Gradio page and the address it is open at."""

    page: gr.Blocks
    address: str


def start(settings: Settings, environment: Mapping[str, str] = os.environ) -> App:
    """Loads the model and serves the page in the background.

    Raises
    ------
    FastVError
        The model, the log or the address cannot be used.
    """
    platform = spaces.Platform.of(environment)
    settings = platform.adjusted(settings)
    policy = RunPolicy(settings, platform.execute)  # before the model: a log that cannot be written is told at once
    garbage.exempt_what_is_there()  # not the models, which may have to go
    first = load(settings.model or DEFAULT, settings.dtype)
    pool = ModelPool(first, settings.dtype, unavailable=platform.unavailable(settings))
    platform.prepare(pool)
    page = build(pool, policy)
    try:
        return App(page.blocks, serve(page, host=settings.host, port=settings.port, share=settings.share))
    except OSError as error:
        raise FastVError(
            f"The page cannot be served at that address: choose another --host or --port. ({error})"
        ) from error
