"""The pair's shapes: deep and narrow, so that FastV's K=2 is an early layer as it is in LLaVA-1.5 (of 32 and 40
layers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

from fastv.miniature.next.world.scenes import GRID, PATCH, SIDE


@dataclass(frozen=True)
class Decoder:
    """Sizes of a LLaMA decoder."""

    layers: int
    width: int
    heads: int
    head_dim: int
    ffn: int


DECODERS = {
    "mini-7": Decoder(layers=16, width=112, heads=4, head_dim=24, ffn=304),
    "mini-13": Decoder(layers=20, width=144, heads=6, head_dim=24, ffn=384),
}
FEATURE_LAYER = -2  # of the tower, as in LLaVA-1.5


def tower_config(*, width: int = 192, layers: int = 5, heads: int = 3) -> CLIPVisionConfig:
    """The vision tower both share; its heads are 64 wide, as in CLIP."""
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=width,
    )


def llava_config(
    decoder: Decoder, tower: CLIPVisionConfig, *, vocabulary: int, image_token: int, bos: int, eos: int, pad: int
) -> LlavaConfig:
    """A miniature's config."""
    text = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=decoder.width,
        intermediate_size=decoder.ffn,
        num_hidden_layers=decoder.layers,
        num_attention_heads=decoder.heads,
        num_key_value_heads=decoder.heads,
        head_dim=decoder.head_dim,
        max_position_embeddings=4096,
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    special: dict[str, Any] = {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad}
    return LlavaConfig(
        vision_config=tower,
        text_config=text,
        image_token_index=image_token,
        image_seq_length=GRID * GRID,
        vision_feature_layer=FEATURE_LAYER,
        vision_feature_select_strategy="default",
        **special,
    )
