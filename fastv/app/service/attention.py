"""Reads a model's attention for a picture and a question, under the run policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides, Request
from fastv.app.service.run_policy import RunPolicy
from fastv.errors import FastVError
from fastv.worker import never

if TYPE_CHECKING:
    from fastv.loading.load import LoadedModel
    from fastv.measurement.attention_map import AttentionMap

ANSWER_TOKENS = 40


@dataclass(frozen=True)
class AttentionReading:
    """What was read, with the model that was asked."""

    loaded: LoadedModel
    map: AttentionMap


def read_attention(
    picture: str, question: str, model: str, pool: ModelPool, policy: RunPolicy, *, unwanted: Callable[[], bool] = never
) -> AttentionReading:
    """Rows of attention of the question's tokens and of an answer of at most ANSWER_TOKENS, heads of the last prompt
    token.

    Parameters
    ----------
    picture
        The path of an uploaded file.
    model
        A key of the model pool.
    unwanted
        Asked after every token whether the result is no longer wanted; the answer then ends there.

    Raises
    ------
    FastVError
        For a request that is invalid or over a limit, and where GPUs are attached to comparisons alone.
    """
    visitor, begun = policy.visitor(), time.monotonic()
    outcome = "refused"
    try:
        policy.admit(visitor)
        if policy.execute is not None:
            raise FastVError("On this Space the GPU is attached for comparisons only: see the recorded example.")
        sides = ChosenSides(ChosenSide(model), ChosenSide(model))
        tokens = min(ANSWER_TOKENS, policy.settings.answer_tokens)
        request = policy.checked(Request(picture, question, sides, max_new_tokens=tokens))
        outcome = "failed"
        seconds = policy.settings.run_seconds

        def stopped() -> bool:
            return unwanted() or bool(seconds) and time.monotonic() - begun > seconds

        assert isinstance(request.media, Image.Image)
        reading = _read(request.media, question, pool.load(model), tokens, stopped)
        outcome = "done"
        return reading
    except FastVError:
        outcome = "refused"
        raise
    finally:
        policy.log.write(
            who=policy.limiter.pseudonym(visitor),
            outcome=outcome,
            kind="attention",
            model=model if isinstance(model, str) else None,
            seconds=round(time.monotonic() - begun, 3),
        )


def _read(
    picture: Image.Image, question: str, loaded: LoadedModel, tokens: int, stopped: Callable[[], bool]
) -> AttentionReading:
    from fastv.inputs.image import check_question  # imports torch: the page is up sooner
    from fastv.measurement.attention_map import attention_map
    from fastv.measurement.prompt import prompt_of

    question = check_question(question, loaded.processor.tokenizer)
    prompt = prompt_of(loaded, picture, question, answer_tokens=tokens)
    last = prompt.tokens - 1
    return AttentionReading(
        loaded, attention_map(loaded, prompt, max_new_tokens=tokens, per_head=[last], stopped=stopped)
    )
