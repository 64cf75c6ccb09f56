"""Sizes of vision towers: for pictures of one size, and for pictures of any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor, sqrt

from fastv.families.shapes import VisionShape


@dataclass(frozen=True)
class FixedVisionShape(VisionShape):
    """A CLIP-like tower for pictures of one size. Every layer reads the patches and one class token.

    towers: how many such there are, each with its own weights; a picture, or a video's frame, goes through one.
    """

    width: int
    ffn_width: int
    layers: int
    patches: int
    patch_size: int
    channels: int
    towers: int = 1
    heads: int = 0

    @property
    def parameters(self) -> int:
        width, ffn = self.width, self.ffn_width
        patches = self.channels * self.patch_size**2 * width
        positions = (self.patches + 1) * width
        layer = 4 * (width * width + width) + (2 * width * ffn + ffn + width) + 4 * width  # attention, FFN, two norms
        tower = width + patches + positions + self.layers * layer + 4 * width  # class token first, outer norms last
        return self.towers * tower

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """Every layer counts, also the last, which runs though LLaVA-1.5 does not use its output."""
        tokens = self.patches + 1
        patches = 2.0 * self.patches * self.channels * self.patch_size**2 * self.width
        attention = 8.0 * tokens * self.width**2 + 4.0 * tokens**2 * self.width
        ffn = 4.0 * tokens * self.width * self.ffn_width
        return (pictures + frames) * (patches + self.layers * (attention + ffn))

    def observed_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        return 2.0 * (pictures + frames) * (self.patches + 1) * self.width

    def with_fewer_patches(self, share: float) -> FixedVisionShape:
        return replace(self, patches=round(self.patches * share))


@dataclass(frozen=True)
class DynamicVisionShape(VisionShape):
    """A Qwen-VL-like tower for pictures of any size, which merges ``merge`` x ``merge`` patches into a visual token.

    A patch spans ``patch_frames`` frames. Layers attend to the whole picture, or to windows of ``window`` patches a
    side in all but ``full_attention_layers`` of them (window = 0: there are no windows). norm_bias: LayerNorm, not
    RMSNorm.
    """

    any_size = True

    width: int
    ffn_width: int
    layers: int
    patch_size: int
    channels: int
    merge: int
    patch_frames: int
    window: int = 0
    full_attention_layers: int = 0
    ffn_matrices: int = 2
    norm_bias: bool = True
    heads: int = 0

    @property
    def parameters(self) -> int:
        width, ffn = self.width, self.ffn_width
        patches = self.channels * self.patch_frames * self.patch_size**2 * width
        norm = (1 + self.norm_bias) * width
        attention = 4 * (width * width + width)
        layer = attention + self.ffn_matrices * width * ffn + (self.ffn_matrices - 1) * ffn + width + 2 * norm
        return patches + self.layers * layer + norm  # the last norm stands before the projector

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """Pictures are taken to be of one size, and windows to be full: at a picture's edge they may be smaller."""
        pictures += ceil(frames / self.patch_frames)
        if not pictures:
            return 0.0
        patches = visual_tokens * self.merge**2
        inputs = self.channels * self.patch_frames * self.patch_size**2
        ffn = 2.0 * self.ffn_matrices * patches * self.width * self.ffn_width
        linear = 8.0 * patches * self.width**2 + ffn
        windowed = self.layers - self.full_attention_layers if self.window else 0
        seen = patches / pictures
        spans = (self.layers - windowed) * seen + windowed * min(seen, self.window**2)
        return 2.0 * patches * inputs * self.width + self.layers * linear + 4.0 * patches * spans * self.width

    def observed_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """In the layer that is observed a patch attends to the whole picture."""
        pictures += ceil(frames / self.patch_frames)
        patches = visual_tokens * self.merge**2
        return 2.0 * patches * (patches / pictures) * self.width if pictures else 0.0

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int:
        side = self.patch_size * self.merge
        rows, columns = round(height / side), round(width / side)
        if rows * columns * side**2 > max_pixels:
            shrink = sqrt(max_pixels / (height * width))
            return max(1, floor(height * shrink / side)) * max(1, floor(width * shrink / side))
        if rows * columns * side**2 < min_pixels:
            grow = sqrt(min_pixels / (height * width))
            return ceil(height * grow / side) * ceil(width * grow / side)
        return rows * columns

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        side = self.patch_size * self.merge
        return ceil(frames / self.patch_frames) * (height // side) * (width // side)
