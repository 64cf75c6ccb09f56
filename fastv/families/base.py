"""What differs between families of models: where the decoder is, which prompt positions are visual, how to ask.

Everything FastV needs to know about a family is in one ``Family``; the method itself never names a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fastv.errors import UnsupportedModelError
from fastv.families.frames import Frame, clip_frames, merged_frames


def _base(model: nn.Module) -> nn.Module:
    return getattr(model, "base_model", model)


def _language_model(model: nn.Module) -> nn.Module:
    decoder = getattr(_base(model), "language_model", None)
    if decoder is None:
        raise UnsupportedModelError(f"{type(model).__name__} hides the model's decoder. Pass the model it wraps.")
    return decoder


def _image_tokens(model: nn.Module, input_ids: Tensor) -> Tensor:
    return input_ids == model.config.image_token_id


def _image_and_video_tokens(model: nn.Module, input_ids: Tensor) -> Tensor:
    return _image_tokens(model, input_ids) | (input_ids == model.config.video_token_id)


def _chat_prompt(processor: Any, question: str, kind: str = "image") -> str:
    turn = {"role": "user", "content": [{"type": kind}, {"type": "text", "text": question}]}
    return processor.apply_chat_template([turn], add_generation_prompt=True)


def _vicuna_prompt(processor: Any, question: str, kind: str = "image") -> str:
    """The format of LLaVA-1.5 and Video-LLaVA, for checkpoints that bring no chat template."""
    if processor.chat_template:
        return _chat_prompt(processor, question, kind)
    return f"USER: {processor.video_token if kind == 'video' else processor.image_token}\n{question} ASSISTANT:"


@dataclass(frozen=True)
class Family:
    """One way to build a vision-language model.

    name: for people. model_types: the ``config.model_type`` values it covers.
    unquantized: names of the modules that stay at 16 bits when the decoder is quantized.
    videos: whether it reads videos too.
    decoder(model): the module that owns ``layers`` and runs them in order.
    visual_mask(model, input_ids): boolean (batch, n), True where a visual token stands, of a picture or a video.
    prompt(processor, question, kind="image"): the text of one picture, or with kind "video" one video, and one
    question, in the model's own chat format.
    frames(config, inputs): the pictures and frames in what the processor made, and where their tokens lie.
    """

    name: str
    model_types: tuple[str, ...]
    unquantized: tuple[str, ...]
    videos: bool = False
    decoder: Callable[[nn.Module], nn.Module] = _language_model
    visual_mask: Callable[[nn.Module, Tensor], Tensor] = _image_tokens
    prompt: Callable[..., str] = _chat_prompt
    frames: Callable[[Any, Mapping[str, Tensor]], list[Frame]] = clip_frames


# Pictures suffer first from few bits. A list of one's own also replaces the automatic exception for lm_head.
FAMILIES = (
    Family(
        name="LLaVA",
        model_types=("llava",),
        prompt=_vicuna_prompt,
        unquantized=("model.vision_tower", "model.multi_modal_projector", "lm_head"),
    ),
    Family(
        name="Video-LLaVA",
        model_types=("video_llava",),
        videos=True,
        prompt=_vicuna_prompt,
        unquantized=("model.image_tower", "model.video_tower", "model.multi_modal_projector", "lm_head"),
        visual_mask=_image_and_video_tokens,
    ),
    Family(
        name="Qwen-VL",
        model_types=("qwen2_vl", "qwen2_5_vl"),
        videos=True,
        unquantized=("model.visual", "lm_head"),
        visual_mask=_image_and_video_tokens,
        frames=merged_frames,
    ),
)


def family_for(model_type: str | None) -> Family | None:
    """The family of a ``config.model_type``, or None."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def family_of(model: nn.Module) -> Family:
    """The family of a loaded model; UnsupportedModelError when FastV knows none for it."""
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    family = family_for(model_type)
    if family is None:
        known = ", ".join(name for family in FAMILIES for name in family.model_types)
        raise UnsupportedModelError(
            f"FastV does not know how to prune {type(model).__name__} (model type {model_type!r}). "
            f"Use a model of type: {known}."
        )
    return family
