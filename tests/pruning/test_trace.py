"""The trace of real runs: what is kept, by which scores, and how long the layers' caches get."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS, FastV
from fastv.pruning.methods.base import Method
from fastv.pruning.transformers_compat import cache_in
from tests.support.cut_by_cut import PICTURE_METHODS
from tests.support.masked_reference import EXACT, GREEDY, PROMPTS, assert_same_answer, model_of
from tests.support.standins import IMAGE_TOKEN, VISUAL_TOKENS, llava_inputs


@pytest.mark.parametrize("method", PICTURE_METHODS.values(), ids=PICTURE_METHODS)
@pytest.mark.parametrize("r", [0, 0.3, 0.75, 1])
def test_kept_tokens_have_the_highest_scores(method, r):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with method(k=2, r=r)(model) as trace:
        model.generate(**inputs, **GREEDY)
    for row, pictures in enumerate((1, 2)):
        visual = (inputs["input_ids"][row] == IMAGE_TOKEN).nonzero()[:, 0]
        positions, kept = (tensor[row][tensor[row] >= 0] for tensor in (trace.visual_positions, trace.kept))
        assert torch.equal(positions, visual)
        amount = round(pictures * VISUAL_TOKENS * (1 - r))
        assert len(kept) == trace.kept_after_each_cut[-1][1][row] and torch.isin(kept, visual).all()
        assert len(kept) == amount or (method.encodes_kept_alone and 0 < len(kept) < amount)
        assert torch.equal(kept, kept.sort().values)
        if trace.scores is None:
            assert method.select is not Method.select
            continue
        scores = trace.scores[row, : len(visual)]
        chosen = torch.isin(visual, trace.kept_by_cut[0][row])
        assert chosen.sum() == trace.kept_after_each_cut[0][1][row]
        if chosen.any() and not chosen.all():
            assert scores[chosen].min() >= scores[~chosen].max()


def test_scores_are_the_eager_models_attention():
    inputs = llava_inputs()
    with torch.no_grad():
        attention = model_of("eager", kv_heads=2)(**inputs, output_attentions=True).attentions[1].mean(dim=1)
        for method, expected in ((METHODS["fastv"], attention[:, -1]), (METHODS["fastv_mean"], attention.mean(dim=1))):
            with method(k=2)(model_of("sdpa", kv_heads=2)) as trace:
                model_of("sdpa", kv_heads=2)(**inputs)
            torch.testing.assert_close(trace.scores, expected[inputs["input_ids"] == IMAGE_TOKEN][None])


def test_lengths_and_shapes():
    model, inputs = model_of(), llava_inputs()
    with FastV(k=2, r=0.75)(model) as trace:
        assert trace.kept is None and trace.scores is None and trace.prompt_length == trace.pruned_length == 0
        output = model(**inputs)
    assert (trace.prompt_length, trace.pruned_length) == (29, 17)
    assert output.logits.shape[1] == trace.pruned_length
    assert trace.kept.dtype == torch.long and trace.kept.shape == (1, 4) and trace.scores.shape == (1, 16)


@pytest.mark.parametrize("k", [0, 2])
def test_layers_from_k_on_cache_what_was_kept_and_no_more(k):
    model, inputs = model_of(), llava_inputs()
    with FastV(k=k)(model) as trace:
        cache = cache_in(model.generate(**inputs, **GREEDY))
    fed = GREEDY["max_new_tokens"] - 1
    expected = [(trace.prompt_length if layer < k else trace.pruned_length) + fed for layer in range(4)]
    assert [cache.get_seq_length(layer) for layer in range(4)] == expected
    assert trace.pruned_length == trace.prompt_length - VISUAL_TOKENS // 2


def test_k_0_has_no_scores_and_draws_by_the_seed():
    model, inputs = model_of(), llava_inputs()
    kept = []
    for budget in (
        FastV(k=0, seed=1),
        METHODS["fastv_mean"](k=0, seed=1),
        FastV(k=0, seed=2),
        METHODS["random"](k=2, seed=1),
    ):
        with budget(model) as trace:
            model(**inputs)
        assert (trace.scores is None) == (budget.k == 0)
        kept.append(trace.kept)
    assert torch.equal(kept[0], kept[1]) and torch.equal(kept[0], kept[3]) and not torch.equal(kept[0], kept[2])


@pytest.mark.parametrize("k", [0, 2])
def test_a_prompt_without_picture_runs_plain(k):
    model, inputs = model_of(), llava_inputs([(9,), (4,)])
    expected = model.generate(**inputs, **GREEDY)
    with FastV(k=k)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **EXACT)
    assert trace.kept.shape == (2, 0) and trace.visual_positions.shape == (2, 0)
    assert trace.prompt_length == trace.pruned_length == 10


def test_the_trace_shows_the_latest_prompt():
    model = model_of()
    with FastV(k=2)(model) as trace:
        for prompts in ([(5, 0, 7)], [(2, 0, 0, 3)], [(4,)], [(5, 0, 7)]):
            inputs = llava_inputs(prompts)
            output = model.generate(**inputs, **GREEDY)
            with_one = trace.kept
            assert trace.prompt_length == inputs["input_ids"].shape[1]
            assert trace.kept.shape[1] == prompts[0].count(0) * VISUAL_TOKENS // 2
    with FastV(k=2)(model) as trace:
        assert_same_answer(model.generate(**inputs, **GREEDY), output, **EXACT)
    assert torch.equal(trace.kept, with_one)
