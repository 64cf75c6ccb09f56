import json
from pathlib import Path

import pytest

from fastv.families.catalogue import CATALOGUE
from fastv.miniature.world.abilities import ABOUT, in_words
from fastv.miniature.world.question_templates import TASKS
from fastv.miniature.world.vocabulary import KINDS


def test_every_task_has_its_words():
    assert set(ABOUT) == set(TASKS)


@pytest.mark.parametrize("wrong", [(), ("sign",), ("describe", "sign")])
def test_how_often_it_is_right_is_said_and_what_is_wrong_often_and_nothing_else(tmp_path, wrong):
    shares = {task: {"share": 0.7 - wrong.index(task) / 100 if task in wrong else 0.86} for task in TASKS}
    (tmp_path / "scores.json").write_text(
        json.dumps({"scores": shares | {"all": {"share": 0.81}, "layout seen": {"share": 0.1}}})
    )
    said = in_words(tmp_path)
    assert [task for task in TASKS if ABOUT[task] in said.replace("where things are", "")] == [
        task for task in TASKS if task in wrong
    ]
    assert "answers 81.0% of" in said and str(len(KINDS)) in said and "86.0%" not in said and "10.0%" not in said
    weakest_first = [f"{shares[task]['share']:.1%} about {ABOUT[task]}" for task in reversed(wrong)]
    assert [said.index(part) for part in weakest_first] == sorted(said.index(part) for part in weakest_first)


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if entry.embedded], ids=lambda entry: entry.key)
def test_those_that_are_shipped_say_it(entry):
    assert str(len(KINDS)) in in_words(Path(entry.source))
