"""Functions as endpoints for scripts: problems come back as one sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from fastv.app.hosting.internal_error import INTERNAL_ERROR
from fastv.errors import FastVError

logger = logging.getLogger(__name__)


def as_endpoint(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The function with its signature, from which Gradio reads names, types and defaults; raises ``gr.Error`` only."""

    @wraps(function)
    def endpoint(*values: Any) -> dict[str, Any]:
        try:
            return function(*values)
        except FastVError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            logger.exception("the endpoint %s failed", function.__name__)
            raise gr.Error(INTERNAL_ERROR, print_exception=False) from error

    return endpoint
