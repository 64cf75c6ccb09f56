"""What is done once for all budgets changes no answer."""

import pytest
import torch

from fastv.loading.load import load
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator, _batches, answers
from fastv.miniature.evaluation.dataset import benchmark
from fastv.pruning.config import PruningConfig


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items():
    return benchmark(3)  # three questions a scene: pictures are shared


def one_by_one(loaded, items, budget):
    """The plain way: the picture itself, one question at a time."""
    said = []
    for item in items:
        prompt = loaded.family.prompt(loaded.processor, item.question.text)
        inputs = loaded.processor(images=item.scene.picture, text=prompt, return_tensors="pt")
        run = budget.build()(loaded.model) if budget else torch.inference_mode()
        with torch.inference_mode(), run:
            out = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=40)
        said.append(out[0, inputs["input_ids"].shape[1] :].tolist())
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    "budget",
    [None, PruningConfig("fastv", 2, 0.5), PruningConfig("fastv_mean", 1, 0.9)],
    ids=["none", "last", "fastv_mean"],
)
def test_answers_and_their_lengths_are_those_of_the_plain_way(mini, items, budget):
    plain = one_by_one(mini, items, budget)
    found = BatchedEvaluator(mini, items, batch=4).answers(budget)
    assert [answer.text for answer in found] == [
        text.strip() for text in mini.processor.tokenizer.batch_decode(plain, skip_special_tokens=True)
    ]
    assert [answer.tokens for answer in found] == [len(tokens) for tokens in plain]


def test_each_batch_draws_its_own_tokens_and_the_same_ones_again(mini, items, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        "fastv.pruning.scorers.ranking.torch.rand",
        lambda *size, generator, rand=torch.rand: (
            seeds.append(generator.initial_seed()),
            rand(*size, generator=generator),
        )[1],
    )
    evaluator = BatchedEvaluator(mini, items[:6], batch=2)
    first = evaluator.answers(PruningConfig("random", 2, 0.9, seed=5))
    assert {5 + number for number in range(len(evaluator.batches))} == set(seeds)
    assert evaluator.answers(PruningConfig("random", 2, 0.9, seed=5)) == first


def test_the_model_is_left_as_it_was(mini, items):
    before = vars(mini.model.base_model).copy()
    answers(mini, items[:2])
    assert vars(mini.model.base_model) == before


def test_a_batch_has_prompts_of_one_length_and_descriptions_keep_to_themselves():
    lengths, long = [600 + index * index % 5 for index in range(50)], [index % 7 == 0 for index in range(50)]
    found = _batches(lengths, long, 4)
    assert sorted(index for batch in found for index in batch) == list(range(50))
    for batch in found:
        assert len(batch) <= 4 and len({(lengths[index], long[index]) for index in batch}) == 1
