"""Granite 4 Vision: features that enter the decoder at several depths, and the visual tokens and costs of its tiles."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from fastv.errors import UnsupportedModelError
from fastv.families.catalogue import CATALOGUE
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from tests.support.cutting_methods import Staged
from tests.support.family_standins.base import IMAGE_TOKEN, PICTURE, WIDE
from tests.support.family_standins.granite4_vision import Granite4VisionStandIn
from tests.support.masked_reference import CLOSE, cuts_by_masking

ENTRY = next(entry for entry in CATALOGUE if entry.key == "granite-vision-4.1-4b")
ROWS = [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4)]


def test_features_enter_at_each_depth_after_several_cuts():
    """Before a layer that cuts features are added to all tokens, before later ones to those that are left."""
    standin = Granite4VisionStandIn()
    model, inputs = standin.model(), standin.inputs(ROWS)
    with Staged(r=0.6)(model) as trace, torch.no_grad():
        logits = model(**inputs).logits[:, -1]
    assert len(trace.kept_by_cut) == 2
    with cuts_by_masking(model, trace, inputs["input_ids"], IMAGE_TOKEN), torch.no_grad():
        torch.testing.assert_close(logits, model(**inputs).logits[:, -1], **CLOSE)


def test_nothing_is_left_behind():
    standin = Granite4VisionStandIn()
    model, inputs = standin.model(), standin.inputs(ROWS)
    decoder = family_for(standin.key).decoder(model)
    with torch.no_grad():
        before = model(**inputs).logits
        with METHODS["random"](k=2)(model):
            model(**inputs)
        assert torch.equal(model(**inputs).logits, before)
    assert not any(module._forward_pre_hooks for module in (decoder, *decoder.layers))


@pytest.mark.parametrize("rate", [None, "4", "a/b", "0/8", "8/4", 0.5])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(UnsupportedModelError, match="downsample_rate"):
        read_shape({**ENTRY.config, "downsample_rate": rate})
