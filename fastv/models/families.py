"""What differs between families of models: where the decoder is, which prompt positions are visual, how to ask.

Everything FastV needs to know about a family is in one ``Family``; the method itself never names a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fastv.errors import UnsupportedModelError


@dataclass(frozen=True)
class Family:
    """One way to build a vision-language model.

    name: for people. model_types: the ``config.model_type`` values it covers.
    decoder(model): the module that owns ``layers`` and runs them in order.
    visual_mask(model, input_ids): boolean (batch, n), True where a visual token stands.
    prompt(processor, question): the text of one picture and one question, in the model's own chat format.
    """

    name: str
    model_types: tuple[str, ...]
    decoder: Callable[[nn.Module], nn.Module]
    visual_mask: Callable[[nn.Module, Tensor], Tensor]
    prompt: Callable[[Any, str], str]


def _base(model: nn.Module) -> nn.Module:
    return getattr(model, "base_model", model)


def _language_model(model: nn.Module) -> nn.Module:
    decoder = getattr(_base(model), "language_model", None)
    if decoder is None:
        raise UnsupportedModelError(f"{type(model).__name__} hides the model's decoder. Pass the model it wraps.")
    return decoder


def _image_tokens(model: nn.Module, input_ids: Tensor) -> Tensor:
    return input_ids == model.config.image_token_id


def _chat_prompt(processor: Any, question: str) -> str:
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    return processor.apply_chat_template([turn], add_generation_prompt=True)


FAMILIES = (
    Family(name="LLaVA", model_types=("llava",), decoder=_language_model, visual_mask=_image_tokens,
           prompt=_chat_prompt),
)


def family_of(model: nn.Module) -> Family:
    """The family of a loaded model; UnsupportedModelError when FastV knows none for it."""
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.model_types)
    raise UnsupportedModelError(
        f"FastV does not know how to prune {type(model).__name__} (model type {model_type!r}). "
        f"Use a model of type: {known}.")
