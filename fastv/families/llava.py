"""LLaVA-1.5 and its kin: a CLIP-like tower, a projector of two layers, and any decoder of LLaMA's kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fastv.families.base import Family, Processor, base_of
from fastv.families.config_fields import as_dict, reader_for
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.frames import Frame
from fastv.families.reduced_pictures import Sizes, square_pictures_reduced
from fastv.families.shapes import DecoderShape, ModelShape, ProjectorShape
from fastv.families.tower_layers import TowerLayer, TowerSequences, encoder_layer, patches_after
from fastv.families.vision_shapes import FixedVisionShape
from fastv.families.vision_towers import CLIP_LARGE_336, VISION_TOWERS, class_tokens
from fastv.families.visual_groups import VisualGroup

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_ONE_SIZE = ("clip_vision_model", "siglip_vision_model")  # towers that take pictures of one size alone
VICUNA_PROMPT = "USER: {picture}\n{question} ASSISTANT:"
VICUNA_7B = {"model_type": "llama", "vocab_size": 32064}
_VICUNA_13B = VICUNA_7B | {
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
}
VISUAL_SPAN = "576 tokens for every image, in place of <image>"


class Llava(Family):
    name = "LLaVA"
    model_types = ("llava",)
    unquantized: ClassVar[tuple[str, ...]] = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries: ClassVar[tuple[ModelEntry, ...]] = (
        ModelEntry(
            "llava-1.5-7b",
            "LLaVA-1.5 7B",
            "llava-hf/llava-1.5-7b-hf",
            "The model of the FastV paper.",
            revision="b234b804b114d9e37bb655e11cbbb5f5e971b7a9",
            prompt=VICUNA_PROMPT,
            visual_span=VISUAL_SPAN,
            config={"model_type": "llava", "text_config": VICUNA_7B, "vision_config": CLIP_LARGE_336},
        ),
        ModelEntry(
            "llava-1.5-13b",
            "LLaVA-1.5 13B",
            "llava-hf/llava-1.5-13b-hf",
            "The paper's larger model.",
            revision="5dda2880bda009266dda7c4baff660b95ca64540",
            prompt=VICUNA_PROMPT,
            visual_span=VISUAL_SPAN,
            config={"model_type": "llava", "text_config": _VICUNA_13B, "vision_config": CLIP_LARGE_336},
        ),
    )

    def prompt(self, processor: Processor, question: str, kind: str = "image", count: int = 1) -> str:
        return vicuna_prompt(self, processor, question, kind, count)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame]:
        return patch_frames(config, inputs.get("pixel_values", ()), leading_tokens(config))

    def visual_groups(
        self, model: nn.Module, input_ids: Tensor, counts: Sequence[int], inputs: Mapping[str, Any]
    ) -> list[VisualGroup] | None:
        config: Any = model.config
        picture = picture_group(config, inputs.get("pixel_values"), leading_tokens(config))
        return None if picture is None else [picture] * (sum(counts) // picture.tokens)

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        layer = encoder_layer(base.vision_tower, config.vision_feature_layer)
        dropped = 1 if config.vision_feature_select_strategy == "default" else 0

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, patches_after(dropped))

        attentions = {config.image_token_id: layer.self_attn}
        return TowerLayer(attentions, bool(class_tokens(config.vision_config.model_type)), sequences)

    def reduced_pictures(self, model: nn.Module, sizes: Sizes) -> AbstractContextManager[None]:
        base: Any = base_of(model)
        config: Any = model.config
        return square_pictures_reduced(
            base,
            "get_image_features",
            ("pixel_values",),
            base.vision_tower,
            config.image_token_id,
            lambda pixels: picture_group(config, pixels, leading_tokens(config)),
            sizes,
        )

    def read_processor(self, source: str | Path, config: PreTrainedConfig) -> Processor:
        return fit_processor(super().read_processor(source, config), config)

    def input_problem(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> str | None:
        return super().input_problem(config, inputs) or picture_size_problem(config, inputs.get("pixel_values"))

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        decoder, vision = read_parts(settings, CLIP_LARGE_336)
        return ModelShape(decoder, vision, read_projector(settings, vision))


def vicuna_prompt(family: Family, processor: Processor, question: str, kind: str, count: int) -> str:
    """The model's own chat template, or where a checkpoint brings none the format of LLaVA-1.5 and Video-LLaVA."""
    if processor.chat_template:
        return Family.prompt(family, processor, question, kind, count)
    token = processor.video_token if kind == "video" else processor.image_token
    return VICUNA_PROMPT.format(picture="\n".join([token] * count), question=question)


