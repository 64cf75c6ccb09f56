"""What methods choose by: small pure functions of tensors, one file for each idea. All compute in float32."""

from fastv.pruning.scorers.attention import (
    attention_rows,
    head_attention_rows,
    last_token_attention,
    last_token_peak_attention,
    mean_attention,
)
from fastv.pruning.scorers.ranking import highest, highest_per_image, random_scores

__all__ = [
    "attention_rows",
    "head_attention_rows",
    "highest",
    "highest_per_image",
    "last_token_attention",
    "last_token_peak_attention",
    "mean_attention",
    "random_scores",
]
