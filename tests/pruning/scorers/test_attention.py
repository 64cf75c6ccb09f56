"""Scores by attention, against attention written out in full."""

from __future__ import annotations

import pytest
import torch

from fastv.pruning.scorers import attention as scorers
from fastv.pruning.scorers.attention import last_token_attention, last_token_peak_attention, mean_attention

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 11, 8
PADDING = torch.arange(LENGTH) >= torch.tensor([[0], [3]])  # the second row has three columns of padding


def queries_and_keys(kv_heads: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(BATCH, HEADS, LENGTH, WIDTH, generator=generator)
    key = torch.randn(BATCH, kv_heads, LENGTH, WIDTH, generator=generator)
    return query.to(dtype), key.to(dtype)


def whole_map(query, key, visible):
    """All attention weights, mean over heads: (batch, n, n); rows of padding are zero."""
    key = key.repeat_interleave(HEADS // key.shape[1], dim=1)
    logits = torch.einsum("bhqd,bhkd->bhqk", query.float(), key.float()) * 0.3
    return logits.masked_fill(~visible, -torch.inf).softmax(dim=-1).mean(dim=1).nan_to_num(0)


def masks(kind: str):
    """A mask as a kernel gets it, and what it means: boolean (batch, 1, n, n)."""
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()[None, None]
    if kind == "none":
        return None, causal
    visible = causal & PADDING[:, None, None, :]
    if kind == "flat":
        return PADDING.long(), visible
    if kind == "boolean":
        return visible, visible
    return torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min), visible


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("kind", ["none", "flat", "boolean", "floating"])
class TestAttention:
    def test_last_token_is_the_last_row_of_the_map(self, kind, kv_heads):
        query, key = queries_and_keys(kv_heads)
        mask, visible = masks(kind)
        scores = last_token_attention(query, key, mask, 0.3)
        torch.testing.assert_close(scores, whole_map(query, key, visible)[:, -1])

    @pytest.mark.parametrize("block", [1, 400, 10**6])
    def test_mean_is_the_mean_over_the_rows_of_real_tokens(self, kind, kv_heads, block, monkeypatch):
        monkeypatch.setattr(scorers, "_BLOCK_FLOATS", block)
        query, key = queries_and_keys(kv_heads)
        mask, visible = masks(kind)
        real = None if kind == "none" else PADDING
        looking = LENGTH if real is None else torch.tensor([[LENGTH], [LENGTH - 3]])
        scores = mean_attention(query, key, mask, 0.3, real)
        torch.testing.assert_close(scores, whole_map(query, key, visible).sum(dim=1) / looking)

    def test_mean_of_some_rows_is_the_mean_over_them(self, kind, kv_heads):
        query, key = queries_and_keys(kv_heads)
        mask, visible = masks(kind)
        some = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
        some[0, 6:9] = some[1, [7, 10]] = True
        whole = whole_map(query, key, visible)
        expected = torch.stack([whole[0, 6:9].mean(dim=0), whole[1, [7, 10]].mean(dim=0)])
        torch.testing.assert_close(mean_attention(query, key, mask, 0.3, some, first=6), expected)
        if kind == "none":
            torch.testing.assert_close(mean_attention(query, key, None, 0.3, first=6), whole[:, 6:].mean(dim=1))

    def test_the_largest_of_the_heads(self, kind, kv_heads):
        query, key = queries_and_keys(kv_heads)
        mask, visible = masks(kind)
        group = HEADS // kv_heads
        heads = [
            whole_map(query[:, [head] * HEADS], key[:, [head // group] * HEADS], visible)[:, -1]
            for head in range(HEADS)
        ]
        scores = last_token_peak_attention(query, key, mask, 0.3)
        torch.testing.assert_close(scores, torch.stack(heads).amax(dim=0))


@pytest.mark.parametrize("score", [last_token_attention, mean_attention])
def test_scores_are_float32_computed_in_float32(score):
    query, key = queries_and_keys(2, torch.bfloat16)
    scores = score(query, key, None, 0.3)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, score(query.float(), key.float(), None, 0.3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(score(query, key, None, 0.3), scores)


def test_a_half_precision_mask_hides_as_well():
    query, key = queries_and_keys(4, torch.float16)
    mask, visible = masks("floating")
    scores = last_token_attention(query, key, mask.to(torch.float16).clamp(min=torch.finfo(torch.float16).min), 0.3)
    torch.testing.assert_close(scores, whole_map(query, key, visible)[:, -1])
