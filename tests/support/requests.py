"""Requests with the few settings that a test is about."""

from __future__ import annotations

from typing import Any

from fastv.app.service.request import ChosenSide, ChosenSides, Request
from fastv.pruning.config import PruningConfig


def asked(
    picture: Any,
    question: str = "how many red ?",
    *,
    model: str | None = None,
    k: int | None = 2,
    r: float = 0.5,
    method: str = "fastv",
    baseline_model: str | None = None,
    baseline_k: int | None = None,
    baseline_r: float = 0.5,
    **settings: Any,
) -> Request:
    """As the endpoint for scripts makes it of its arguments."""

    def side(model: str | None, k: int | None, r: float) -> ChosenSide:
        return ChosenSide(model, None if k is None else PruningConfig(method, k, r))

    other = model if baseline_model is None else baseline_model
    return Request(picture, question, ChosenSides(side(model, k, r), side(other, baseline_k, baseline_r)), **settings)
