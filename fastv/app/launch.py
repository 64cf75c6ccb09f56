"""Starts the app from its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from fastv.app.hosting import garbage
from fastv.app.hosting.settings import Settings
from fastv.app.page import build, serve
from fastv.app.platforms import spaces
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.families.catalogue import DEFAULT, ModelEntry, find, known_shape
from fastv.loading.machine_memory import has_gpu_device

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel


@dataclass(frozen=True)
class App:
    """A served app: its Gradio page and the address it is open at."""

    page: gr.Blocks
    address: str


def start(settings: Settings, environment: Mapping[str, str] = os.environ) -> App:
    """Serves the page in the background, and loads the model: before, or right after where nothing can go wrong.

    A model that comes with the project is loaded on a CPU while the page is open already. All others are loaded first,
    so that a refusal or a long download is told where the app was started.

    Raises
    ------
    FastVError
        The model, the log or the address cannot be used.
    """
    platform = spaces.Platform.of(environment)
    settings = platform.adjusted(settings)
    policy = RunPolicy(settings, platform.execute)  # before the model: a log that cannot be written is told at once
    entry = find(settings.model or DEFAULT)
    loads_later = platform.zero is None and settings.dtype == "auto" and _comes_with_the_project(entry)
    first = entry if loads_later else _load(settings)
    pool = ModelPool(first, settings.dtype, unavailable=platform.unavailable(settings))
    platform.prepare(pool)
    page = build(pool, policy)
    try:
        app = App(page.blocks, serve(page, host=settings.host, port=settings.port, share=settings.share))
    except OSError as error:
        raise FastVError(
            f"The page cannot be served at that address: choose another --host or --port. ({error})"
        ) from error
    if loads_later:
        pool.load_default_in_background()
    return app


def _comes_with_the_project(entry: ModelEntry) -> bool:
    """Whether the files are here, and the CPU is the only place to load them to."""
    return entry.embedded and known_shape(entry) is not None and not has_gpu_device()


def _load(settings: Settings) -> LoadedModel:
    from fastv.loading.load import load  # imports torch

    garbage.exempt_what_is_there()  # not the model, which may have to go
    return load(settings.model or DEFAULT, settings.dtype)
