"""The endpoint ``/compare``: a measured comparison for scripts."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from fastv.app.api.endpoint import as_endpoint
from fastv.app.hosting.event_options import ONE_AT_A_TIME
from fastv.app.hosting.uploads import upload_path
from fastv.app.service.json_result import run_as_json
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides, Request
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import InvalidBudgetError
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS


def add(pool: ModelPool, policy: RunPolicy) -> None:
    """Adds ``/compare`` to the Blocks that are open."""

    def compare(
        image: FileData,
        question: str,
        k: int | None = 2,
        r: float = 0.5,
        model: str | None = None,
        method: str = "fastv",
        seed: int = 0,
        max_new_tokens: int = 64,
        repeats: int = 3,
        warmup: int = 1,
        baseline_model: str | None = None,
        baseline_k: int | None = None,
        baseline_r: float = 0.5,
        video: bool = False,
        options: dict[str, Any] | None = None,
        baseline_options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Answers a question about an image with and without pruning: {"baseline": {...}, "fastv": {...}, ...}.

        Seconds, bytes and FLOPs are in base units. k is the decoder layer on entering which visual tokens are dropped,
        r the fraction dropped; k=None runs without pruning. method is one of METHODS, or what rank called it. model is
        one of those on the page, by default the one the app was started with. repeats counts the timed passes of each
        side, warmup those before. The baseline is the same model without pruning, or baseline_model, pruned where
        baseline_k is given. video=True reads image as a video, for a model that reads videos; kept is then one grid
        per frame. options, of both sides their own: {"per": "prompt" or "image", "positions": "keep" or "close",
        "proportional": false or true}, those at their defaults left out.
        """
        path = upload_path(image)
        sides = ChosenSides(
            ChosenSide(model, _pruning(method, k, r, seed, options)),
            ChosenSide(
                model if baseline_model is None else baseline_model,
                _pruning(method, baseline_k, baseline_r, seed, baseline_options),
            ),
        )
        request = Request(path, question, sides, max_new_tokens, repeats, warmup, video)
        return run_as_json(request, pool, policy)

    compare.__doc__ = (compare.__doc__ or "").replace("METHODS", ", ".join(METHODS))
    gr.api(as_endpoint(compare), api_name="compare", **ONE_AT_A_TIME)


def _pruning(method: str, k: int | None, r: float, seed: int, options: Any) -> PruningConfig | None:
    if k is None:
        return None
    if options is not None and not isinstance(options, dict):
        raise InvalidBudgetError('Options must be a JSON object, such as {"per": "image"}.')
    return PruningConfig(method, k, r, seed).with_options(options or {})
