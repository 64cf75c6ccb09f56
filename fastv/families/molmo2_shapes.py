"""Sizes of Molmo2: a decoder with some embeddings beside its vocabulary, overlapping tiles, and a pooling adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Any

from fastv.families.config_fields import as_dict, size
from fastv.families.decoders import llama_like
from fastv.families.shapes import DecoderShape, ProjectorShape
from fastv.families.tiled_shapes import TiledVisionShape, area

FRAME_POOL = (3, 3)  # rows and columns of patches that become a visual token of a video's frame


@dataclass(frozen=True)
class Molmo2DecoderShape(DecoderShape):
    """further_words: embeddings beside the vocabulary, which the head does not know. wide_norms: of all queries and all
    keys of a token, in place of those head by head.
    """

    further_words: int = 0
    wide_norms: bool = False

    @property
    def other_parameters(self) -> int:
        norms = self.layers * (self.heads + self.kv_heads) * self.head_dim * self.wide_norms
        return super().other_parameters + self.further_words * self.width + norms


@dataclass(frozen=True)
class TileLimits:
    """How Molmo2's processor cuts a picture into tiles that overlap.

    side: patches of a tile's side. margin: patches on either side that a tile shares with its neighbours. pool: patches
    of a visual token's side. most: tiles at most.
    """

    side: int = 27
    patch: int = 14
    margins: tuple[int, int] = (4, 4)
    pool: tuple[int, int] = (2, 2)
    most: int = 8

    @property
    def window(self) -> int:
        """Patches by which a tile stands beside the one before."""
        return self.side - sum(self.margins)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tiles: those that enlarge a picture least, or where all shrink it, shrink it least."""
        grids = [(rows, columns) for rows in range(1, self.most + 1) for columns in range(1, self.most // rows + 1)]
        grids.sort(key=lambda grid: (area(grid), grid[0]))
        inner = [side - sum(self.margins) * self.patch for side in (height, width)]
        scales = [min(map(self._scale, grid, inner)) for grid in grids]
        if all(scale < 1 for scale in scales):
            return grids[scales.index(max(scales))]
        enough = [scale if scale >= 1 else float("inf") for scale in scales]
        return grids[enough.index(min(enough))]

    def _scale(self, tiles: int, inner: int) -> float:
        return tiles * self.window * self.patch / inner if inner else float("inf")

    def canvas(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of patches that so many tiles cover."""
        rows, columns = (tiles * self.window + sum(self.margins) for tiles in grid)
        return rows, columns

    def pooled(self, patches: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of visual tokens of so many patches."""
        return ceil(patches[0] / self.pool[0]), ceil(patches[1] / self.pool[1])

    def tokens(self, grid: tuple[int, int]) -> int:
        """Visual tokens of a picture of so many tiles, its overview included."""
        return area(self.pooled((self.side, self.side))) + area(self.pooled(self.canvas(grid)))


@dataclass(frozen=True)
class Molmo2VisionShape(TiledVisionShape):
    """A tower without norms before and after its layers. limits: how pictures are cut."""

    limits: TileLimits = TileLimits()

    def tiles(self, height: int, width: int) -> int:
        return area(self.limits.grid(height, width)) + 1

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        return self.limits.tokens(self.limits.grid(height, width))

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        return frames * self.frame_tokens

    @property
    def frame_tokens(self) -> int:
        """Visual tokens of a video's frame, which is one tile."""
        return area(replace(self.limits, pool=FRAME_POOL).pooled((self.limits.side,) * 2))

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        return super().flops(self._tiles(visual_tokens, pictures, frames) * self.tile_tokens, pictures, frames)

    def observed_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        tiles = self._tiles(visual_tokens, pictures, frames)
        return super().observed_flops(tiles * self.tile_tokens, pictures, frames)

    def _tiles(self, visual_tokens: int, pictures: int, frames: int) -> int:
        """Those that so many visual tokens come from, of pictures that are alike and of frames."""
        if not pictures:
            return frames
        known, each = _tiles_by_tokens(self.limits), (visual_tokens - frames * self.frame_tokens) / pictures
        return frames + pictures * known[min(known, key=lambda tokens: abs(tokens - each))]


@lru_cache(maxsize=16)
def _tiles_by_tokens(limits: TileLimits) -> Mapping[int, int]:
    """Visual tokens of a picture -> tiles that it is read as, the overview included."""
    grids = [(rows, columns) for rows in range(1, limits.most + 1) for columns in range(1, limits.most // rows + 1)]
    return {limits.tokens(grid): area(grid) + 1 for grid in grids}


@dataclass(frozen=True)
class PoolingProjectorShape(ProjectorShape):
    """Attention from the mean of some patches to these patches, of ``input_width`` numbers each, then a gated FFN.

    inner_width: of the attention. ffn_width: of the FFN. pooled: patches that become a visual token; of a frame there
    are as many as in ``FRAME_POOL``.
    """

    ffn_width: int = 0
    pooled: int = 4

    def parameters(self, width: int) -> int:
        inner = self.inner_width
        attention = 3 * self.input_width * inner + inner * inner + (4 * inner if self.bias else 0)
        return attention + self.ffn_width * (2 * inner + width)

    def prompt_flops(self, width: int, tokens: int, frames: int) -> float:
        own = frames * self.frame_tokens
        return self.flops(width, tokens - own) + replace(self, pooled=area(FRAME_POOL)).flops(width, own)

    def flops(self, width: int, tokens: int) -> float:
        inner, pooled = self.inner_width, self.pooled
        attention = (1 + 2 * pooled) * self.input_width * inner + inner * inner + 2 * pooled * inner
        return 2.0 * tokens * (attention + self.ffn_width * (2 * inner + width))


def molmo2_text(settings: Mapping[str, Any]) -> Molmo2DecoderShape:
    """The decoder, by the defaults of its config class."""
    by_head = settings.get("qk_norm_type", "qwen3") == "qwen3"
    plain = llama_like(
        {"head_dim": 128, **settings, "attention_bias": False},
        ffn_width=12_288,
        layers=36,
        kv_heads=8,
        vocabulary=151_936,
        qkv_bias=bool(settings.get("attention_bias") or settings.get("qkv_bias")),
        head_norms=by_head,
    )
    further = settings.get("additional_vocab_size")
    return Molmo2DecoderShape(
        **{name: getattr(plain, name) for name in DecoderShape.__dataclass_fields__},
        further_words=size(settings, "additional_vocab_size", 128) if further != 0 else 0,
        wide_norms=not by_head,
    )


def molmo2_tower(tower: Mapping[str, Any], taken: Any) -> Molmo2VisionShape:
    """The tower in a ``vision_config``.

    taken: in the first files, whose ``vit_config`` it is, the layers taken, beyond the last of which none are there.
    """
    patch = size(tower, "image_patch_size" if "image_patch_size" in tower else "patch_size", 14)
    given = tower.get("image_default_input_size") or tower.get("image_size") or (378, 378)
    side = size({"image_size": given[0] if isinstance(given, (list, tuple)) else given}, "image_size") // patch
    limits = TileLimits(side=side, patch=patch)
    layers = size(tower, "num_hidden_layers", 25)
    if taken:
        layers = max(layer % layers for layer in taken) + 1
    return Molmo2VisionShape(
        width=size(tower, "hidden_size", 1152),
        ffn_width=size(tower, "intermediate_size", 4304),
        layers=layers,
        patches=side**2,
        patch_size=patch,
        channels=size(tower, "num_channels", 3),
        tile_tokens=area(limits.pooled((side, side))),
        qkv_bias=bool(tower.get("attention_bias", True)),
        outer_norms=0,
        limits=limits,
    )


def pooling_adapter(settings: Mapping[str, Any], tower: Molmo2VisionShape, tokens: int) -> PoolingProjectorShape:
    """The adapter in an ``adapter_config``."""
    adapter = as_dict(settings, "adapter_config")
    own = size(adapter, "hidden_size", 1152)
    taken = adapter.get("vision_feature_layer") or adapter.get("vit_layers") or (24, 18)
    return PoolingProjectorShape(
        own * len(taken),
        tokens,
        bias=bool(adapter.get("attention_bias", True)),
        inner_width=size(adapter, "num_attention_heads", 16) * size(adapter, "head_dim", 72),
        ffn_width=size(adapter, "intermediate_size", 18_944),
        pooled=area(tower.limits.pool),
        frame_tokens=tower.frame_tokens,
    )
