"""Attention shares and withdrawal are read from the model as it is, and leave it so."""

import pytest
import torch

from fastv.loading.load import load
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.layer_profile import PARTS, attention_shares, withdrawal


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items():
    return benchmark(3, 1)


def test_shares_of_each_layer_sum_to_one_and_the_kernel_is_put_back(mini, items):
    kernel = mini.model.config.text_config._attn_implementation
    shares = attention_shares(mini, items)
    assert len(shares) == mini.model.config.text_config.num_hidden_layers
    assert all(sum(layer.values()) == pytest.approx(1, abs=2e-4) for layer in shares)
    assert all(tuple(layer) == PARTS for layer in shares)
    assert mini.model.config.text_config._attn_implementation == kernel


def test_shares_follow_the_attention_of_the_layer(mini, items):
    """With a query of zeros a layer attends to all tokens alike: the picture's share is its share of the tokens."""
    query = mini.model.model.language_model.layers[1].self_attn.q_proj.weight
    kept = query.detach().clone()
    with torch.no_grad():
        query.zero_()
    try:
        shares = attention_shares(mini, items[:1])
    finally:
        with torch.no_grad():
            query.copy_(kept)
    assert 0.9 < shares[1]["image"] < 0.99  # 576 of some 600 tokens


def test_withdrawing_the_picture_from_the_last_layer_on_keeps_more_than_from_the_second(mini):
    evaluator = BatchedEvaluator(mini, benchmark(8, 1))
    unpruned, early, late = (withdrawal(evaluator, k) for k in (None, 1, 7))
    assert [len(point["right"]) for point in (unpruned, early, late)] == [2, 2, 2]  # a bit for each of eight

    def right(point):
        return int(point["right"], 16).bit_count()

    assert right(unpruned) >= right(late) > right(early)
