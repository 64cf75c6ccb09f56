"""An attacker of the running app, and what must stay hidden."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.attacks import ROOT
from tests.support.http_client import Stranger


@pytest.fixture
def stranger(app):
    return Stranger(app.address)


@pytest.fixture(scope="module")
def secrets(app):
    """Words that no answer may hold: where the project lies, who runs it, where its model is, what it is told."""
    os.environ["FASTV_TEST_SECRET"] = "a-secret-of-the-environment"
    yield [
        str(ROOT),
        str(Path.home()) + "/",
        str(Path(app.model.entry.source).parent),
        "site-packages",
        "Traceback",
        "a-secret-of-the-environment",
        "root:x:",
    ]
    del os.environ["FASTV_TEST_SECRET"]
