"""From sliders to plain data: what the chosen sides are, and which quality is told of them."""

from __future__ import annotations

import gradio as gr
import pytest

from fastv.app.compare import layout, method_choice, method_options
from fastv.app.compare.chosen_sides import chosen_sides, setups
from fastv.app.compare.method_choice import OPPONENTS
from fastv.app.compare.method_events import against
from fastv.app.compare.shared_pruning import shared_pruning
from fastv.app.service.model_outline import ModelOutline
from fastv.app.service.model_pool import ModelPool
from fastv.app.service.request import ChosenSide, ChosenSides
from fastv.errors import FastVError
from fastv.families.base import Family
from fastv.families.catalogue import find, known_settings, known_shape
from fastv.families.registry import family_for
from fastv.loading.load import load
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS
from fastv.pruning.unserved import unserved
from tests.support.standins import save_llava_checkpoint


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, seed=3)
    return ModelPool(load(str(folder)))


@pytest.fixture(scope="module")
def ui(pool):
    with gr.Blocks():
        return layout.lay_out(pool)


def values(
    ui,
    model="standin",
    k=2,
    r=50,
    method="fastv",
    options=(),
    other="",
    other_k=2,
    other_r=0,
    other_method="",
    other_options=(),
):
    panel = ui.baseline
    return {
        ui.in_use: model,
        ui.method: method,
        ui.k: k,
        ui.r: r,
        ui.options: list(options),
        panel.in_use: other,
        panel.method: other_method,
        panel.k: other_k,
        panel.r: other_r,
        panel.options: list(other_options),
        ui.offered: ui.offered.value,
    }


def test_a_model_is_compared_with_itself_without_pruning(ui):
    sides = chosen_sides(ui, values(ui))
    assert sides == ChosenSides(ChosenSide("standin", PruningConfig("fastv", 2, 0.5)), ChosenSide("standin"))
    assert sides.has_plain_baseline and sides.pair is None


def test_r_of_zero_is_without_pruning_but_beside_the_same_model_shows_what_pruning_alone_changes(ui):
    assert chosen_sides(ui, values(ui, r=0)).candidate.pruning == PruningConfig("fastv", 2, 0.0)
    assert chosen_sides(ui, values(ui, r=0, other="mini-7")).candidate.pruning is None
    assert chosen_sides(ui, values(ui, r=0, other_r=25)).candidate.pruning is None


def test_each_side_may_have_a_method_of_its_own(ui):
    sides = chosen_sides(ui, values(ui, other_r=50, other_method="random"))
    assert sides.candidate.pruning == PruningConfig("fastv", 2, 0.5)
    assert sides.baseline.pruning == PruningConfig("random", 2, 0.5)


def test_each_side_has_options_of_its_own(ui):
    sides = chosen_sides(ui, values(ui, other_r=50, options=["proportional"], other_options=["per", "positions"]))
    assert sides.candidate.pruning.options == {"proportional": True}
    assert sides.baseline.pruning.options == {"per": "image", "positions": "close"}


@pytest.mark.parametrize(
    "key, offered",
    [
        ("llava", {"positions", "proportional"}),
        ("qwen2_5_vl", {"proportional"}),
        ("internvl", {"per", "positions", "proportional"}),
        ("llava_next", {"per", "positions", "proportional"}),
    ],
)
def test_options_are_those_that_a_model_can_serve(key, offered):
    with gr.Blocks():
        boxes = method_options.for_model(family_for(key), ["positions", "proportional"])
    assert {name for _, name in boxes.choices} == offered
    assert boxes.value == [name for name in ("positions", "proportional") if name in offered]


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_an_opponent_prunes_the_same_model_by_as_much(ui, pool, opponent):
    updates = against(ui, pool, opponent, values(ui, k=3, r=75, other_r=20, options=["proportional"]))
    panel = ui.baseline
    after = values(
        ui,
        k=3,
        r=75,
        other=updates[panel.in_use],
        other_k=updates[panel.k].value,
        other_r=updates[panel.r].value,
        other_method=updates[panel.method].value,
        options=["proportional"],
        other_options=updates[panel.options].value,
    )
    sides = chosen_sides(ui, after)
    assert sides.baseline == ChosenSide("standin", PruningConfig(opponent, 3, 0.75, proportional=True))
    assert sides.candidate.pruning == PruningConfig("fastv", 3, 0.75, proportional=True)


