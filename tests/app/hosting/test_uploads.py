"""Only files that Gradio has received are opened."""

from __future__ import annotations

import pytest

from fastv.app.hosting.uploads import upload_path
from fastv.errors import InvalidInputError


@pytest.mark.parametrize(
    "upload",
    [
        None,
        "/etc/passwd",
        {"path": "/etc/passwd"},
        {"path": "/etc/passwd", "meta": {}},
        {"path": 7, "meta": {}},
        {"path": "/etc/passwd", "meta": {"_type": "other"}},
        ["/etc/passwd"],
        {"path": "/etc/passwd", "meta": None},
        {"path": "x", "meta": "gradio.FileData"},
    ],
)
def test_only_what_gradio_received_is_a_picture(upload):
    with pytest.raises(InvalidInputError, match="no image"):
        upload_path(upload)
