"""The few numbers that costs are computed from: what a decoder, a vision tower and the projector between are made of.

Each part counts its own weights, and what stands before the decoder its own FLOPs (two per multiply-add), so that a
family with another kind of vision tower brings a shape of its own and nothing else changes. No torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

#: Least and most pixels of a picture that Qwen-VL's processors scale to, as in the checkpoints' own settings.
MIN_PIXELS, MAX_PIXELS = 56 * 56, 28 * 28 * 16384


@dataclass(frozen=True)
class DecoderShape:
    """A LLaMA-like decoder: pre-norm layers, rotary attention (heads may share keys and values), gated FFN.

    attention_bias: of queries, keys and values; output_bias: of the projection after them. head_norms: of queries and
    keys, head by head. layer_norms: of the width, in each layer. experts: how many FFNs of ``ffn_width`` each layer
    has, of which ``experts_per_token`` run, and a router; 0 for one FFN without a router. window: tokens that
    sliding layers see, of which they cache one less; sliding: which layers these are, over and over again.
    kv_matrices: that make keys and values: 1 where both are the same, 0 where the layer reads an earlier one's, and so
    reads the prompt's last position alone. gated: each head's output is multiplied by a gate, which the matrix of the
    queries makes too. dense_width: of an FFN beside the experts; gated_dense: its output is multiplied by a gate.
    side_width: of an input that each layer is given beside the hidden states.
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
    head_norms: bool = False
    layer_norms: int = 2
    experts: int = 0
    experts_per_token: int = 0
    window: int = 0
    sliding: tuple[bool, ...] = ()
    kv_matrices: int = 2
    gated: bool = False
    dense_width: int = 0
    gated_dense: bool = False
    side_width: int = 0

    @property
    def kinds(self) -> tuple[DecoderShape, ...]:
        """The sizes of each kind of layer that it has, by ``kind_of``."""
        return (self,)

    def kind_of(self, layer: int) -> int:
        """Which of ``kinds`` a layer is."""
        return 0

    def layer(self, number: int) -> DecoderShape:
        """The sizes of one layer."""
        return self.kinds[self.kind_of(number)]

    def entry_flops(self, tokens: float) -> float:
        """FLOPs (``exact``) before the first layer: what makes the inputs of each layer's own."""
        return 2.0 * tokens * self.width * self.layers * self.side_width

    def window_of(self, layer: int) -> int:
        """The window of a layer; 0 where it sees everything."""
        return self.window if self.sliding and self.sliding[layer % len(self.sliding)] else 0

    @property
    def layer_matrices(self) -> list[tuple[int, int]]:
        """(output, input) sizes of the linear layers inside one decoder layer: the weights that may be quantized."""
        found = self.mixing_matrices
        if self.side_width:
            found += [(self.side_width, self.width), (self.width, self.side_width)]
        if self.gated_dense:
            found += [(1, self.width)]
        # Experts stand in one tensor for all of them, and are not quantized.
        ffn = self.dense_width if self.experts else self.ffn_width
        return found + [(ffn, self.width)] * (self.ffn_matrices - 1) + [(self.width, ffn)] if ffn else found

    @property
    def mixing_matrices(self) -> list[tuple[int, int]]:
        """Those of them by which a layer's tokens see each other: queries, keys, values and output."""
        attention, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        queries = 2 * attention if self.gated else attention
        return [(queries, self.width), *[(kv, self.width)] * self.kv_matrices, (self.width, attention)]

    @property
    def recurrent(self) -> bool:
        """Whether a layer keeps a state of what it reads, always as large, in place of keys and values."""
        return False

    def recurrence_flops(self, tokens: float, paper: bool) -> float:
        """FLOPs of a layer that keeps a state, for so many new tokens, without its FFN."""
        return 0.0

    def state_bytes(self, element_bytes: int) -> int:
        """Bytes of the state that a layer keeps of one sequence, in a model of so many bytes a number."""
        return 0

    @property
    def working_ffns(self) -> int:
        """FFNs of a layer that work on each token."""
        return self.experts_per_token or 1

    @property
    def other_parameters(self) -> int:
        """Weights outside those matrices: embeddings (tied ones once), lm_head, experts, norms and biases."""
        embeddings = self.vocabulary * self.width * (1 if self.tied_embeddings else 2)
        norms = (self.layer_norms * self.layers + 1) * self.width
        biases = 0
        if self.attention_bias:
            biases += ((1 + self.gated) * self.heads + 2 * self.kv_heads) * self.head_dim
        if self.output_bias:
            biases += self.width
        if self.ffn_bias:
            biases += (self.ffn_matrices - 1) * self.ffn_width + self.width
        if self.head_norms:
            norms += 2 * self.layers * self.head_dim
        return embeddings + norms + self.layers * (biases + self.expert_parameters)

    @property
    def expert_parameters(self) -> int:
        """Weights of one layer's experts and their router."""
        return self.experts * self.width * (self.ffn_matrices * self.ffn_width + 1)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.linear_parameters + self.other_parameters

    @property
    def linear_parameters(self) -> int:
        """Number of weights of the linear layers inside all layers."""
        each = [sum(rows * columns for rows, columns in kind.layer_matrices) for kind in self.kinds]
        return sum(each[self.kind_of(layer)] for layer in range(self.layers))


