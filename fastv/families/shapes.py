"""The few numbers that costs are computed from: what a decoder, a vision tower and what joins them are made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt

#: Least and most pixels of a picture that Qwen-VL's processors scale to, as in the checkpoints' own settings.
MIN_PIXELS, MAX_PIXELS = 56 * 56, 28 * 28 * 16384


@dataclass(frozen=True)
class DecoderShape:
    """A LLaMA-like decoder: pre-norm layers, rotary attention (heads may share keys and values), gated FFN.

    attention_bias: of queries, keys and values; output_bias: of the projection after them.
    """

    width: int
    ffn_width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    ffn_matrices: int = 3
    attention_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    tied_embeddings: bool = False


@dataclass(frozen=True)
class VisionShape:
    """A CLIP-like vision tower. It reads the patches plus one class token, in every one of its layers.

    towers: how many such there are, each with its own weights; a picture, or a video's frame, goes through one.
    """

    width: int
    ffn_width: int
    layers: int
    patches: int
    patch_size: int
    channels: int
    towers: int = 1


@dataclass(frozen=True)
class FlexibleVisionShape:
    """Qwen-VL's vision tower, which takes pictures of any size and merges ``merge`` x ``merge`` patches into a token.

    A patch spans ``patch_frames`` frames. Layers attend to the whole picture, or to windows of ``window`` patches a
    side in all but ``whole_layers`` of them (window = 0: there are no windows). norm_bias: LayerNorm, not RMSNorm.
    """

    width: int
    ffn_width: int
    layers: int
    patch_size: int
    channels: int
    merge: int
    patch_frames: int
    window: int = 0
    whole_layers: int = 0
    ffn_matrices: int = 2
    norm_bias: bool = True


@dataclass(frozen=True)
class ProjectorShape:
    """Two linear layers, input_width -> inner_width -> decoder width, run on each visual token.

    inner_width: 0 means the decoder's. tokens: of a picture; where that depends on the picture's size, of one of
    672 x 672. frame_tokens: of a video's frame, 0 where it depends on the size or there are no videos.
    """

    input_width: int
    tokens: int
    bias: bool = True
    inner_width: int = 0
    frame_tokens: int = 0


@dataclass(frozen=True)
class Shape:
    """All sizes of a model; ``vision`` and ``projector`` are None when the config is of a decoder alone."""

    decoder: DecoderShape
    vision: VisionShape | FlexibleVisionShape | None = None
    projector: ProjectorShape | None = None

    @property
    def any_size(self) -> bool:
        """Whether the visual tokens of a picture depend on its size."""
        return isinstance(self.vision, FlexibleVisionShape)

    def picture_tokens(
        self, height: int, width: int, min_pixels: int = MIN_PIXELS, max_pixels: int = MAX_PIXELS
    ) -> int:
        """Visual tokens of a picture of so many pixels; where they depend on it, the processor scales it between both
        bounds.
        """
        if not isinstance(self.vision, FlexibleVisionShape):
            return self.projector.tokens if self.projector else 0
        side = self.vision.patch_size * self.vision.merge
        rows, columns = round(height / side), round(width / side)
        if rows * columns * side**2 > max_pixels:
            shrink = sqrt(max_pixels / (height * width))
            return max(1, floor(height * shrink / side)) * max(1, floor(width * shrink / side))
        if rows * columns * side**2 < min_pixels:
            grow = sqrt(min_pixels / (height * width))
            return ceil(height * grow / side) * ceil(width * grow / side)
        return rows * columns

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        """Visual tokens of a video whose frames have so many pixels once they are scaled; 0 if it reads no videos."""
        if isinstance(self.vision, FlexibleVisionShape):
            side = self.vision.patch_size * self.vision.merge
            return ceil(frames / self.vision.patch_frames) * (height // side) * (width // side)
        return frames * self.projector.frame_tokens if self.projector else 0
