"""Sizes of Gemma 4: its decoder's layers differ in heads, keys and FFN, and its tower reads pictures of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import floor, sqrt
from typing import Any

from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.shapes import DecoderShape, ModelShape
from fastv.families.tiled_shapes import LinearProjectorShape
from fastv.families.vision_shapes import DynamicVisionShape

#: Visual tokens that the processor may allow a picture (``max_soft_tokens``), and what it allows by itself.
BUDGETS = (70, 140, 280, 560, 1120)
DEFAULT_BUDGET = 280
_MOST_LAYERS = 10_000  # more than any model has: configs may be anyone's


@dataclass(frozen=True)
class Gemma4DecoderShape(DecoderShape):
    """Sliding layers as the base class has them, and beside them full ones with sizes of their own.

    full: kv_heads, head_dim and kv_matrices of full layers. shared: so many last layers read earlier ones' keys.
    shared_ffn_width: of theirs. side_vocabulary: rows of the table that the layers' own inputs come from.
    """

    full: tuple[int, int, int] = (0, 0, 0)
    shared: int = 0
    shared_ffn_width: int = 0
    side_vocabulary: int = 0

    @cached_property
    def kinds(self) -> tuple[DecoderShape, ...]:
        """Sliding and full layers, then those of both that read earlier ones' keys."""
        plain = {name: getattr(self, name) for name in DecoderShape.__dataclass_fields__}
        kv_heads, head_dim, kv_matrices = self.full
        sliding = DecoderShape(**plain)
        full = replace(sliding, kv_heads=kv_heads, head_dim=head_dim, kv_matrices=kv_matrices)
        reading = [replace(kind, kv_matrices=0, ffn_width=self.shared_ffn_width) for kind in (sliding, full)]
        return (sliding, full, *reading)

    def kind_of(self, layer: int) -> int:
        return int(not self.window_of(layer)) + 2 * (layer >= self.layers - self.shared)

    @property
    def other_parameters(self) -> int:
        """Weights outside those matrices: embeddings, both tables of them, norms, experts and routers."""
        embeddings = self.vocabulary * self.width * (1 if self.tied_embeddings else 2)
        side = self.layers * self.side_width * (self.side_vocabulary + self.width) + self.side_width
        norms = (self.layer_norms * self.layers + 1) * self.width
        heads = sum(kind.head_dim * (2 if kind.kv_matrices else 1) for kind in map(self.layer, range(self.layers)))
        experts = self.experts * (self.width * (self.ffn_matrices * self.ffn_width + 1) + 1)  # router's row and scale
        router = self.width if self.experts else 0
        return embeddings + side + norms + heads + self.layers * (experts + router)


