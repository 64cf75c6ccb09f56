"""Several prompts answered in one batch, padded on the left.

Every row reads its own prompt alone: padding is masked and positions are its own, so that the arithmetic is that of the
prompt by itself. It is carried out in other shapes, though, and may differ in a float's last bits; an answer can then
differ only where two tokens, or two visual tokens at the edge of what is kept, are that close to a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fastv.errors import InvalidInputError
from fastv.measurement.timing import greedy

Inputs = Mapping[str, Tensor]
Rows = list[tuple[int, ...]]  # each row's tokens


def collate(prompts: Sequence[Inputs], pad_token: int) -> dict[str, Tensor]:
    """One batch of several prompts' inputs.

    Parameters
    ----------
    prompts
        The processor's tensors of one prompt each, one row: ``input_ids`` (1, n) and an ``attention_mask``. What is
        shaped like the ids goes along with them; everything else speaks of pictures or videos, which are laid one after
        the other.
    pad_token
        Fills ``input_ids``.

    Raises
    ------
    InvalidInputError
        For prompts that do not fit in one batch: with pictures of different sizes in models that take them as they are,
        or some with and some without.
    """
    if len(prompts) == 1:
        return dict(prompts[0])
    longest = max(one["input_ids"].shape[1] for one in prompts)
    names = prompts[0].keys()
    if any(one.keys() != names for one in prompts) or "attention_mask" not in names:
        raise InvalidInputError("These prompts do not have the same parts.")
    made = {}
    for name in names:
        parts = [one[name] for one in prompts]
        if all(part.shape == one["input_ids"].shape for part, one in zip(parts, prompts)):
            fill = pad_token if name == "input_ids" else 0
            parts = [torch.nn.functional.pad(part, (longest - part.shape[1], 0), value=fill) for part in parts]
        if len({part.shape[1:] for part in parts}) > 1:
            raise InvalidInputError(f"These prompts' {name} differ in shape.")
        made[name] = torch.cat(parts)
    return made


def generate_rows(model: Any, inputs: Inputs, *, max_new_tokens: int) -> Rows:
    """Answer each row greedily.

    Parameters
    ----------
    model
        A transformers model that generates.
    inputs
        What ``collate`` makes, on the model's device.
    max_new_tokens
        The longest answer, in tokens.

    Returns
    -------
    list of tuple of int
        Each row's tokens, the end token included: those of ``timing.generate`` for the row alone.
    """
    return rows_of(model, generate_ids(model, inputs, max_new_tokens=max_new_tokens))


def generate_ids(model: Any, inputs: Inputs, *, max_new_tokens: int) -> Tensor:
    """The same as ``generate`` returns it: long (batch, longest answer), finished rows filled up."""
    output = model.generate(**inputs, **greedy(model), max_new_tokens=max_new_tokens)
    return output[:, inputs["input_ids"].shape[1] :]


def rows_of(model: Any, ids: Tensor) -> Rows:
    """Generated tokens row by row, without what fills rows up."""
    ends = end_tokens(model)
    return [until_end(tuple(row), ends) for row in ids.tolist()]


def end_tokens(model: Any) -> tuple[int, ...]:
    """The tokens with which a model ends an answer."""
    ends = model.generation_config.eos_token_id
    return () if ends is None else (ends,) if isinstance(ends, int) else tuple(ends)


def until_end(tokens: tuple[int, ...], ends: tuple[int, ...]) -> tuple[int, ...]:
    """A row without what fills it up behind its end token."""
    return tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens)) + 1]
