"""Answers that are guessed first: tokens of another answer are read together with the prompt, and kept while they are
what would have been said.

A pruned model mostly says what the model without pruning said. Its prompt and that answer are read in one forward,
whose logits tell for every token whether it would have come. Where one would not, the right one takes its place, and
what may follow is guessed anew: as an answer goes on that began alike, or as the first guess does. Tokens are those of
greedy generation; the arithmetic is carried out in other shapes, as in a batch (see ``batched_answers``).

References
----------
Y. Leviathan, M. Kalman and Y. Matias, "Fast inference from transformers via speculative decoding", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastv.families.base import Family
from fastv.measurement.batched_answers import Inputs, Rows, end_tokens, until_end
from fastv.measurement.timing import greedy
from fastv.pruning.transformers_compat import cache_in

#: The most tokens that are guessed anew at a time: a guess that is wrong at once has more of them read for nothing.
_AHEAD = 16


def generate_drafted(
    model: Any, inputs: Inputs, draft: Tensor, others: Sequence[Rows] = (), *, max_new_tokens: int
) -> Rows:
    """Answer each row greedily, given a guess.

    Parameters
    ----------
    model
        A transformers model that generates.
    inputs
        What ``batched_answers.collate`` makes, on the model's device.
    draft : Tensor
        long (batch, m), m below ``max_new_tokens``: what each row may say. Behind a row's end token anything may stand.
    others : sequence
        Further answers of the same rows; of two that began as a row does, it is guessed to go on like the later one.
    max_new_tokens
        The longest answer, in tokens.

    Returns
    -------
    list of tuple of int
        Each row's tokens, the end token included: those of ``batched_answers.generate_rows``.
    """
    decoding = partial(decode, draft, others)
    return model.generate(**inputs, **greedy(model), max_new_tokens=max_new_tokens, custom_generate=decoding)


def can_be_drafted(decoder: Any, family: Family) -> bool:
    """Whether a model's cache can forget what was guessed wrong; a layer that keeps a state cannot."""
    return all(family.attention(layer) is not None for layer in decoder.layers)


def decode(
    draft: Tensor,
    others: Sequence[Rows],
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **kwargs: Any,
) -> Rows:
    """The loop of ``generate``, which calls it with the prompt and all that it has prepared, given a guess."""
    kwargs = {name: value for name, value in kwargs.items() if name not in _OF_LOOPS}
    most, ends = generation_config.max_length - input_ids.shape[1], end_tokens(model)
    first: list[list[int]] = draft.tolist()
    rows: Rows = [()] * len(first)
    guess, known = draft, 0  # how many tokens of the guess are certain in every row that is not at its end
    while True:
        said, outputs = _verified(model, input_ids, guess, known, logits_processor, kwargs)
        rows = [row if known and _is_done(row, ends, most) else until_end(told, ends) for row, told in zip(rows, said)]
        lengths = [len(row) for row in rows if not _is_done(row, ends, most)]
        if not lengths:
            return rows
        # All go on from the last place up to which every unfinished one is known.
        before, known = known, min(lengths)
        if extra := guess.shape[1] - (known - 1):
            cache_in(outputs).crop(-extra)
        kwargs = model._update_model_kwargs_for_generation(outputs, kwargs, num_new_tokens=known - before)
        futures = [
            _future(row, begun, [each[number] for each in others])
            for number, (row, begun) in enumerate(zip(rows, first))
        ]
        length = max(known, min(max(map(len, futures)), known + _AHEAD, most - 1))
        guess = torch.tensor([_filled(row, length) for row in futures], device=input_ids.device)


def _future(row: tuple[int, ...], draft: list[int], others: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What a row has said, and what it may go on to say."""
    count = len(row)
    alike = (other for other in reversed(others) if len(other) > count and other[:count] == row)
    return next(alike, (*row, *draft[count:]))


_OF_LOOPS = ("synced_gpus", "streamer", "assistant_model", "tokenizer")  # arguments of the loop, not of the model


def _verified(
    model: Any, input_ids: Tensor, guess: Tensor, known: int, logits_processor: Any, kwargs: dict[str, Any]
) -> tuple[Rows, Any]:
    """What each row says, as far as the guess tells: one token more than it got right. And the model's output.

    known: how many of the guess's tokens are certain; all but the last of them have been read.
    """
    length, count = input_ids.shape[1] + known, guess.shape[1] - known
    ids, grown = torch.cat([input_ids, guess], dim=1), dict(kwargs)
    if count:
        grown = model._update_model_kwargs_for_generation({}, grown, num_new_tokens=count)
    new = {"next_sequence_length": count + 1} if known else {"is_first_iteration": True}
    step = model.prepare_inputs_for_generation(ids, **new, **grown)
    if "logits_to_keep" in step:
        step["logits_to_keep"] = count + 1
    outputs = model(**step, return_dict=True)
    logits = outputs.logits[:, -count - 1 :].float()
    scores = [logits_processor(ids[:, : length + place], logits[:, place]) for place in range(count + 1)]
    chosen = torch.stack([one.argmax(dim=-1) for one in scores], dim=1)  # (batch, m + 1)
    right = (chosen[:, :-1] == guess[:, known:]).long().cumprod(dim=1).sum(dim=1)
    said = torch.cat([guess[:, :known], chosen], dim=1)
    return [tuple(row[: known + more + 1]) for row, more in zip(said.tolist(), right.tolist())], outputs


def _is_done(tokens: tuple[int, ...], ends: tuple[int, ...], most: int) -> bool:
    return len(tokens) >= most or tokens[-1] in ends


def _filled(tokens: tuple[int, ...], length: int) -> list[int]:
    """The first so many; what stands behind a finished row's end is of no effect."""
    return [*tokens[:length], *[tokens[-1]] * (length - len(tokens))]
