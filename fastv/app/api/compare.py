"""The one endpoint for scripts; everything else the page does is private."""

import logging

import gradio as gr
from gradio.data_classes import FileData

from fastv.app.hosting.event_options import ONE_AT_A_TIME
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import BROKEN, Request, compared, upload_path
from fastv.errors import FastVError

logger = logging.getLogger(__name__)


def add(pool: ModelPool) -> None:
    """Adds ``/compare`` to the Blocks that are open."""

    def compare(
        image: FileData,
        question: str,
        k: int | None = 2,
        r: float = 0.5,
        model: str | None = None,
        rank: str = "last_token",
        seed: int = 0,
        max_new_tokens: int = 64,
        repeats: int = 3,
        warmup: int = 1,
        baseline_model: str | None = None,
        baseline_k: int | None = None,
        baseline_r: float = 0.5,
        video: bool = False,
    ) -> dict:
        """Answers a question about a picture with and without FastV: {"baseline": {...}, "fastv": {...}, ...}.

        Seconds, bytes and FLOPs are in base units. r is a fraction; k=None is without FastV. model is one of those on
        the page, by default the one the app was started with. rank is last_token, mean or random (drawn by seed).
        repeats counts the timed passes of each side, warmup those before. The baseline is the same model without FastV,
        or baseline_model, with FastV where baseline_k is given. video=True reads image as a video, for a model that
        was made for them; kept is then one grid per frame.
        """
        try:
            return compared(
                pool,
                Request(
                    upload_path(image),
                    question,
                    model,
                    k,
                    r,
                    rank,
                    seed,
                    max_new_tokens,
                    repeats,
                    warmup,
                    baseline_model,
                    baseline_k,
                    baseline_r,
                    video,
                ),
            )
        except FastVError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Exception as error:
            logger.exception("a comparison failed")
            raise gr.Error(BROKEN, print_exception=False) from error

    gr.api(compare, api_name="compare", **ONE_AT_A_TIME)
