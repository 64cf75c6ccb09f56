"""What is asked and found at a cell: in and out of JSON, and which question it is."""

from __future__ import annotations

import pytest

from fastv.measurement.prompt import prompt_of
from fastv.pruning.config import PruningConfig
from fastv.sweep.cells import CellAnswer, CellTime, sample_id
from fastv.sweep.datasets.base import Sample
from fastv.sweep.quality_pass import answers_to
from fastv.sweep.shown import open_shown


@pytest.mark.parametrize("config", [None, PruningConfig("fastv", 2, 0.75)])
@pytest.mark.parametrize(
    "value", [CellAnswer(None, "two", 3, 0.1, 0.2, 1e9), CellAnswer(None, "two", 3), CellTime(None, 0.1, 0.2, 0.01, 7)]
)
def test_values_come_back_from_json(config, value):
    kind = type(value)
    value = kind(**{**vars(value), "config": config})
    assert kind.from_dict(value.to_dict()) == value
    for broken in ({}, {**value.to_dict(), "more": 1}, {**value.to_dict(), "config": {"k": 2, "method": "none"}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            kind.from_dict(broken)


def test_an_id_is_of_the_question_and_the_image_alone(tmp_path):
    for name, content in (("a.png", b"1"), ("b.png", b"1"), ("c.png", b"2")):
        (tmp_path / name).write_bytes(content)
    one = sample_id(Sample(tmp_path / "a.png", "How many?", ("two",), 3))
    assert one == sample_id(Sample(tmp_path / "b.png", "How many?"))
    assert one != sample_id(Sample(tmp_path / "c.png", "How many?"))
    assert one != sample_id(Sample(tmp_path / "a.png", "Where?"))


def test_several_images_are_shown_together(mini, samples):
    pair = Sample(samples[0].image, "How many animals are there?", more_images=(samples[2].image,))
    asked = [(sample, sample_id(sample)) for sample in (pair, samples[1])]
    answered = answers_to(mini, asked, [PruningConfig("fastv", 2, 0.5)], answer_tokens=2, batch=2)
    by_identity = {each.identity: each.answers for each in answered}
    found, one = (by_identity[identity] for _, identity in asked)
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
