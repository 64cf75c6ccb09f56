"""Answers of a sweep: those of passes of their own, whatever is shared and batched; draws of each question's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.loading.load import load
from fastv.measurement.prompt import answer_text
from fastv.measurement.timing import generate
from fastv.pruning.config import PruningConfig
from fastv.sweep import quality_pass
from fastv.sweep.cells import for_sample, sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.quality_pass import answers_to, batches, prompt_for
from fastv.sweep.row_draws import for_rows
from tests.support.standins import FURTHER_STANDINS, PICTURE, STANDINS

CONFIGS = [PruningConfig(method, k, 0.75) for method, k in (("fastv", 0), ("fastv", 3), ("random", 1))]


@pytest.fixture(scope="module")
def questions(samples):
    return [(sample, sample_id(sample)) for sample in samples]


def found(mini, questions, configs, batch, answer_tokens=8):
    """Question -> what was answered; each once."""
    answered = list(answers_to(mini, questions, configs, answer_tokens=answer_tokens, batch=batch))
    assert sorted(one.identity for one in answered) == sorted(identity for _, identity in questions)
    return {one.identity: one for one in answered}


@pytest.mark.slow
def test_shared_and_batched_answers_are_those_of_passes_of_their_own(mini, samples):
    longer = [
        replace(samples[2], question=question) for question in ("Is there a cat?", "Describe what is to be seen.")
    ]
    questions = [(sample, sample_id(sample)) for sample in (*samples[:2], *longer)]
    together, one_by_one = (found(mini, questions, CONFIGS, batch) for batch in (4, 1))
    assert {one.batch for one in together.values()} == {2}
    for sample, identity in questions:
        prompt = prompt_for(mini, sample, 8)
        for config, *answers in zip([None, *CONFIGS], together[identity].answers, one_by_one[identity].answers):
            if config is None:
                alone = generate(mini.model, prompt.inputs, max_new_tokens=8).tokens
            else:
                with for_sample(config, identity).build()(mini.model):
                    alone = generate(mini.model, prompt.inputs, max_new_tokens=8).tokens
            for answer in answers:
                assert (answer.config, answer.answer) == (config, answer_text(mini, alone))
                assert answer.answer_tokens == len(alone)
                assert answer.shared_layers == (config.k if config else 0)


def test_methods_that_look_at_the_tower_or_change_it_answer_as_by_themselves(mini, questions):
    configs = [PruningConfig(method, 0, 0.75) for method in ("visionzip", "random", "lower_resolution")]
    answered = found(mini, questions[:2], configs, 2)
    for sample, identity in questions[:2]:
        prompt = prompt_for(mini, sample, 8)
        for config, answer in zip(configs, answered[identity].answers[1:]):
            with for_sample(config, identity).build()(mini.model):
                alone = generate(mini.model, prompt.inputs, max_new_tokens=8).tokens
            assert (answer.answer, answer.answer_tokens) == (answer_text(mini, alone), len(alone))


def test_others_have_their_turn_with_the_model_between_cells(mini, questions, monkeypatch):
    expected = found(mini, questions[:1], CONFIGS, 1)
    held = []

    class Lock:
        def __enter__(self):
            held.append(1)

        def __exit__(self, *_):
            pass

    counts = {}
    for seconds in (0.0, 1000.0):
        monkeypatch.setattr(quality_pass, "HOLD_SECONDS", seconds)
        held.clear()
        assert found(replace(mini, lock=Lock()), questions[:1], CONFIGS, 1) == expected
        counts[seconds] = len(held)
    assert counts == {0.0: 1 + len(CONFIGS), 1000.0: 2}


def test_layers_that_keep_a_state_are_asked_again_and_nothing_is_guessed(samples, tmp_path):
    """What such a layer read it cannot forget; the rank of a cut behind it is that of the last layer that attends."""
    kinds = ["full_attention", "linear_attention", "linear_attention", "full_attention"]
    FURTHER_STANDINS["qwen3_5"].save(tmp_path, layer_types=kinds)
    loaded = load(str(tmp_path), "float32", "cpu")
    questions = [(one, sample_id(one)) for one in (replace(one, question="what is red ?") for one in samples[:2])]
    configs = [PruningConfig("fastv", k, 0.75) for k in (1, 2, 3)]
    together, alone = (found(loaded, questions, configs, batch, answer_tokens=4) for batch in (2, 1))
    assert {one.batch for one in together.values()} == {2}
    for identity, one in together.items():
        assert [answer.answer for answer in one.answers] == [answer.answer for answer in alone[identity].answers]
        assert [answer.shared_layers for answer in one.answers] == [0, 1, 1, 1]


@pytest.mark.parametrize("config", [PruningConfig("random", 2, 0.5), PruningConfig("fastv", 0, 0.5)], ids=str)
def test_every_row_draws_by_its_own_seed(config):
    model, rows = STANDINS["llava"].model(), [(4, PICTURE, PICTURE, 3)] * 3
    drawn = [for_sample(config, f"{number:08x}") for number in range(3)]
    kept = []
    for one in (for_rows(drawn), *(seeded.build() for seeded in drawn)):
        with quality_pass.pruned(model, one) as trace, torch.no_grad():
            model(**STANDINS["llava"].inputs(rows))
        kept.append(trace.kept)
    assert torch.equal(kept[0], torch.stack([each[row] for row, each in enumerate(kept[1:])]))
    assert len({tuple(row) for row in kept[0].tolist()}) == 3


def test_seeds_differ_by_question_and_stay_seeds():
    for seed in (0, 7, -5, 2**63 - 1, -(2**63)):
        config = PruningConfig("random", 2, 0.5, seed)
        drawn = {for_sample(config, f"{number:08x}").seed for number in range(50)}
        assert len(drawn) == 50
        assert for_sample(config, "0000000a") == for_sample(config, "0000000a")
    assert for_sample(PruningConfig(seed=1), "00000001") != for_sample(PruningConfig(seed=2), "00000001")


def test_batches_hold_each_prompt_once_and_pad_only_those_without_an_equal():
    lengths = [7, 5, 9, 7, 7, 3, 9, 4]
    for most in (1, 2, 3, 8):
        made = batches(lengths, most)
        assert sorted(index for group in made for index in group) == list(range(len(lengths)))
        assert max(map(len, made)) <= most
        for group in made:
            assert len({lengths[index] for index in group}) == 1 or {lengths[index] for index in group} <= {3, 4, 5}


def test_a_bad_question_spoils_no_batch(mini, questions, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    answered = found(
        mini, [(Sample(tmp_path / "broken.png", "How many?"), "broken"), *questions[:2]], CONFIGS[:1], 4, 2
    )
    assert "not an image" in answered.pop("broken").problem
    assert all(len(one.answers) == 2 and one.problem is None for one in answered.values())


def test_what_one_method_refuses_spoils_no_other_cell(mini, questions, monkeypatch):
    asked = [(sample, identity) for sample, identity in questions if "colour" in sample.question]
    plain, refusing = quality_pass.for_sample, asked[1][1]

    class Refusal:
        def build(self):
            raise InvalidInputError("it has no frames")

    def for_one(config, identity):
        return Refusal() if config == CONFIGS[1] and identity == refusing else plain(config, identity)

    monkeypatch.setattr(quality_pass, "for_sample", for_one)
    monkeypatch.setattr(quality_pass, "for_rows", lambda some: [one.build() for one in some][0])
    expected = found(mini, asked, [CONFIGS[0], CONFIGS[2]], 2, 2)
    answered = found(mini, asked, CONFIGS, 2, 2)
    for identity, one in answered.items():
        assert one.problem is None
        assert [answer.answer for answer in one.answers[::2]][:1] == [expected[identity].answers[0].answer]
        assert one.answers[3].answer == expected[identity].answers[2].answer
        assert (one.answers[2].problem is not None) == (identity == refusing)


def test_where_memory_ends_a_batch_is_halved_and_at_last_a_question_is_told(mini, questions, monkeypatch):
    plain, rows = quality_pass.generate_ids, []

    def scarce(model, inputs, **settings):
        rows.append(len(inputs["input_ids"]))
        if len(inputs["input_ids"]) > 1 or len(rows) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(model, inputs, **settings)

    monkeypatch.setattr(quality_pass, "generate_ids", scarce)
    same = [(sample, identity) for sample, identity in questions if "colour" in sample.question]
    first, second = answers_to(mini, same, CONFIGS[:1], answer_tokens=2, batch=2)
    assert rows[:2] == [2, 1]
    assert "memory" in first.problem
    assert len(second.answers) == 2


def test_what_is_wrong_with_the_model_or_the_method_is_not_taken_for_the_question(mini, questions, monkeypatch):
    for error in (ZeroDivisionError(), UnsupportedModelError("no")):
        monkeypatch.setattr(quality_pass, "generate_ids", lambda *a, error=error, **k: (_ for _ in ()).throw(error))
        with pytest.raises(type(error)):
            list(answers_to(mini, questions[:2], CONFIGS[:1], answer_tokens=2, batch=2))
