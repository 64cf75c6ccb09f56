"""What training sees and what the benchmark asks are kept apart: other scenes, other layouts, other phrasings."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

import pytest

from fastv.miniature.evaluation import dataset as benchmark_room
from fastv.miniature.evaluation.dataset import SCENES, Item, benchmark
from fastv.miniature.evaluation.scoring import scores
from fastv.miniature.training import dataloader, packing
from fastv.miniature.training.packing import Questioner
from fastv.miniature.world.question_templates import PHRASINGS
from fastv.miniature.world.questions import Question
from fastv.miniature.world.scenes import scene


@pytest.fixture
def drawn(monkeypatch):
    """(seed, held_out) of every scene that either draws."""
    asked = []

    def spy(seed, *, held_out, **rest):
        asked.append((seed, held_out))
        return scene(seed, held_out=held_out, **rest)

    monkeypatch.setattr(dataloader, "scene", spy)
    monkeypatch.setattr(benchmark_room, "scene", spy)
    return asked


@pytest.mark.parametrize("skip", [0, 12_800])
def test_training_draws_scenes_of_its_own_and_no_layout_that_is_held_out(drawn, skip):
    list(islice(iter(dataloader._Scenes(skip, lambda made: made)), 8))
    assert len(drawn) == 8 and all(seed > SCENES and not held_out for seed, held_out in drawn)


@pytest.mark.slow
def test_training_asks_in_phrasings_of_its_own(monkeypatch, processor):
    asked, real = [], packing.questions
    monkeypatch.setattr(packing, "questions", lambda *a, **k: asked.extend(found := real(*a, **k)) or found)
    questioner = Questioner(processor.tokenizer, 16)
    for seed in range(16):
        questioner(scene(dataloader.TRAINING_SEEDS + seed, held_out=False))
    assert all(question.seen for question in asked) and {question.task for question in asked} == set(PHRASINGS)
    assert all(not set(seen) & set(unseen) for seen, unseen in PHRASINGS.values())


def test_a_quarter_of_the_layouts_and_half_of_the_phrasings_are_ones_training_never_saw(drawn):
    items = benchmark(32)
    assert [seed for seed, _ in drawn] == list(range(32))
    held_out = dict(drawn)
    scenes = list(dict.fromkeys(id(item.scene) for item in items))
    assert all(item.held_out == held_out[scenes.index(id(item.scene))] for item in items)
    assert sum(held_out.values()) == 8
    groups = {
        kind: {id(item.scene) for item in items if (item.held_out, item.question.seen) == kind}
        for kind in ((False, False), (False, True), (True, False), (True, True))
    }
    assert [len(group) for group in groups.values()] == [12, 12, 4, 4]


def test_scores_go_by_what_training_had_seen():
    items = [
        Item(SimpleNamespace(), Question("?", "!", "where", seen), held_out)
        for seen in (True, False)
        for held_out in (True, False)
    ]
    found = scores(items, [True, False, False, False])  # right: seen phrasing, held-out layout
    shares = {name: found[name].share for name in ("phrasing seen", "phrasing unseen", "layout seen", "layout unseen")}
    assert shares == {"phrasing seen": 0.5, "phrasing unseen": 0.0, "layout seen": 0.0, "layout unseen": 0.5}
