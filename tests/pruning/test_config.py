"""Pruning settings as data: checked, exact through JSON, and readable from records of older versions."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from fastv.costs.flops import cost
from fastv.errors import InvalidBudgetError
from fastv.evidence.measurements import read_document
from fastv.families.config_reader import read_shape
from fastv.paths import ASSETS
from fastv.pruning.config import OPTIONS, PruningConfig
from fastv.pruning.methods.attention_method import AttentionMethod
from fastv.pruning.methods.registry import METHODS


def test_the_default_is_fastv_of_the_paper():
    assert PruningConfig() == PruningConfig("fastv", 2, 0.5, 0)


@pytest.mark.parametrize("method", METHODS)
def test_there_and_back(method):
    config = PruningConfig(method, 3, 0.25, 7)
    assert PruningConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert type(config.build()) is METHODS[method]
    k = 3 if METHODS[method].takes_k else METHODS[method].default_k
    assert (
        (config.k, config.r, config.seed) == (config.build().k, config.build().r, config.build().seed) == (k, 0.25, 7)
    )


@pytest.mark.parametrize("old, new", [("last_token", "fastv"), ("mean", "fastv_mean"), ("random", "random")])
def test_old_records_are_read(old, new):
    assert PruningConfig.from_dict({"k": 1, "r": 0.9, "rank": old, "right": "ff"}) == PruningConfig(new, 1, 0.9)
    assert PruningConfig(old, 1, 0.9) == PruningConfig(new, 1, 0.9)


def test_every_recorded_point_is_read():
    points = [point for path in (ASSETS / "measured").rglob("*.json*") for point in read_document(path)["points"]]
    assert len(points) > 100
    for point in points:
        config = PruningConfig.from_dict(point)
        assert (config is None) == (point["k"] is None)
        assert config is None or (config.k, config.r) == (point["k"], point["r"])


def test_a_run_without_pruning_is_none():
    assert PruningConfig.from_dict({"k": None, "r": 0.0, "rank": None}) is None


@pytest.mark.parametrize("method", METHODS)
def test_with_k_0_attention_cannot_choose(method):
    assert PruningConfig(method, 2).chosen_by == method
    by_attention = issubclass(METHODS[method], AttentionMethod)
    assert PruningConfig(method, 0).chosen_by == ("random" if by_attention else method)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_costs_is_known(method):
    shape = read_shape({"model_type": "llava"})
    config = PruningConfig(method, 2, 0.75)
    pruned = config.cost_arguments(shape, 36, 576)
    found = cost(shape, text_tokens=36, visual_tokens=576, answer_tokens=1, **pruned)
    layers = config.build().schedule(shape.decoder.layers)
    made = config.build()
    own = made.own_flops(shape.decoder, 36, 576) + made.tower_flops(shape.vision, 576, 1, 0)
    assert found.method_flops == own < found.prefill_flops / 10
    assert found.layer_flops[layers[-1]] == found.layer_flops[-1]
    assert layers[0] == 0 or found.layer_flops[layers[0] - 1] > found.layer_flops[-1]


def test_numpys_numbers_become_pythons():
    config = PruningConfig(k=np.int64(1), r=np.float32(0.5), seed=np.int64(3))
    assert json.loads(json.dumps(config.to_dict())) == {"method": "fastv", "k": 1, "r": 0.5, "seed": 3, **OPTIONS}


@pytest.mark.parametrize(
    "values",
    [
        {"method": "best"},
        {"method": None},
        {"method": ["fastv"]},
        {"k": -1},
        {"k": True},
        {"k": 1.5},
        {"k": None},
        {"r": 1.01},
        {"r": float("nan")},
        {"r": None},
        {"seed": 2**63},
        {"seed": "1"},
    ],
    ids=str,
)
def test_values_out_of_range(values):
    with pytest.raises(InvalidBudgetError, match=next(iter(values))):
        PruningConfig(**values)


def test_options_go_with_the_method():
    options = {"per": "image", "positions": "close", "proportional": True}
    config = PruningConfig("divprune", r=0.25).with_options(options)
    assert config.options == options and PruningConfig().options == {}
    made = config.build()
    assert {name: getattr(made, name) for name in options} == options
    assert PruningConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("options", [{"per": "page"}, {"positions": None}, {"proportional": 2}, {"gaps": "close"}])
def test_options_that_there_are_not(options):
    with pytest.raises(InvalidBudgetError, match=next(iter(options))):
        PruningConfig().with_options(options)


def test_no_torch_is_imported():
    code = (
        "import sys; from fastv.pruning.config import PruningConfig; from fastv.pruning.methods.registry import "
        "described; "
        "described(); PruningConfig('random').build(); sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
