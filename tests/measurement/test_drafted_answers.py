"""A guess changes nothing in an answer: whether it is right, wrong from some place on, too short or too long."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from fastv.families.registry import family_of
from fastv.measurement.batched_answers import collate, generate_ids, generate_rows
from fastv.measurement.drafted_answers import generate_drafted
from fastv.measurement.prefix_reuse import recording, replaying
from tests.support.standins import PICTURE, STANDINS, WIDE

ROWS = [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4), (9, PICTURE, 2)]
LENGTH = 6


def batch(key, rows=ROWS):
    return collate([STANDINS[key].inputs([row], seed=number) for number, row in enumerate(rows)], 0)


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("method", [None, METHODS["fastv"](k=2, r=0.7), METHODS["random"](k=0)], ids=str)
def test_the_answer_is_that_of_plain_generation_whatever_was_guessed(key, method):
    model, inputs = STANDINS[key].model(), batch(key)
    guessed = generate_ids(model, inputs, max_new_tokens=LENGTH)[:, :-1]
    wrong = guessed.clone()
    wrong[1, 2] = (wrong[1, 2] + 1) % 90 + 3
    for draft in (guessed, wrong, guessed[:, :2], guessed[:, :0], torch.full_like(guessed, 5)):
        if method is None:
            expected = generate_rows(model, inputs, max_new_tokens=LENGTH)
            assert generate_drafted(model, inputs, draft, max_new_tokens=LENGTH) == expected
        else:
            with method(model):
                expected = generate_rows(model, inputs, max_new_tokens=LENGTH)
                assert generate_drafted(model, inputs, draft, max_new_tokens=LENGTH) == expected


def test_rows_that_end_at_different_places_stay_ended():
    model, inputs = STANDINS["llava"].model(), batch("llava")
    plain = generate_rows(model, inputs, max_new_tokens=LENGTH)
    end = next(token for token in plain[0][1:4] if token != plain[0][0])
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = [end, 2], 0
    expected = generate_rows(model, inputs, max_new_tokens=LENGTH)
    assert len({len(row) for row in expected}) > 1
    raw = generate_ids(model, inputs, max_new_tokens=LENGTH)
    for draft in (raw[:, :-1], raw[:, :1], torch.full_like(raw[:, 1:], 7)):
        assert generate_drafted(model, inputs, draft, max_new_tokens=LENGTH) == expected


@pytest.fixture
def forwards():
    """A function from a model to a list that grows with each forward of its decoder."""
    hooks = []

    def count(model):
        ran = []
        hooks.append(family_of(model).decoder(model).register_forward_hook(lambda *_: ran.append(1)))
        return ran

    yield count
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("key", STANDINS)
def test_a_wrong_token_costs_one_forward_and_another_answer_that_began_alike_saves_the_rest(key, forwards):
    model, inputs = STANDINS[key].model(), batch(key)
    expected = generate_rows(model, inputs, max_new_tokens=LENGTH)
    guessed = generate_ids(model, inputs, max_new_tokens=LENGTH)[:, :-1]
    wrong = guessed.clone()
    wrong[:, 1] = (wrong[:, 1] + 1) % 90 + 3
    ran = forwards(model)
    assert generate_drafted(model, inputs, wrong, max_new_tokens=LENGTH) == expected
    assert len(ran) == 2
    nonsense = torch.full_like(guessed, 5)
    shorter = [row[:1] for row in expected]
    assert generate_drafted(model, inputs, nonsense, [expected, shorter], max_new_tokens=LENGTH) == expected
    assert len(ran) == 4


@pytest.mark.parametrize("key", STANDINS)
def test_a_branch_takes_over_what_the_first_layers_made_of_the_guess_and_runs_once(key, forwards):
    model, inputs, method = STANDINS[key].model(), batch(key), METHODS["fastv"](k=2, r=0.3)
    family = family_of(model)
    with recording(model, family, 2, [1]) as prefix:
        draft = generate_ids(model, inputs, max_new_tokens=LENGTH)[:, :-1]
    with method(model):
        expected = generate_rows(model, inputs, max_new_tokens=LENGTH)
    ran = forwards(model)
    with replaying(model, family, prefix, 2) as replay, method(model):
        assert generate_drafted(model, inputs, draft, max_new_tokens=LENGTH) == expected
    steps = len(ran)
    with replaying(model, family, prefix, 2):
        same = generate_drafted(model, inputs, draft, max_new_tokens=LENGTH)
    assert len(ran) == steps + 1  # all guesses were right
    assert replay.layers == 2
    assert same == generate_rows(model, inputs, max_new_tokens=LENGTH)
