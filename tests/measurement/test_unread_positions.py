"""Leaving out what no logits depend on: they stay what they were, and less is computed."""

from __future__ import annotations

import pytest
import torch

from fastv.families.registry import family_of
from fastv.measurement.unread_positions import unread_left_out
from tests.support.standins import ROWS, STANDINS


def given_to(network, model, inputs, **options):
    """The logits, and how many positions the network was given."""
    widths, plain = [], type(network).forward

    def counting(self, hidden_states, *args, **kwargs):
        widths.append(hidden_states.shape[1])
        return plain(self, hidden_states, *args, **kwargs)

    type(network).forward, before = counting, plain
    try:
        with unread_left_out(model, family_of(model)), torch.no_grad():
            logits = model(**inputs, **options).logits
    finally:
        type(network).forward = before
    return logits, widths[-1]


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("asked", [1, 3])
def test_the_logits_that_are_asked_for_are_those_of_the_whole_layer(key, asked):
    model, standin = STANDINS[key].model(), STANDINS[key]
    inputs = standin.inputs(ROWS[next(iter(standin.prompts))])
    network = family_of(model).decoder(model).layers[-1].mlp
    with torch.no_grad():
        whole = model(**inputs).logits
    logits, width = given_to(network, model, inputs, logits_to_keep=asked)
    torch.testing.assert_close(logits[:, -asked:], whole[:, -asked:])
    assert width == asked
    again, width = given_to(network, model, inputs)
    assert torch.equal(again, whole)
    assert width == inputs["input_ids"].shape[1]


def test_the_model_is_left_as_it_was_and_a_network_that_is_replaced_already_is_left_alone():
    model = STANDINS["llava"].model()
    family = family_of(model)
    network = family.decoder(model).layers[-1].mlp
    before = dict(vars(network)), len(model._forward_pre_hooks)
    with pytest.raises(ZeroDivisionError), unread_left_out(model, family):
        raise ZeroDivisionError
    assert (dict(vars(network)), len(model._forward_pre_hooks)) == before
    network.forward = own = network.forward
    try:
        with unread_left_out(model, family):
            assert network.forward is own
    finally:
        del network.forward
