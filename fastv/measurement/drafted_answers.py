"""Answers that are guessed first: tokens of another answer are read together with the prompt, and kept while they are
what would have been said.

A pruned model mostly says what the model without pruning said. Its prompt and that answer are read in one forward,
whose logits tell for every token whether it would have come; from the first that would not, generation goes on as
always. Tokens are those of greedy generation; the arithmetic is carried out in other shapes, as in a batch (see
``batched_answers``).

References
----------
Y. Leviathan, M. Kalman and Y. Matias, "Fast inference from transformers via speculative decoding", ICML 2023.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastv.families.base import Family
from fastv.measurement.batched_answers import Inputs, end_tokens, until_end
from fastv.measurement.timing import greedy
from fastv.pruning.transformers_compat import cache_in


def generate_drafted(model: Any, inputs: Inputs, draft: Tensor, *, max_new_tokens: int) -> list[tuple[int, ...]]:
    """Answer each row greedily, given a guess.

    Parameters
    ----------
    model
        A transformers model that generates.
    inputs
        What ``batched_answers.collate`` makes, on the model's device.
    draft : Tensor
        long (batch, m), m below ``max_new_tokens``: what each row may say. Behind a row's end token anything may stand.
    max_new_tokens
        The longest answer, in tokens.

    Returns
    -------
    list of tuple of int
        Each row's tokens, the end token included: those of ``batched_answers.generate_rows``.
    """
    return model.generate(
        **inputs, **greedy(model), max_new_tokens=max_new_tokens, custom_generate=partial(decode, draft)
    )


def can_be_drafted(decoder: Any, family: Family) -> bool:
    """Whether a model's cache can forget what was guessed wrong; a layer that keeps a state cannot."""
    return all(family.attention(layer) is not None for layer in decoder.layers)


def decode(
    draft: Tensor,
    model: Any,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **kwargs: Any,
) -> list[tuple[int, ...]]:
    """The loop of ``generate``, which calls it with the prompt and all that it has prepared, given a guess."""
    kwargs = {name: value for name, value in kwargs.items() if name not in _OF_LOOPS}
    most, ends = generation_config.max_length - input_ids.shape[1], end_tokens(model)

    def update(outputs: Any, known: dict[str, Any], count: int) -> dict[str, Any]:
        return model._update_model_kwargs_for_generation(outputs, known, num_new_tokens=count)

    said, outputs = _verified(model, input_ids, draft, logits_processor, update, kwargs)
    rows = [until_end(row, ends) for row in said]
    open_rows = [row for row, tokens in enumerate(rows) if not _is_done(tokens, ends, most)]
    if not open_rows:
        return rows
    # All rows go on from the last place up to which every unfinished one is known.
    valid = min(len(rows[row]) for row in open_rows)
    if extra := draft.shape[1] - (valid - 1):
        cache_in(outputs).crop(-extra)
    tokens = torch.tensor([_filled(row, valid) for row in rows], device=input_ids.device)
    ids, kwargs = torch.cat([input_ids, tokens], dim=1), update(outputs, kwargs, valid)
    for row in open_rows:
        rows[row] = rows[row][:valid]
    while open_rows:
        step = model.prepare_inputs_for_generation(ids, next_sequence_length=1, **kwargs)
        outputs = model(**step, return_dict=True)
        token = logits_processor(ids, outputs.logits[:, -1].float()).argmax(dim=-1)
        ids, kwargs = torch.cat([ids, token[:, None]], dim=1), update(outputs, kwargs, 1)
        for row, one in zip(open_rows, token[open_rows].tolist()):
            rows[row] = (*rows[row], one)
        open_rows = [row for row in open_rows if not _is_done(rows[row], ends, most)]
    return rows


_OF_LOOPS = ("synced_gpus", "streamer", "assistant_model", "tokenizer")  # arguments of the loop, not of the model


def _verified(
    model: Any, input_ids: Tensor, draft: Tensor, logits_processor: Any, update: Any, kwargs: dict[str, Any]
) -> tuple[list[tuple[int, ...]], Any]:
    """What each row says, as far as the draft tells: one token more than it got right. And the model's output."""
    length, count = input_ids.shape[1], draft.shape[1]
    ids = torch.cat([input_ids, draft], dim=1)
    grown = update({}, dict(kwargs), count) if count else dict(kwargs)
    step = model.prepare_inputs_for_generation(ids, is_first_iteration=True, **grown)
    if "logits_to_keep" in step:
        step["logits_to_keep"] = count + 1
    outputs = model(**step, return_dict=True)
    logits = outputs.logits[:, -count - 1 :].float()
    scores = [logits_processor(ids[:, : length + place], logits[:, place]) for place in range(count + 1)]
    chosen = torch.stack([one.argmax(dim=-1) for one in scores], dim=1)  # (batch, m + 1)
    right = (chosen[:, :-1] == draft).long().cumprod(dim=1).sum(dim=1)
    return [tuple(row[: known + 1]) for row, known in zip(chosen.tolist(), right.tolist())], outputs


def _is_done(tokens: tuple[int, ...], ends: tuple[int, ...], most: int) -> bool:
    return len(tokens) >= most or tokens[-1] in ends


def _filled(tokens: tuple[int, ...], length: int) -> list[int]:
    """The first so many; what stands behind a finished row's end is of no effect."""
    return [*tokens[:length], *[tokens[-1]] * (length - len(tokens))]
