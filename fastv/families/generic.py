"""Models of no family here that keep the contract of today's vision-language models: they are pruned by what a look at
the model finds.

The contract: pictures stand in ``input_ids`` as tokens that the config names, features of the vision tower take their
place in the decoder's input, and the decoder is a row of layers that attend through a module of their own and are
given nothing that has to be shortened beyond hidden states, mask and positions. ``fastv models --check`` proves it on a
model.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from fastv.errors import UnsupportedModelError
from fastv.families import deepstack
from fastv.families.base import Family, KeptColumns, base_of
from fastv.families.frames import Frame
from fastv.families.layer_kinds import RECURRENT, kinds_of
from fastv.families.multimodal_positions import sequence_length
from fastv.families.shapes import ModelShape

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

_IMAGE_TOKENS = ("image_token_id", "image_token_index", "image_patch_id")
_VIDEO_TOKENS = ("video_token_id", "video_token_index")
_INNER = ("model", "decoder", "language_model", "text_model")  # where a decoder may hold its layers
_MODULES = ("cross_attn", "crossattention", "encoder_attn", "cross_attention")
#: Arguments that the engine shortens, or that have nothing to do with the length of the sequence.
_LAYER_ARGUMENTS = {
    "hidden_states",
    "attention_mask",
    "position_ids",
    "position_embeddings",
    "cache",
    "past_key_values",
    "cache_position",
    "use_cache",
    "output_attentions",
    "output_router_logits",
}
_DECODER_ARGUMENTS = _LAYER_ARGUMENTS | {
    "input_ids",
    "inputs_embeds",
    "labels",
    "logits_to_keep",
    "output_hidden_states",
    "return_dict",
}


class Generic(Family):
    """The family of one model, found by looking at it.

    Parameters
    ----------
    model
        With or without its head; it may lie on the meta device, without weights.

    Raises
    ------
    UnsupportedModelError
        With the reason, for a model that does not keep the contract.
    """

    name = "found by looking at the model"
    model_types = ()

    def __init__(self, model: nn.Module) -> None:
        config: Any = getattr(model, "config", None)
        if config is None or not hasattr(model, "get_decoder"):
            raise UnsupportedModelError(f"FastV does not know how to prune {type(model).__name__}, no language model.")
        self._tokens = _tokens(config, _IMAGE_TOKENS)[:1] + _tokens(config, _VIDEO_TOKENS)[:1]
        if reason := self._refusal(model, config):
            raise UnsupportedModelError(
                f"FastV cannot prune {type(model).__name__} (model type {config.model_type!r}): {reason}."
            )
        self.unquantized = _around(model, self.decoder(model))  # type: ignore[misc]  # of this model, not of a class

    def _refusal(self, model: nn.Module, config: Any) -> str | None:
        """Why the model cannot be pruned, to follow a colon; None where nothing speaks against it."""
        if getattr(config, "is_encoder_decoder", False):
            return "it is an encoder-decoder, in which images are no tokens of the decoder's prompt"
        decoder = self.decoder(model)
        layers = getattr(decoder, "layers", None)
        if not layers:
            return f"no decoder with a list of layers was found in it (found: {type(decoder).__name__})"
        for number, layer in enumerate(layers):
            if self._crosses(layer):
                return f"its layer {number} looks at the image by cross-attention, not in the prompt"
        kinds = kinds_of(decoder)
        for number, layer in enumerate(layers):
            if not hasattr(layer, "self_attn") and (not kinds or kinds[number] not in RECURRENT):
                return f"its layer {number} ({type(layer).__name__}) does not attend, but mixes tokens in another way"
        attentions = [layer.self_attn for layer in layers if hasattr(layer, "self_attn")]
        if not attentions:
            return "none of its layers attends"
        if not all(getattr(attention, "is_causal", True) for attention in attentions):
            return "its layers let the text attend both ways, to what follows too"
        if not _tokens(config, _IMAGE_TOKENS):
            return "its config names no token that stands for an image in input_ids"
        if unknown := _unknown(layers, _LAYER_ARGUMENTS):
            return f"its layers are also given {unknown}, which FastV cannot shorten"
        known = {*_DECODER_ARGUMENTS, *(deepstack.ARGUMENTS if deepstack.adds_features(decoder) else ())}
        if unknown := _unknown([decoder], known):
            return f"its decoder is also given {unknown}, which FastV cannot shorten"
        return None

    @staticmethod
    def _crosses(layer: nn.Module) -> bool:
        return any(name.rpartition(".")[2] in _MODULES for name, _ in layer.named_modules())

    def decoder(self, model: nn.Module) -> nn.Module:
        found: Any = base_of(model).get_decoder()  # type: ignore[operator]
        while not hasattr(found, "layers"):
            inner = next((part for name in _INNER if (part := getattr(found, name, None)) is not None), None)
            if inner is None:
                break
            found = inner
        return found

    def while_pruned(self, model: nn.Module, kept: KeptColumns) -> AbstractContextManager[Any]:
        decoder = self.decoder(model)
        return deepstack.features_cut_along(decoder, kept) if deepstack.adds_features(decoder) else nullcontext()

    def visual_token_ids(self, config: PreTrainedConfig) -> tuple[int, ...]:
        return self._tokens

    def sequence_length(
        self, model: nn.Module, attention_mask: Tensor | None, position_ids: Tensor | None
    ) -> int | None:
        return sequence_length(model, attention_mask, position_ids)

    def frames(self, config: PreTrainedConfig, inputs: Mapping[str, Tensor]) -> list[Frame] | None:
        return None

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        raise UnsupportedModelError(f"The cost of a model with model_type {settings.get('model_type')!r} is not known.")


def _tokens(config: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    found = (getattr(config, name, None) for name in names)
    return tuple(token for token in found if isinstance(token, int))


def _unknown(modules: Any, known: set[str]) -> str:
    """What their forwards take beyond that, for a sentence; empty where it is nothing."""
    found: dict[str, None] = {}
    for kind in {type(module) for module in modules}:
        parameters = list(inspect.signature(kind.forward).parameters.values())[1:]
        names = [
            one.name for one in parameters if one.kind is not one.VAR_KEYWORD and one.kind is not one.VAR_POSITIONAL
        ]
        found |= dict.fromkeys(name for name in names if name not in known)
    return ", ".join(found)


def _around(model: nn.Module, decoder: nn.Module) -> tuple[str, ...]:
    """Names of the outermost modules that hold nothing of the decoder's layers."""
    inside = {id(part) for part in decoder.layers.modules()}  # type: ignore[union-attr]

    def outside(module: nn.Module, path: str) -> list[str]:
        if id(module) in inside:
            return []
        if not any(id(part) in inside for part in module.modules()):
            return [path]
        return [name for child, part in module.named_children() for name in outside(part, f"{path}.{child}".strip("."))]

    return tuple(outside(model, ""))
