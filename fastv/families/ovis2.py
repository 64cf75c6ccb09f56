"""Ovis2: a picture is 448 x 448, or an overview and tiles of that, each visual token a mean of a table's rows.

Between tiles stand indicator tokens, which show nothing of the picture and count as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastv.families.base import base_of
from fastv.families.config_fields import as_dict, reader_for, size
from fastv.families.decoders import DECODERS
from fastv.families.entry import ModelEntry
from fastv.families.shapes import ModelShape, ProjectorShape
from fastv.families.tiled_shapes import TiledVisionShape
from fastv.families.tiles import TiledFamily, patch_side, picture_side
from fastv.families.tower_layers import TowerLayer, TowerSequences

if TYPE_CHECKING:
    from torch import Tensor, nn

_PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{picture}\n{question}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
_TOWER = {"image_size": 448, "hidden_stride": 2, "vocab_size": 65536}
_COVERED = 0.9  # share of the picture that tiles must show at their own resolution, as the processor has it


@dataclass(frozen=True)
class Ovis2VisionShape(TiledVisionShape):
    """A tower of RMS norms and gated FFNs, and the head behind it.

    ffn_bias: of the FFNs. stride: patches of a visual token's side. words: rows of the table that visual tokens are
    means of; the last ``indicators`` are those of indicator tokens, which the head does not know.
    """

    ffn_bias: bool = False
    stride: int = 1
    words: int = 16384
    indicators: int = 5
    most_tiles: int = 12

    @property
    def parameters(self) -> int:
        width, ffn, known = self.width, self.ffn_width, self.words - self.indicators
        embeddings = self.channels * self.patch_size**2 * width + width + self.patches * width + width
        layer = 4 * width * width + 3 * width * ffn + 2 * width
        layer += 4 * width * self.qkv_bias + (2 * ffn + width) * self.ffn_bias
        return embeddings + self.layers * layer + width + known * (self.stride**2 * width + 2)

    def flops(self, visual_tokens: int, pictures: int, frames: int) -> float:
        patches = 2.0 * self.patches * self.channels * self.patch_size**2 * self.width
        attention = 8.0 * self.patches * self.width**2 + 4.0 * self.patches**2 * self.width
        ffn = 6.0 * self.patches * self.width * self.ffn_width
        head = 2.0 * visual_tokens * self.stride**2 * self.width * (self.words - self.indicators)
        return visual_tokens / self.tile_tokens * (patches + self.layers * (attention + ffn)) + head

    def tiles(self, height: int, width: int) -> int:
        """The fewest that show most of the picture at its own resolution, or else as much as possible, and the
        overview.
        """
        fewest, best = 0, (0.0, 0)
        for columns in range(1, self.most_tiles + 1):
            for rows in range(1, self.most_tiles // columns + 1):
                covered = self._covered(height, width, columns, rows)
                count = rows * columns
                best = max(best, (covered, -count))
                if covered > _COVERED and (not fewest or count < fewest):
                    fewest = count
        count = fewest or -best[1]
        return count + (count > 1)

    def _covered(self, height: int, width: int, down: int, across: int) -> float:
        """Share of a picture's pixels left when each piece's longer side is brought to a tile's."""
        pixels = 0.0
        for row in range(down):
            for column in range(across):
                piece = (
                    width // across if column < across - 1 else width - column * (width // across),
                    height // down if row < down - 1 else height - row * (height // down),
                )
                longer, shorter = max(piece), min(piece)
                pixels += longer * shorter if longer <= self.side else self.side * (shorter / longer * self.side)
        return pixels / (height * width)


@dataclass(frozen=True)
class TableProjectorShape(ProjectorShape):
    """A table of ``input_width`` rows of the decoder's width, of which each visual token is a weighted mean."""

    def parameters(self, width: int) -> int:
        return self.input_width * width

    def flops(self, width: int, tokens: int) -> float:
        return 2.0 * tokens * self.input_width * width


