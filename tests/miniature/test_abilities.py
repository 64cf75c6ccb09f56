import json
from pathlib import Path

import pytest

from fastv.miniature.abilities import ABOUT, in_words
from fastv.miniature.phrasings import TASKS
from fastv.miniature.world import KINDS
from fastv.models.catalogue import CATALOGUE


def test_every_task_has_its_words():
    assert set(ABOUT) == set(TASKS)


@pytest.mark.parametrize("wrong", [(), ("sign",), ("describe", "sign")])
def test_what_is_wrong_more_often_than_right_is_said_and_nothing_else(tmp_path, wrong):
    shares = {task: {"share": 0.49 if task in wrong else 0.5} for task in TASKS}
    (tmp_path / "scores.json").write_text(json.dumps({"scores": shares | {"all": {"share": 0.3}}}))
    said = in_words(tmp_path)
    assert [task for task in TASKS if ABOUT[task] in said.replace("where things are", "")] == [
        task for task in TASKS if task in wrong]
    assert ("more often wrong" in said) == bool(wrong) and str(len(KINDS)) in said


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if entry.embedded], ids=lambda entry: entry.key)
def test_those_that_are_shipped_say_it(entry):
    assert "Outside that world" in in_words(Path(entry.source))
