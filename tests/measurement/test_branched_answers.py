"""Answers in one call of ``generate`` are those of calls of their own, and what it makes ready is made once."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from fastv.measurement.batched_answers import collate, generate_ids, generate_rows
from fastv.measurement.branched_answers import can_join, within_generate
from tests.support.standins import FURTHER_STANDINS, PICTURE, STANDINS, WIDE

ROWS = [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4)]
LENGTH = 5
PRUNINGS = [METHODS["fastv"](k=2, r=0.7), METHODS["random"](k=0), METHODS["random"](k=2, r=0.4)]


@pytest.mark.parametrize("key", [*STANDINS, "qwen3_5"])
def test_each_answer_is_that_of_a_call_of_its_own(key, monkeypatch):
    standin = (STANDINS | FURTHER_STANDINS)[key]
    model = standin.model()
    inputs = collate([standin.inputs([row], seed=number) for number, row in enumerate(ROWS)], 0)
    plain = generate_rows(model, inputs, max_new_tokens=LENGTH)
    expected = []
    for method in PRUNINGS:
        with method(model):
            expected.append(generate_rows(model, inputs, max_new_tokens=LENGTH))
    prepared, prepare = [], type(model)._prepare_generation_config
    monkeypatch.setattr(
        type(model), "_prepare_generation_config", lambda *a, **k: prepared.append(1) or prepare(*a, **k)
    )

    def ask(answer):
        found = [answer(None)]
        for method in PRUNINGS:
            with method(model):
                found.append(answer(None))
        return [*found, answer(None)]

    assert within_generate(model, inputs, ask, max_new_tokens=LENGTH) == [plain, *expected, plain]
    assert len(prepared) == 1


@pytest.mark.parametrize("key", STANDINS)
def test_guesses_change_nothing(key):
    model = STANDINS[key].model()
    inputs = collate([STANDINS[key].inputs([row], seed=number) for number, row in enumerate(ROWS)], 0)
    draft = generate_ids(model, inputs, max_new_tokens=LENGTH)[:, :-1]
    expected = []
    for method in PRUNINGS:
        with method(model):
            expected.append(generate_rows(model, inputs, max_new_tokens=LENGTH))

    def ask(answer):
        found = []
        for method, guess in zip(PRUNINGS, (draft, torch.full_like(draft, 5), draft[:, :0])):
            with method(model):
                found.append(answer(guess))
        return found

    assert within_generate(model, inputs, ask, max_new_tokens=LENGTH) == expected


def test_what_changes_or_watches_the_tower_does_not_join():
    joined = {name for name in METHODS if can_join(METHODS[name]())}
    assert {"fastv", "random"} <= joined
    assert not joined & {"lower_resolution", "visionzip"}
