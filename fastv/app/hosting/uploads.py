"""Files that visitors send."""

from __future__ import annotations

from typing import Any

from gradio_client.utils import is_file_obj_with_meta

from fastv.errors import InvalidInputError


def upload_path(upload: Any, kind: str = "image") -> str:
    """The path of a file that Gradio has received and checked.

    Raises
    ------
    InvalidInputError
        For anything else a client may have sent.
    """
    if not isinstance(upload, dict) or not isinstance(upload.get("meta"), dict) or not is_file_obj_with_meta(upload):
        raise InvalidInputError(f"There is no {kind}: please choose one.")
    return str(upload["path"])
