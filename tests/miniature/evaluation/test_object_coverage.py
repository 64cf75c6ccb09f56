"""What is kept of a scene's things: counted from the pruning's own choice, and recorded with the weights it is of."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastv.evidence.measurements import fingerprint
from fastv.evidence.object_coverage import all_kept_things, folder, parsed
from fastv.families.catalogue import find
from fastv.loading.load import load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.evaluation import object_coverage
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.object_coverage import kept_things
from fastv.pruning.config import PruningConfig


def test_counts_are_those_of_the_kept_tokens():
    loaded, items = load("mini-7"), benchmark(3, 1)
    budget = PruningConfig("fastv", 2, 0.9)
    found, all_kept = kept_things(loaded, items, [budget, PruningConfig("fastv", 2, 0.0)])
    patches = kept = held = lost = 0
    for item in items:
        prompt = prompt_of(loaded, item.scene.picture, item.question.text, answer_tokens=1)
        with budget.build()(loaded.model) as trace:
            loaded.model(**prompt.inputs)
        first = int(prompt.visual.nonzero()[0])
        grid = {divmod(int(position) - first, 24) for position in trace.kept[0]}
        for index in range(len(item.scene.things)):
            its = set(zip(*(axis.tolist() for axis in np.nonzero(item.scene.owners == index))))
            patches, kept, held = patches + len(its), kept + len(its & grid), held + 1
            lost += len(its & grid) <= 0.1 * len(its)
    assert (found.patches, found.kept, found.things, found.lost) == (patches, kept, held, lost)
    assert all_kept.kept == all_kept.patches == patches and all_kept.lost == 0


def test_a_thing_without_a_patch_is_none():
    owners = np.full((24, 24), -1, np.int8)
    owners[0, :4], owners[1, :2] = 0, 2  # thing 1 is covered by others
    kept = np.zeros((24, 24), bool)
    kept[0, 0] = True
    assert object_coverage._counts(owners, kept) == (6, 1, 2, 1)


def test_the_command_writes_what_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(object_coverage, "KS", (0, 1))
    path = tmp_path / "deeper" / "mini-7.json"
    monkeypatch.setattr("sys.argv", ["things", "mini-7", "--scenes", "2", "--json", str(path)])
    object_coverage.main()
    made = json.loads(path.read_text())
    assert made["command"] == "python -m fastv.miniature.evaluation.object_coverage mini-7 -r 0.5 --scenes 2"
    assert [(point.k, point.method) for point in parsed(made)] == [(1, "fastv"), (1, "fastv_mean"), (1, "random")]
    assert capsys.readouterr().out.count("patches with things") == 3


@pytest.mark.parametrize("name", sorted(path.stem for path in folder().glob("*.json")))
def test_what_is_committed_is_of_the_weights_that_are_shipped(name):
    made = json.loads((folder() / f"{name}.json").read_text())
    assert made["weights"] == fingerprint(Path(find(name).source))
    assert [point.k for point in all_kept_things()[name]] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": "mini-7", "points": [{"k": 1}]}'])
def test_a_file_that_cannot_be_used_is_named(tmp_path, monkeypatch, text):
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "odd.json").write_text(text)
    monkeypatch.setattr("fastv.evidence.measurements.FOLDER", tmp_path)
    with pytest.raises(ValueError, match="odd.json"):
        all_kept_things()
