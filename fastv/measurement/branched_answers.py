"""Several answers to one prompt in one call of ``generate``: what it makes ready before it decodes is made once.

Before the first token ``generate`` checks and copies settings, lays out positions and asks the vision tower. None of
that depends on what is pruned in the decoder, and for a small model it takes as long as a good part of the answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from fastv.measurement.batched_answers import Inputs, Rows, rows_of
from fastv.measurement.drafted_answers import decode
from fastv.measurement.timing import greedy
from fastv.pruning.methods.base import Method
from fastv.pruning.signals import TOWER

Result = TypeVar("Result")
Answer = Callable[..., Rows]  # of a guess or None, and other answers


def within_generate(model: Any, inputs: Inputs, ask: Callable[[Answer], Result], *, max_new_tokens: int) -> Result:
    """Call ``ask`` inside ``generate``, with a function that answers the prompt as often as it is called.

    Parameters
    ----------
    model
        A transformers model that generates.
    inputs
        What ``batched_answers.collate`` makes, on the model's device.
    ask
        Is given a function from a guess and other answers, as ``drafted_answers.generate_drafted`` takes them, or from
        None, to each row's tokens: those that the model gives as it is hooked at that moment, with a cache of its own.
    max_new_tokens
        The longest answer, in tokens.

    Returns
    -------
    object
        What ``ask`` returns.
    """
    return model.generate(**inputs, **greedy(model), max_new_tokens=max_new_tokens, custom_generate=partial(_loop, ask))


def can_join(method: Method) -> bool:
    """Whether a method changes nothing, and looks at nothing, before the decoder: else ``generate`` is to run anew."""
    return type(method).outside_decoder is Method.outside_decoder and TOWER not in method.signals


def _loop(ask: Callable[[Answer], Result], model: Any, input_ids: Tensor, **prepared: Any) -> Result:
    """The loop of ``generate``, which calls it with the prompt and all that it has prepared."""

    def answer(draft: Tensor | None, others: Sequence[Rows] = ()) -> Rows:
        caches = {name: copy.deepcopy(prepared[name]) for name in _CACHES if prepared.get(name) is not None}
        own = prepared | caches
        if draft is not None:
            return decode(draft, others, model, input_ids, **own)
        return rows_of(model, model._sample(input_ids, **own)[:, input_ids.shape[1] :])

    return ask(answer)


_CACHES = ("cache", "past_key_values")  # from Transformers 5.24 on, and before; empty until an answer fills its copy
