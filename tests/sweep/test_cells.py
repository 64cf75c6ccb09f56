"""One question at every cell: draws of its own, in rotating order, whatever the cells."""

from __future__ import annotations

import pytest

from fastv.loading.load import load
from fastv.measurement.prompt import prompt_of
from fastv.pruning.config import PruningConfig
from fastv.sweep import cells
from fastv.sweep.cells import CellAnswer, answer_question, for_sample, sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.shown import open_shown


def test_every_question_draws_its_own_tokens_and_the_same_ones_again(mini, samples, monkeypatch):
    """Random methods, and any method before layer 0, which has nothing to rank by."""
    kept, plain = [], cells.generate
    decoder = mini.family.decoder(mini.model)

    def spy(model, inputs, **settings):
        lengths = []
        hook = decoder.layers[-1].register_forward_pre_hook(
            lambda module, args, kwargs: lengths.append(kwargs["position_embeddings"][0].sum().item()), with_kwargs=True
        )
        try:
            return plain(model, inputs, **settings)
        finally:
            hook.remove()
            kept.append(lengths[0])  # differs where other positions are kept

    monkeypatch.setattr(cells, "generate", spy)
    same_length = [Sample(sample.image, "How many animals are there?") for sample in samples[::2]]
    for config in (PruningConfig("random", 2, 0.5), PruningConfig("fastv", 0, 0.5)):
        kept.clear()
        for sample in (*same_length, same_length[0]):
            answer_question(mini, sample, [config], answer_tokens=1)
        first, second, again = kept
        assert first != second
        assert first == again


def test_seeds_differ_by_question_and_stay_seeds():
    for seed in (0, 7, -5, 2**63 - 1, -(2**63)):
        config = PruningConfig("random", 2, 0.5, seed)
        drawn = {for_sample(config, f"{number:08x}").seed for number in range(50)}
        assert len(drawn) == 50
        assert for_sample(config, "0000000a") == for_sample(config, "0000000a")
    assert for_sample(PruningConfig(seed=1), "00000001") != for_sample(PruningConfig(seed=2), "00000001")


def test_the_order_of_the_cells_rotates_and_the_answers_do_not(mini, samples, configs, monkeypatch):
    order, plain = [], cells.answer_cost
    monkeypatch.setattr(cells, "answer_cost", lambda *a: order.append(a[3].r if a[3] else 0.0) or plain(*a))
    everything = [None, *configs]
    rates = [0.0, 0.0, 0.75, 1.0]
    for first in range(4):
        order.clear()
        found = answer_question(mini, samples[0], everything, answer_tokens=1, first=first)
        assert order == rates[first:] + rates[:first]
        assert [answer.config for answer in found] == everything


def test_answers_come_back_from_json(configs):
    for config in (None, configs[1]):
        answer = CellAnswer(config, "two", 3, 0.1, 0.2, 1e9)
        assert CellAnswer.from_dict(answer.to_dict()) == answer
    for broken in ({}, {**answer.to_dict(), "more": 1}, {**answer.to_dict(), "config": {"k": 2, "method": "none"}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            CellAnswer.from_dict(broken)


def test_an_id_is_of_the_question_and_the_image_alone(tmp_path):
    for name, content in (("a.png", b"1"), ("b.png", b"1"), ("c.png", b"2")):
        (tmp_path / name).write_bytes(content)
    one = sample_id(Sample(tmp_path / "a.png", "How many?", ("two",), 3))
    assert one == sample_id(Sample(tmp_path / "b.png", "How many?"))
    assert one != sample_id(Sample(tmp_path / "c.png", "How many?"))
    assert one != sample_id(Sample(tmp_path / "a.png", "Where?"))


@pytest.mark.slow
def test_another_model_is_asked_in_the_same_way(samples):
    assert answer_question(load("mini-13"), samples[0], [None], answer_tokens=4)[0].answer


def test_several_images_are_shown_together(mini, samples):
    pair = Sample(samples[0].image, "How many animals are there?", more_images=(samples[2].image,))
    cells = [None, PruningConfig("fastv", 2, 0.5)]
    found, one = (answer_question(mini, sample, cells, answer_tokens=2) for sample in (pair, samples[1]))
    assert found[0].total_flops > 1.7 * one[0].total_flops
    assert found[1].total_flops < found[0].total_flops
    prompt = prompt_of(mini, open_shown(pair), pair.prompt, answer_tokens=2)
    assert (prompt.pictures, len(prompt.places)) == (2, 2)
    assert prompt.visual_tokens == sum(place.tokens for place in prompt.places) == 2 * prompt.places[0].tokens
    assert sample_id(pair) not in (sample_id(samples[1]), sample_id(Sample(samples[2].image, pair.question)))


def test_choices_are_part_of_the_question(mini, samples):
    choices = Sample(samples[0].image, "Which?", choices=("red", "blue"))
    assert sample_id(choices) != sample_id(Sample(samples[0].image, "Which?"))
    assert sample_id(choices) == sample_id(Sample(samples[0].image, choices.prompt))
