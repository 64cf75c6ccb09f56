"""The app served for real, from within a test: a model that always has something to say, and files to send it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fastv.app.page import build, serve
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.run_policy import RunPolicy
from fastv.loading.load import LoadedModel, load
from tests.support.ports import free_port
from tests.support.standins import save_llava_checkpoint


@dataclass(frozen=True)
class Served:
    """strangers: every address outside this machine that the process turned to while it was served."""

    address: str
    model: LoadedModel
    strangers: list
    policy: RunPolicy


@contextmanager
def served(folder: Path, policy: RunPolicy | None = None) -> Iterator[Served]:
    """Serves the page with a stand-in that it saves in ``folder``, whose answers run to their longest."""
    save_llava_checkpoint(folder / "standin", seed=3)
    model = load(str(folder / "standin"))
    model.model.generation_config.update(eos_token_id=None, suppress_tokens=model.processor.tokenizer.all_special_ids)
    with serving(ModelPool(model), policy=policy) as app:
        yield app


@contextmanager
def serving(pool: ModelPool, port: int | None = None, policy: RunPolicy | None = None) -> Iterator[Served]:
    """Serves the page for a pool; port: a free one if None."""
    strangers, connect = [], socket.socket.connect

    def watched(self, address):
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            strangers.append(address)
        return connect(self, address)

    socket.socket.connect = watched
    page = build(pool, policy)
    try:
        yield Served(serve(page, host="127.0.0.1", port=port or free_port()), pool.load(None), strangers, page.policy)
    finally:
        page.blocks.close(verbose=False)
        socket.socket.connect = connect


@contextmanager
def serving_unloaded(pool: ModelPool) -> Iterator[str]:
    """Serves the page for a pool whose models stay on the disk; yields its address."""
    page = build(pool)
    try:
        yield serve(page, host="127.0.0.1", port=free_port())
    finally:
        page.blocks.close(verbose=False)


def files_to_send(folder: Path) -> dict[str, str]:
    """A picture, one of 200 megapixels, and a text under a picture's name."""
    Image.new("RGB", (80, 60), "red").save(folder / "red.png")
    Image.new("1", (14_143, 14_143)).save(folder / "huge.png")
    (folder / "words.png").write_text("this is no picture")
    return {path.stem: str(path) for path in folder.iterdir()}
