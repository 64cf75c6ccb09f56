"""A batch answers what its rows answer alone, on every family; what does not go together is refused."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from fastv.errors import InvalidInputError
from fastv.measurement.batched_answers import collate, generate_rows
from fastv.measurement.timing import generate
from tests.support.standins import PICTURE, STANDINS, WIDE

ROWS = [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4), (9, PICTURE, 2)]


def alone(key):
    return [STANDINS[key].inputs([row], seed=number) for number, row in enumerate(ROWS)]


@pytest.mark.parametrize("key", STANDINS)
def test_collated_prompts_are_what_the_processor_makes_of_them_together(key):
    together = collate(alone(key), 0)
    whole = STANDINS[key].inputs(ROWS)
    assert together.keys() == whole.keys()
    for name, value in whole.items():
        assert torch.equal(together[name], value)


@pytest.mark.parametrize("key", STANDINS)
def test_rows_answer_as_alone_with_and_without_pruning(key):
    model = STANDINS[key].model()
    batch = collate(alone(key), 0)
    for method in (None, METHODS["fastv"](k=2), METHODS["random"](k=1, r=0.7)):
        if method is None:
            together = generate_rows(model, batch, max_new_tokens=6)
            single = [generate(model, one, max_new_tokens=6).tokens for one in alone(key)]
        else:
            with method(model):
                together = generate_rows(model, batch, max_new_tokens=6)
                single = [generate(model, one, max_new_tokens=6).tokens for one in alone(key)]
        assert together == single


def test_a_row_ends_with_its_end_token():
    model = STANDINS["llava"].model()
    single = [generate(model, one, max_new_tokens=6).tokens for one in alone("llava")]
    end = next(token for token in single[0][1:4] if token != single[0][0])
    model.generation_config.eos_token_id = [end, 2]
    model.generation_config.pad_token_id = 0
    together = generate_rows(model, collate(alone("llava"), 0), max_new_tokens=6)
    assert together == [generate(model, one, max_new_tokens=6).tokens for one in alone("llava")]
    assert together[0] == single[0][: single[0].index(end) + 1]
    assert len({len(row) for row in together}) > 1


def test_prompts_that_do_not_go_together_are_refused():
    one, two, three = alone("llava")
    for other in (
        {name: value for name, value in two.items() if name != "pixel_values"},
        {**two, "pixel_values": two["pixel_values"][..., :-1]},
    ):
        with pytest.raises(InvalidInputError):
            collate([one, other], 0)
    assert collate([three], 0).keys() == three.keys()
