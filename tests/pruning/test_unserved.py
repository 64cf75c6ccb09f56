"""What is told of a family before a run is what a run tells."""

from __future__ import annotations

import pytest
import torch

from fastv import METHODS
from fastv.errors import FastVError, UnsupportedModelError
from fastv.families.registry import FAMILIES, family_of
from fastv.pruning.requirements import check_renumbering
from fastv.pruning.unserved import unserved, unserved_options
from tests.support.standins import ALL_STANDINS, ROWS

#: One method for each thing that a family may not know.
NEEDS = {"fastervlm": "picture", "lower_resolution": "picture", "grid": "picture", "evs": "video"}


@pytest.mark.parametrize("key", ALL_STANDINS)
def test_a_run_agrees(key):
    standin = ALL_STANDINS[key]
    model = standin.model()
    family = family_of(model)
    refused = unserved(family, 8)
    for name, asked in NEEDS.items():
        inputs = standin.inputs(ROWS[asked if asked in standin.prompts else "picture"])
        try:
            with METHODS[name](keep_ratio=0.7)(model), torch.no_grad():
                model(**inputs)
        except FastVError as error:
            assert name in refused, error
        else:
            assert name not in refused
    if "positions" in unserved_options(family):
        with pytest.raises(UnsupportedModelError, match="positions"):
            check_renumbering(family.decoder(model))
    else:
        check_renumbering(family.decoder(model))


@pytest.mark.parametrize("layers", range(1, 9))
def test_methods_of_several_cuts_need_as_many_layers(layers):
    lacking = unserved(FAMILIES[0], layers).keys() - unserved(FAMILIES[0]).keys()
    assert lacking <= {name for name, method in METHODS.items() if not method.takes_k}
    for name in METHODS.keys() - lacking:
        cuts = METHODS[name](k=0).schedule(layers)
        assert list(cuts) == sorted(set(cuts)) and cuts[-1] < layers
    assert lacking <= unserved(FAMILIES[0], layers - 1 or 1).keys()


def test_of_a_model_of_no_family_the_decoder_alone_is_known():
    assert {"visionzip", "lower_resolution", "grid", "evs"} <= unserved(None).keys()
    assert not {"fastv", "random", "divprune"} & unserved(None).keys() and unserved_options(None) == {}
