"""The layer profiles as they are recorded, and the sentences written from them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fastv.evidence.findings import PAIR
from fastv.evidence.layer_findings import RANKING_LAYER, layer_findings
from fastv.evidence.layer_profiles import Withdrawal, folder, layer_profiles, thirds
from fastv.evidence.measurements import all_measured
from fastv.evidence.published import attention_shares


@pytest.mark.parametrize("model", PAIR)
def test_the_records_are_whole_and_of_the_shipped_weights(model):
    one = layer_profiles()[model]
    assert one.weights == all_measured()[model].weights and one.scenes >= 300
    assert one.layers == all_measured()[model].layers == len(one.kept_cells) == len(one.answer_attention)
    for layer in (*one.attention, *one.answer_attention):
        assert sum(layer.values()) == pytest.approx(1, abs=3e-4)
    for cells in (*one.kept_cells, *one.kept_cells_unrotated):  # half of the patches is kept
        assert sum(map(sum, cells)) / 144 == pytest.approx(0.5, abs=1e-3)
    assert [point.k for point in one.withdrawn] == [None, *range(1, one.layers)]
    assert (folder() / f"{model}.json").stat().st_size < 40_000


def test_thirds():
    lower = tuple((1.0 if row == 11 else 0.0,) * 12 for row in range(12))
    even = ((0.5,) * 12,) * 12
    assert thirds(lower) == (0, 0, 1)
    assert thirds(even) == pytest.approx((1 / 3,) * 3)


def sentence_of(profile, beginning: str) -> str:
    return next(one.sentence for one in layer_findings({profile.model: profile}) if one.question.startswith(beginning))


def test_sentences_follow_the_numbers():
    one = layer_profiles()["mini-7"]
    falling = replace(one, answer_attention=({"image": 0.8}, {"image": 0.6}, {"image": 0.25}, {"image": 0.35}))
    rising = replace(one, answer_attention=({"image": 0.1}, {"image": 0.2}, {"image": 0.5}))
    assert sentence_of(falling, "Do ").startswith("Yes") and "from 70%" in sentence_of(falling, "Do ")
    assert "to 30%" in sentence_of(falling, "Do ") and sentence_of(rising, "Do ").startswith("No")
    whole = (True,) * 40
    free = replace(
        one,
        tasks=("where",) * 40,
        withdrawn=(Withdrawal(None, whole), Withdrawal(1, (False,) * 40), Withdrawal(2, whole)),
    )
    never = replace(free, withdrawn=(Withdrawal(None, whole), Withdrawal(1, (False,) * 40)))
    assert "layer 2 or later" in sentence_of(free, "From") and "From none" in sentence_of(never, "From")
    upper = tuple((1.0 if row < 4 else 0.0,) * 12 for row in range(12))
    cells = tuple(upper if layer == RANKING_LAYER else kept for layer, kept in enumerate(one.kept_cells))
    assert "100%, 0% and 0%" in sentence_of(replace(one, kept_cells=cells), "Does ")


def test_nothing_is_said_of_what_was_not_measured():
    assert layer_findings({}) == ()


def test_the_papers_shares_are_whole():
    for row in attention_shares():
        assert row.system + row.image + row.question + row.answer == pytest.approx(1)


def test_recorded_shares_by_task_are_those_of_the_tasks():
    record = json.loads((folder() / "mini-13.json").read_text(encoding="utf-8"))
    assert set(record["image_by_task"]) <= set(record["task_names"])