def _entry(scale: str, description: str, text: Mapping[str, Any]) -> ModelEntry:
    text = {"model_type": "qwen2", "vocab_size": 151936, "num_key_value_heads": 2, "tie_word_embeddings": True, **text}
    return ModelEntry(
        f"ovis2-{scale.lower()}",
        f"Ovis2 {scale}",
        f"thisisiron/Ovis2-{scale}-hf",
        description,
        prompt=_PROMPT,
        visual_span="256 tokens for each tile of 448 x 448 pixels, at most 12 and an overview: 2,560 for 1,024 x 1,024 "
        "pixels",
        visual_tokens=2_560,
        config={
            "model_type": "ovis2",
            "text_config": text,
            "vision_config": _TOWER,
            "hidden_size": text["hidden_size"],
            "vocab_size": text["vocab_size"],
        },
    )


class Ovis2(TiledFamily):
    name = "Ovis2"
    model_types = ("ovis2",)
    unquantized = ("model.vision_tower", "lm_head")
    # Sizes as in each checkpoint's config.json on the hub; what is left out is the default of the config class.
    entries = (
        _entry(
            "1B",
            "Its image tokens are means of a table's rows.",
            {
                "hidden_size": 896,
                "intermediate_size": 4864,
                "num_hidden_layers": 24,
                "num_attention_heads": 14,
            },
        ),
        _entry(
            "2B",
            "The same tower before a larger decoder.",
            {
                "hidden_size": 1536,
                "intermediate_size": 8960,
                "num_hidden_layers": 28,
                "num_attention_heads": 12,
            },
        ),
    )

    def tile_side(self, config: Any) -> int:
        vision = config.vision_config
        return -(-(picture_side(vision) // patch_side(vision)) // vision.hidden_stride)

    def tower_layer(self, model: nn.Module) -> TowerLayer:
        base: Any = base_of(model)
        config: Any = model.config
        stride, side = config.vision_config.hidden_stride, self.tile_side(config)

        def squares(sequences: int, length: int) -> Tensor:
            """The ``stride`` x ``stride`` patches that become a visual token; at the edge some may be missing."""
            import torch

            rows = round(length**0.5)
            numbers = torch.full((sequences, side * stride, side * stride), -1)
            numbers[:, :rows, :rows] = torch.arange(sequences * length).view(sequences, rows, rows)
            numbers = numbers.view(sequences, side, stride, side, stride).transpose(2, 3)
            return numbers.reshape(sequences * side**2, stride**2)

        def sequences(_token: int, inputs: Mapping[str, Any]) -> TowerSequences | None:
            return TowerSequences(None, squares)

        attention = base.vision_tower.transformer.encoder.layers[-1].attention
        return TowerLayer({config.image_token_id: attention}, False, sequences)

    def read_config(self, settings: Mapping[str, Any]) -> ModelShape:
        text = as_dict(settings.get("text_config") or {"model_type": "qwen2"}, "text_config")
        text = {**text, "tie_word_embeddings": settings.get("tie_word_embeddings", True)}
        decoder = reader_for(DECODERS, text.get("model_type", "qwen2"), "text part")(text)
        tower = as_dict(settings.get("vision_config") or {}, "vision_config")
        patch, side = size(tower, "patch_size", 14), size(tower, "image_size", 224)
        stride, words = size(tower, "hidden_stride", 1), size(tower, "vocab_size", 16384)
        tokens = (-(-(side // patch) // stride)) ** 2
        vision = Ovis2VisionShape(
            width=size(tower, "hidden_size", 1024),
            ffn_width=size(tower, "intermediate_size", 2816),
            layers=size(tower, "num_hidden_layers", 24),
            patches=(side // patch) ** 2,
            patch_size=patch,
            channels=size(tower, "num_channels", 3),
            tile_tokens=tokens,
            heads=size(tower, "num_attention_heads", 8),
            qkv_bias=bool(tower.get("qkv_bias")),
            ffn_bias=bool(tower.get("mlp_bias")),
            stride=stride,
            words=words,
            indicators=size(tower, "num_visual_indicator_tokens", 5),
        )
        return ModelShape(decoder, vision, TableProjectorShape(words, tokens))