def test_an_opponent_has_a_k_only_where_both_methods_have_one(ui, pool):
    k = ui.baseline.k
    assert against(ui, pool, "lower_resolution", values(ui, k=3, other_k=1))[k].value == 1
    assert against(ui, pool, "random", values(ui, k=3, other_k=1))[k].value == 3
    assert against(ui, pool, "random", values(ui, k=3, other_k=1, method="divprune"))[k].value == 0


def test_an_opponent_that_the_model_cannot_do_is_refused(ui, pool, monkeypatch):
    monkeypatch.setattr(Family, "reduces_pictures", False)
    assert set(against(ui, pool, "lower_resolution", values(ui))) == {ui.status}


@pytest.mark.parametrize("key", ["mini-7", "internvl3.5-1b"])
def test_methods_that_a_model_cannot_do_come_last_and_say_why(key):
    entry = find(key)
    family, shape = family_for(known_settings(entry)["model_type"]), known_shape(entry)
    model = ModelOutline(entry, family, shape, shape.decoder.layers)
    lacking = unserved(family, model.layers)
    assert lacking
    for same in (False, True):
        with gr.Blocks():
            made = [method_choice.for_model(model, name, same=same) for name in METHODS]
        names = [name for _, name in made[0].choices]
        assert set(names) == METHODS.keys() | ({""} if same else set()) and len(names) == len(METHODS) + same
        assert set(names[len(names) - len(lacking) :]) == lacking.keys()
        for one, name in zip(made, METHODS, strict=True):
            assert one.value == name and (lacking[name] in one.info if name in lacking else one.info is None)


def test_there_is_no_opponent_where_nothing_is_dropped(ui, pool):
    assert set(against(ui, pool, "random", values(ui, r=0))) == {ui.status}


@pytest.mark.parametrize("name", METHODS)
def test_k_can_be_moved_where_a_method_takes_it(name):
    with gr.Blocks():
        assert method_choice.k_slider(name, 1).interactive == METHODS[name].takes_k


def test_percent_becomes_a_fraction_and_the_method_holds_for_both_sides(ui):
    sides = chosen_sides(ui, values(ui, r=53.7, method="random", other="mini-7", other_k=1, other_r=12.5))
    assert sides.candidate.pruning == PruningConfig("random", 2, 0.537)
    assert sides.baseline == ChosenSide("mini-7", PruningConfig("random", 1, 0.125))
    assert sides.pair is None


def test_another_model_without_pruning_makes_a_pair(ui):
    assert chosen_sides(ui, values(ui, other="mini-7")).pair == ("standin", "mini-7")


@pytest.mark.parametrize(
    "wrong", [{"k": None}, {"k": ""}, {"k": -1}, {"k": 2.5}, {"r": 101}, {"r": "50"}, {"other_r": None}]
)
def test_a_field_that_is_empty_or_out_of_range_is_refused(ui, wrong):
    with pytest.raises(FastVError):
        chosen_sides(ui, values(ui, **wrong))


def test_sides_are_described_whether_or_not_their_models_are_in_memory(ui, pool):
    baseline, candidate = setups(pool, chosen_sides(ui, values(ui, other="mini-7", method="random")))
    assert (baseline.model, baseline.k, baseline.r) == ("mini-7", None, None)
    assert (candidate.model, candidate.k, candidate.r, candidate.method) == ("standin", 2, 0.5, "random")


def test_k_and_r_of_another_tab_are_taken_over(ui, pool):
    updates = shared_pruning(ui, pool).set(values(ui), 3, 75)
    assert (updates[ui.k], updates[ui.r].value) == (3, 75) and ui.preset in updates


def test_a_layer_that_the_model_does_not_have_is_not_dropped_silently(ui, pool):
    shared = shared_pruning(ui, pool)
    updates = shared.set(values(ui), 12, 75)
    assert set(updates) == {ui.status} and "K=12" in updates[ui.status] and "4 decoder layers" in updates[ui.status]
    assert set(updates) <= set(shared.outputs)