class VisionShape(ABC):
    """A vision tower: what every kind of it tells."""

    any_size: ClassVar[bool] = False  # whether a picture's visual tokens depend on its size
    layers: int
    width: int
    heads: int

    @property
    def head_width(self) -> int:
        """Numbers of a key of one head; of all heads together where their count was not read."""
        return self.width // self.heads if self.heads else self.width

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of weights of all towers."""

    @abstractmethod
    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """FLOPs for all ``pictures`` and all ``frames`` of videos of one prompt, which become ``visual_tokens``."""

    def observed_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """FLOPs of looking at one layer's attention for the same: the products of queries and keys once more, of the
        class token's query, or where there is none of all of them.
        """
        return 0.0

    def with_fewer_patches(self, share: float) -> VisionShape:
        """The same, reading pictures of this share of their patches. Its ``parameters`` mean nothing."""
        return self

    def encoded_tokens(self, visual_tokens: int, pictures: int) -> int:
        """How many tokens the tower makes for pictures that stand in the prompt as so many visual tokens."""
        return visual_tokens

    def picture_tokens(self, height: int, width: int, min_pixels: int, max_pixels: int) -> int | None:
        """Visual tokens of a picture of this size; None where they are the projector's, whatever the size."""
        return None

    def video_tokens(self, frames: int, height: int, width: int) -> int | None:
        """Visual tokens of a video, its frames already scaled; None where each has the projector's."""
        return None


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

    def parameters(self, width: int) -> int:
        """Number of weights before a decoder of this ``width``."""
        inner = self.inner_width or width
        return self.input_width * inner + inner * width + (inner + width if self.bias else 0)

    def flops(self, width: int, tokens: int) -> float:
        """FLOPs for so many visual tokens before a decoder of this ``width``."""
        return 2.0 * tokens * (self.inner_width or width) * (self.input_width + width)

    def prompt_flops(self, width: int, tokens: int, frames: int) -> float:
        """FLOPs for all visual tokens of a prompt, those of so many frames of videos among them."""
        return self.flops(width, tokens)


@dataclass(frozen=True)
class ModelShape:
    """All sizes of a model; ``vision`` and ``projector`` are None when the config is of a decoder alone.

    further_parameters: weights that a picture and its question do not meet, such as a tower's for sounds.
    """

    decoder: DecoderShape
    vision: VisionShape | None = None
    projector: ProjectorShape | None = None
    further_parameters: int = 0

    @property
    def parameters(self) -> int:
        """Number of weights of the whole model, tied ones once."""
        vision = self.vision.parameters if self.vision else 0
        projector = self.projector.parameters(self.decoder.width) if self.projector else 0
        return self.decoder.parameters + vision + projector + self.further_parameters

    @property
    def any_size(self) -> bool:
        """Whether the visual tokens of a picture depend on its size."""
        return self.vision is not None and self.vision.any_size

    def encoded_tokens(self, visual_tokens: int, pictures: int) -> int:
        """As the vision tower's; as many where there is none."""
        return self.vision.encoded_tokens(visual_tokens, pictures) if self.vision else visual_tokens

    def vision_tower_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """FLOPs of the vision tower for a prompt's pictures and frames of video; 0 where there is no tower."""
        return self.vision.flops(visual_tokens, pictures, frames) if self.vision else 0.0

    def projector_flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        """FLOPs of the projector for the same; 0 where there is none."""
        if self.projector is None:
            return 0.0
        if self.any_size:
            tokens = visual_tokens if pictures or frames else 0
            return self.projector.prompt_flops(self.decoder.width, tokens, frames)
        tokens = pictures * self.projector.tokens + frames * self.projector.frame_tokens
        return self.projector.flops(self.decoder.width, tokens)

    def with_fewer_patches(self, share: float) -> ModelShape:
        """The same, for what runs before the decoder where pictures are read with this share of their patches."""
        if self.vision is None or self.projector is None:
            return self
        projector = replace(
            self.projector,
            tokens=round(self.projector.tokens * share),
            frame_tokens=round(self.projector.frame_tokens * share),
        )
        return replace(self, vision=self.vision.with_fewer_patches(share), projector=projector)

    def picture_tokens(
        self, height: int, width: int, min_pixels: int = MIN_PIXELS, max_pixels: int = MAX_PIXELS
    ) -> int:
        """Visual tokens of a picture of so many pixels; where they depend on it, the processor scales it between both
        bounds.
        """
        found = self.vision.picture_tokens(height, width, min_pixels, max_pixels) if self.vision else None
        if found is not None:
            return found
        return self.projector.tokens if self.projector else 0

    def video_tokens(self, frames: int, height: int, width: int) -> int:
        """Visual tokens of a video whose frames have so many pixels once they are scaled; 0 if it reads no videos."""
        found = self.vision.video_tokens(frames, height, width) if self.vision else None
        if found is not None:
            return found
        return frames * self.projector.frame_tokens if self.projector else 0
