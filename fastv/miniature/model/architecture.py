"""The miniatures' shapes: LLaVA-1.5 with every size divided, its proportions kept.

The pair has a quarter of the layers of LLaVA-1.5 7B and 13B at 1/25.6 of their width, and sees as many visual tokens
(24 x 24) of pictures as large (336 px) through one vision tower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig

from fastv.miniature.world.scenes import GRID, PATCH, SIDE


@dataclass(frozen=True)
class Decoder:
    """Sizes of a LLaMA decoder."""

    layers: int
    width: int
    heads: int
    ffn: int


DECODERS = {
    "mini-7": Decoder(layers=8, width=160, heads=5, ffn=432),
    "mini-13": Decoder(layers=10, width=200, heads=5, ffn=540),
}


def tower_config(*, width: int = 192, layers: int = 4, heads: int = 3) -> CLIPVisionConfig:
    """The vision tower both twins share; its heads are 64 wide, as in CLIP."""
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
    """A miniature's config. Unlike LLaVA-1.5, which reads its tower one layer before the last, the last layer is
    read.
    """
    text = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=decoder.width,
        intermediate_size=decoder.ffn,
        num_hidden_layers=decoder.layers,
        num_attention_heads=decoder.heads,
        num_key_value_heads=decoder.heads,
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
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        **special,
    )


def image_processor() -> CLIPImageProcessor:
    """CLIP's preprocessing as LLaVA-1.5 uses it: shorter side to 336 px, centre crop, CLIP's mean and deviation."""
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
