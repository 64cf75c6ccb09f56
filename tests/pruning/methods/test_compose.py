"""Two methods one after the other: equal to masking by what both leave, each seeing its own cuts alone."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS, Compose, FastV
from fastv.errors import InvalidBudgetError
from tests.support.cutting_methods import Staged, Towering, Watching
from tests.support.masked_reference import (
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    dropped_by_masking,
    dropped_of,
    model_of,
)
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, *VISUAL])


@pytest.mark.parametrize("per", ["prompt", "image"])
@pytest.mark.parametrize("key", STANDINS)
def test_equal_to_masking_in_every_family(key, per):
    name = list(STANDINS[key].prompts)[-1]
    model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS[name])
    method = Compose(Towering(r=0.3, layers=(0,), per=per), FastV(k=2, r=0.8, per=per))
    with method(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        uncached = model.generate(**inputs, **OPTIONS, use_cache=False)
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        expected = model.generate(**inputs, **OPTIONS)
    assert_same_answer(output, expected, **CLOSE)
    assert_same_answer(uncached, expected, **CLOSE)


def test_the_second_ranks_what_the_first_left():
    model, inputs = model_of(), llava_inputs(PROMPTS["one picture"])
    with Compose(METHODS["random"](k=0, keep=12), FastV(k=2, keep=4))(model) as trace, torch.no_grad():
        model(**inputs)
    with METHODS["random"](k=0, keep=12)(model) as alone, torch.no_grad():
        model(**inputs)
    assert trace.kept_after_each_cut == [(0, [12]), (2, [4])] and trace.average_tokens == (2 * 12 + 2 * 4) / 4
    assert torch.equal(trace.kept_by_cut[0], alone.kept)
    eager = model_of("eager")
    with dropped_by_masking(eager, 0, dropped_of(alone, inputs["input_ids"])), torch.no_grad():
        row = eager(**inputs, output_attentions=True).attentions[1][0, :, -1].mean(dim=0)
    left = alone.kept[0]
    best = left[row[left].topk(4).indices].sort().values
    assert torch.equal(trace.kept[0], best)


def test_each_counts_its_own_cuts():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    first, second = Watching(keep=12, layers=(1,)), Watching(keep=3, layers=(2, 3))
    with Compose(first, second)(model) as trace, torch.no_grad():
        model(**inputs)
    assert [(prompt.cut, prompt.cuts) for prompt, _ in first.seen] == [(0, 1)]
    assert [(prompt.cut, prompt.cuts) for prompt, _ in second.seen] == [(0, 2), (1, 2)]
    assert [counts for _, counts in trace.kept_after_each_cut] == [
        [12, 12],
        [min(12, Staged(keep=3).kept_at(0, count, 2)) for count in (16, 32)],
        [3, 3],
    ]


def test_a_second_that_would_leave_more_drops_nothing():
    model, inputs = model_of(), llava_inputs()
    with Compose(METHODS["random"](k=0, keep=4), FastV(k=2, keep=9))(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    with METHODS["random"](k=0, keep=4)(model) as alone:
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)
    assert torch.equal(trace.kept, alone.kept)


def test_nothing_dropped_is_bit_identical():
    model, inputs = model_of(), llava_inputs()
    with Compose(METHODS["random"](k=0, r=0), FastV(k=2, r=0))(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)


def test_a_smaller_picture_and_then_fastv():
    model, inputs = model_of(), llava_inputs()
    with Compose(METHODS["lower_resolution"](keep=9), FastV(k=2, keep=4))(model) as trace:
        model.generate(**inputs, **GREEDY)
    assert trace.kept_after_each_cut == [(0, [9]), (2, [4])]


def test_methods_that_do_not_follow_each_other_are_refused():
    with (
        pytest.raises(InvalidBudgetError, match="deeper|after"),
        Compose(FastV(k=2), METHODS["random"](k=0))(model_of()),
    ):
        pass
    for name, value in (("per", "image"), ("positions", "close"), ("proportional", True)):
        with pytest.raises(InvalidBudgetError, match=name):
            Compose(METHODS["random"](k=0), FastV(k=2, **{name: value}))
    with pytest.raises(InvalidBudgetError):
        Compose(FastV, FastV)
