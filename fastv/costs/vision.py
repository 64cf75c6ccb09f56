"""What stands before the decoder, in FLOPs (two per multiply-add) and in weights: vision tower and projector."""

from __future__ import annotations

from math import ceil

from fastv.families.shapes import FlexibleVisionShape, ProjectorShape, Shape, VisionShape


def tower_flops(vision: VisionShape | FlexibleVisionShape, visual_tokens: int, pictures: int, frames: int) -> float:
    """Of a prompt's pictures and frames of video together; towers of any size go by their ``visual_tokens``."""
    if isinstance(vision, VisionShape):
        return (pictures + frames) * _clip_flops(vision)
    return _flexible_flops(vision, visual_tokens, pictures + ceil(frames / vision.patch_frames))


def projector_flops(shape: Shape, visual_tokens: int, pictures: int, frames: int) -> float:
    projector, width = shape.projector, shape.decoder.width
    inner = projector.inner_width or width
    if shape.any_size:
        tokens = visual_tokens if pictures or frames else 0
    else:
        tokens = pictures * projector.tokens + frames * projector.frame_tokens
    return 2.0 * tokens * inner * (projector.input_width + width)


def _clip_flops(vision: VisionShape) -> float:
    """One picture through one tower. Every layer runs, also the last, whose output LLaVA-1.5 does not use."""
    tokens = vision.patches + 1
    patches = 2.0 * vision.patches * vision.channels * vision.patch_size**2 * vision.width
    attention = 8.0 * tokens * vision.width**2 + 4.0 * tokens**2 * vision.width
    ffn = 4.0 * tokens * vision.width * vision.ffn_width
    return patches + vision.layers * (attention + ffn)


def _flexible_flops(vision: FlexibleVisionShape, visual_tokens: int, pictures: int) -> float:
    """Pictures are taken to be of one size, and windows to be full: at a picture's edge real ones may be smaller."""
    if not pictures:
        return 0.0
    patches = visual_tokens * vision.merge**2
    numbers = vision.channels * vision.patch_frames * vision.patch_size**2
    ffn = 2.0 * vision.ffn_matrices * patches * vision.width * vision.ffn_width
    linear = 8.0 * patches * vision.width**2 + ffn
    windowed = vision.layers - vision.whole_layers if vision.window else 0
    seen = patches / pictures
    spans = (vision.layers - windowed) * seen + windowed * min(seen, vision.window**2)
    return 2.0 * patches * numbers * vision.width + vision.layers * linear + 4.0 * patches * spans * vision.width


def tower_parameters(vision: VisionShape | FlexibleVisionShape) -> int:
    """Weights of all towers."""
    if isinstance(vision, VisionShape):
        return vision.towers * _clip_parameters(vision)
    width, ffn = vision.width, vision.ffn_width
    patches = vision.channels * vision.patch_frames * vision.patch_size**2 * width
    norm = (1 + vision.norm_bias) * width
    attention = 4 * (width * width + width)
    layer = attention + vision.ffn_matrices * width * ffn + (vision.ffn_matrices - 1) * ffn + width + 2 * norm
    return patches + vision.layers * layer + norm  # the last norm stands before the projector


def _clip_parameters(vision: VisionShape) -> int:
    width, ffn = vision.width, vision.ffn_width
    patches = vision.channels * vision.patch_size**2 * width
    positions = (vision.patches + 1) * width
    layer = 4 * (width * width + width) + (2 * width * ffn + ffn + width) + 4 * width  # attention, FFN, two norms
    return width + patches + positions + vision.layers * layer + 4 * width  # class token first, outer norms last


def projector_parameters(projector: ProjectorShape, width: int) -> int:
    """Weights of the projector before a decoder of this width."""
    inner = projector.inner_width or width
    return projector.input_width * inner + inner * width + (inner + width if projector.bias else 0)