def leading_tokens(config: PreTrainedConfig) -> int:
    """Visual tokens of a picture before those of its patches: the tower's class token, where the model keeps it."""
    keeps = config.vision_feature_select_strategy == "full"
    return (class_tokens(config.vision_config.model_type) or 0) if keeps else 0


def fit_processor(processor: Processor, config: PreTrainedConfig) -> Processor:
    """Makes a processor count a picture's visual tokens as the model does.

    Files that older versions of transformers saved, and fine-tunes of those, lack the settings for it, and in some they
    are not the model's. Processors of other kinds are left as they are.
    """
    if not hasattr(processor, "num_additional_image_tokens"):
        return processor
    processor.patch_size = config.vision_config.patch_size
    processor.vision_feature_select_strategy = config.vision_feature_select_strategy
    additional = class_tokens(config.vision_config.model_type)
    if additional is not None:
        processor.num_additional_image_tokens = additional
    _fit_image_token(processor, config.image_token_id)
    return processor


def _fit_image_token(processor: Processor, token_id: int) -> None:
    """Makes a processor write the token that stands for a picture in the model, as the tokenizer knows it.

    The first checkpoints came with tokenizers that end before it.
    """
    tokenizer = processor.tokenizer
    if token_id == len(tokenizer) and processor.image_token not in tokenizer.get_vocab():
        tokenizer.add_tokens([processor.image_token], special_tokens=True)
    if token_id < len(tokenizer):
        token = tokenizer.convert_ids_to_tokens(token_id)
        if token is not None and token in tokenizer.all_special_tokens:
            processor.image_token, processor.image_token_id = token, token_id


def picture_size_problem(config: PreTrainedConfig, pixels: Tensor | None) -> str | None:
    """What is wrong with the size of prepared pictures (pictures, 3, height, width) for a tower that takes one size."""
    size = getattr(config.vision_config, "image_size", None)
    if pixels is None or config.vision_config.model_type not in _ONE_SIZE or not isinstance(size, int):
        return None
    height, width = pixels.shape[-2:]
    if (height, width) == (size, size):
        return None
    return f"makes images of {width} x {height} pixels, where the model takes {size} x {size}"


def patch_frames(config: PreTrainedConfig, pictures: Any, lead: int) -> list[Frame]:
    """Frames of (pictures, 3, height, width): a grid of patches each, behind ``lead`` tokens of no place."""
    patch = config.vision_config.patch_size
    return [Frame(pixels, (pixels.shape[-2] // patch, pixels.shape[-1] // patch), lead) for pixels in pictures]


def picture_group(config: Any, pixels: Tensor | None, lead: int) -> VisualGroup | None:
    """The visual tokens of each of (pictures, 3, height, width), or without those of a picture of the tower's own size;
    None for towers whose pictures differ in size.
    """
    tower = config.vision_config
    if tower.model_type not in _ONE_SIZE or not isinstance(tower.image_size, int):
        return None
    # Empty ones stand for pictures that were encoded before.
    height, width = pixels.shape[-2:] if pixels is not None and pixels.numel() else (tower.image_size,) * 2
    return VisualGroup(1, height // tower.patch_size, width // tower.patch_size, lead)


def read_parts(settings: Mapping[str, Any], tower: Mapping[str, Any]) -> tuple[DecoderShape, FixedVisionShape]:
    """Decoder and vision tower. A sub-config that is absent, not merely short, means the sizes of the first 7B."""
    text = as_dict(settings.get("text_config") or {"model_type": "llama"}, "text_config")
    tower = as_dict(settings.get("vision_config") or tower, "vision_config")
    if settings.get("tie_word_embeddings"):
        text = {**text, "tie_word_embeddings": True}
    return (
        reader_for(DECODERS, text.get("model_type", "llama"), "text part")(text),
        reader_for(VISION_TOWERS, tower.get("model_type", "clip_vision_model"), "vision tower")(tower),
    )


def read_projector(settings: Mapping[str, Any], vision: FixedVisionShape, frame_tokens: int = 0) -> ProjectorShape:
    """The projector behind a CLIP-like tower."""
    taken = settings.get("vision_feature_layer", -2)
    depth = 1 if isinstance(taken, int) else len(taken)  # several layers' features are laid side by side
    whole = settings.get("vision_feature_select_strategy", "default") == "full"  # "default" leaves the class token out
    return ProjectorShape(
        input_width=depth * vision.width,
        tokens=vision.patches + whole,
        bias=bool(settings.get("multimodal_projector_bias", True)),
        frame_tokens=frame_tokens,
    )
