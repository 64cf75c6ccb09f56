"""The endpoint ``/compare`` as scripts call it over HTTP."""

import pytest

from tests.support.attacks import ASKED, png
from tests.support.http_client import Stranger


@pytest.mark.parametrize("name", ["last_token", "mean", "random"])
def test_calls_of_older_scripts_are_answered(app, name):
    """The order and the number of values stay, and so do the names that a method had as a ranking."""
    stranger = Stranger(app.address)
    values = [name if value == "fastv" else value for value in ASKED]
    assert "event: complete" in stranger.ask("compare", stranger.picture(png()), *values)