@dataclass(frozen=True)
class Gemma4VisionShape(DynamicVisionShape):
    """Patches without biases, padded to the same number for every picture; squares of them are averaged.

    budget: visual tokens that a picture may have. positions: rows of each of the two tables of positions.
    """

    budget: int = DEFAULT_BUDGET
    positions: int = 0
    head_dim: int = 0

    @property
    def parameters(self) -> int:
        width = self.width
        entry = self.channels * self.patch_size**2 * width + 2 * self.positions * width
        return entry + self.layers * (4 * width**2 + 3 * width * self.ffn_width + 4 * width + 2 * self.head_dim)

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """By the tokens that the tower makes, padding included; averaging is a product with all patches too."""
        if not pictures:
            return 0.0
        averaged = 2.0 * visual_tokens * visual_tokens * self.merge**2 / pictures * self.width
        return super().flops(visual_tokens, pictures, 0) + averaged

    def encoded_tokens(self, visual_tokens: int, pictures: int) -> int:
        """As many as a picture may have, by the least budget that these fit."""
        each = visual_tokens / pictures if pictures else 0
        allowed = [budget for budget in (self.budget, *BUDGETS) if budget >= each and budget >= self.budget]
        return pictures * allowed[0] if allowed else visual_tokens

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        side = self.patch_size * self.merge
        scale = sqrt(self.budget * side**2 / (height * width))
        rows, columns = floor(height * scale / side), floor(width * scale / side)
        if rows == 0:
            return min(width // height, self.budget)
        return rows * columns if columns else min(height // width, self.budget)

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        return 0  # videos are not prepared here


def read_text(settings: Mapping[str, Any]) -> Gemma4DecoderShape:
    """The decoder in a ``text_config``."""
    settings = {"head_dim": 256, "tie_word_embeddings": True, **settings}
    layers, pattern = min(size(settings, "num_hidden_layers", 30), _MOST_LAYERS), 6
    listed = settings.get("layer_types")
    sliding = (
        [kind == "sliding_attention" for kind in listed] if listed else [bool((i + 1) % pattern) for i in range(layers)]
    )
    sliding[-1] = False
    experts = size(settings, "num_experts") if settings.get("enable_moe_block") else 0
    side = settings.get("hidden_size_per_layer_input", 256) or 0
    plain = llama_like(
        settings,
        width=2304,
        ffn_width=9216,
        layers=30,
        heads=8,
        kv_heads=4,
        vocabulary=262_144,
        head_norms=True,
        layer_norms=4 + bool(side) + 3 * bool(experts),
        window=size(settings, "sliding_window", 512),
        sliding=tuple(sliding),
    )
    fields = {name: getattr(plain, name) for name in DecoderShape.__dataclass_fields__}
    if experts:
        fields |= {
            "experts": experts,
            "experts_per_token": size(settings, "top_k_experts"),
            "dense_width": plain.ffn_width,
            "ffn_width": size(settings, "moe_intermediate_size"),
        }
    same = bool(settings.get("attention_k_eq_v"))
    kv_heads, head_dim = _full_sizes(settings, plain, sliding.index(False))
    shared = int(settings.get("num_kv_shared_layers") or 0)
    return Gemma4DecoderShape(
        **fields | {"side_width": side},
        full=(kv_heads, head_dim, 1 if same else 2),
        shared=shared,
        shared_ffn_width=fields["ffn_width"] * (2 if settings.get("use_double_wide_mlp") else 1),
        side_vocabulary=size(settings, "vocab_size_per_layer_input", 262_144) if side else 0,
    )


def _full_sizes(settings: Mapping[str, Any], plain: DecoderShape, layer: int) -> tuple[int, int]:
    """kv_heads and head_dim of full layers, of which ``layer`` is one: as the hub's configs have them, or as
    transformers' config objects do, which tell what differs layer by layer.
    """
    by_layer = settings.get("per_layer_config")
    if by_layer is not None:
        listed = as_dict(by_layer, "per_layer_config")
        own = as_dict(
            next((listed[name] for name in listed if str(name).isdigit() and int(name) == layer), {}), "a layer"
        )
        return size(own, "num_key_value_heads", plain.kv_heads), size(own, "head_dim", plain.head_dim)
    several = "num_global_key_value_heads" if settings.get("attention_k_eq_v") else "num_key_value_heads"
    return size(settings, several, plain.kv_heads), size(settings, "global_head_dim", 512)


def read_model(settings: Mapping[str, Any]) -> ModelShape:
    """All sizes; those of a tower for sounds as weights alone."""
    decoder = read_text(as_dict(settings.get("text_config") or {}, "text_config"))
    tower = as_dict(settings.get("vision_config") or {}, "vision_config")
    width = size(tower, "hidden_size", 768)
    vision = Gemma4VisionShape(
        width=width,
        ffn_width=size(tower, "intermediate_size", 3072),
        layers=size(tower, "num_hidden_layers", 16),
        patch_size=size(tower, "patch_size", 16),
        channels=3,
        merge=size(tower, "pooling_kernel_size", 3),
        patch_frames=1,
        ffn_matrices=3,
        norm_bias=False,
        budget=size(tower, "default_output_length", DEFAULT_BUDGET),
        positions=size(tower, "position_embedding_size", 10_240),
        head_dim=size(tower, "head_dim", 64),
    )
    projector = LinearProjectorShape(width, vision.picture_tokens(672, 672, 0, 0), bias=False)
    return ModelShape(decoder, vision, projector, _sounds(settings.get("audio_config"), decoder.width))


def _sounds(config: Any, decoder_width: int) -> int:
    """Weights of the tower for sounds and of the projector behind it; 0 where there is none."""
    if config is None:
        return 0
    tower = as_dict(config, "audio_config")
    width, layers = size(tower, "hidden_size", 1024), size(tower, "num_hidden_layers", 12)
    heads, kernel = size(tower, "num_attention_heads", 8), size(tower, "conv_kernel_size", 5)
    output = size(tower, "output_proj_dims", 1536)
    first, second = tower.get("subsampling_conv_channels") or (128, 32)
    entry = 9 * first + first + 9 * first * second + second + (first // 4) * second * width
    ffns = 2 * (8 * width**2 + 2 * width)
    attention = 5 * width**2 + width // heads
    convolution = 3 * width**2 + kernel * width + 2 * width
    return (
        entry + layers * (ffns + attention + convolution + 3 * width) + width * output + output + output * decoder_width
    )
