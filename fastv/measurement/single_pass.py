"""One answer without timing: what a side says, what it kept, and what that costs by arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from PIL import Image

from fastv.inputs.frame_view import FrameView
from fastv.inputs.image import check_question, open_picture
from fastv.measurement.answer_cost import answer_cost
from fastv.measurement.prompt import Prompt, answer_text, prompt_of
from fastv.measurement.results import Setup, Side
from fastv.measurement.thread_choice import fitting_threads
from fastv.measurement.timing import generate
from fastv.worker import Stopped, never


@dataclass(frozen=True)
class SinglePass:
    """An answer that was given once.

    Attributes
    ----------
    setup : Setup
    answer : str
    seen : tuple of FrameView
        The picture, or each frame of the clip, and what was kept of it.
    kv_cache_bytes : int
        Counted from the cache when the answer is complete.
    prefill_flops : float or None
        Computed, ``exact`` convention; None for a model whose FLOPs are not known.
    """

    setup: Setup
    answer: str
    seen: tuple[FrameView, ...]
    kv_cache_bytes: int
    prefill_flops: float | None


def answer_once(
    side: Side, picture: Image.Image, question: str, *, max_new_tokens: int, stopped: Callable[[], bool] = never
) -> SinglePass:
    """Answer a question about a picture once; waits until the model is free.

    Raises
    ------
    InvalidInputError
        For a picture or question that cannot be used.
    Stopped
        Where ``stopped`` became true while it waited.
    """
    loaded = side.loaded
    question = check_question(question, loaded.processor.tokenizer)
    prompt = prompt_of(loaded, open_picture(picture), question, answer_tokens=max_new_tokens)
    while not loaded.lock.acquire(timeout=0.05):
        if stopped():
            raise Stopped
    try:
        return single_pass(side, prompt, max_new_tokens=max_new_tokens, stopped=stopped)
    finally:
        loaded.lock.release()


def single_pass(side: Side, prompt: Prompt, *, max_new_tokens: int, stopped: Callable[[], bool] = never) -> SinglePass:
    """Answer a prompt once. The caller holds the model's lock where others may use it.

    Parameters
    ----------
    side
        The model, and how it is pruned.
    prompt
        Made for that model.
    max_new_tokens
        The longest answer, in tokens.
    stopped
        Asked after each token whether to end the answer there.
    """
    method = side.pruning.build() if side.pruning else None
    with fitting_threads(side.loaded.device), method(side.loaded.model) if method else nullcontext() as trace:
        answer = generate(side.loaded.model, prompt.inputs, max_new_tokens=max_new_tokens, stopped=stopped)
    whole = prompt.visual.nonzero()[:, 0]
    kept = whole if trace is None or trace.kept is None else trace.kept[0]
    cost = answer_cost(side.loaded, prompt, len(answer.tokens), side.pruning)
    return SinglePass(
        setup=side.setup,
        answer=answer_text(side.loaded, answer.tokens),
        seen=prompt.seen(kept),
        kv_cache_bytes=answer.kv_cache_bytes,
        prefill_flops=cost.prefill_flops if cost else None,
    )
