"""What is kept of each thing in reading order: counted from the pruning's own choice."""

import json

import numpy as np
import pytest

from fastv.evidence.reading_order import THINGS, parsed
from fastv.loading.load import load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.evaluation import reading_order
from fastv.pruning.config import PruningConfig


def test_shares_are_those_of_the_kept_tokens():
    loaded, asked = load("mini-7"), reading_order.described(2)
    setting = PruningConfig("fastv", 2, 0.9)
    found, whole = reading_order.kept_in_order(loaded, asked, [setting, PruningConfig("fastv", 2, 0.0)])
    expected = np.zeros((len(asked), THINGS))
    for row, (made, question) in enumerate(asked):
        assert len(made.things) == THINGS
        prompt = prompt_of(loaded, made.picture, question.text, answer_tokens=1)
        with setting.build()(loaded.model) as trace:
            loaded.model(**prompt.inputs)
        first = int(prompt.visual.nonzero()[0])
        kept = {divmod(int(position) - first, 24) for position in trace.kept[0]}
        for index in range(THINGS):
            its = set(zip(*(axis.tolist() for axis in np.nonzero(made.owners == index))))
            expected[row, index] = len(its & kept) / len(its)
    assert found.shares == pytest.approx(expected.mean(0), abs=1e-4) and found.scenes == len(asked)
    assert found.deviations == pytest.approx(expected.std(0, ddof=1), abs=1e-4)
    assert whole.shares == (1.0,) * THINGS and whole.margin == 0


def test_the_command_writes_what_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reading_order, "SETTINGS", (PruningConfig("random", 2, 0.5),))
    path = tmp_path / "deeper" / "mini-7.json"
    monkeypatch.setattr("sys.argv", ["reading_order", "mini-7", "--scenes", "1", "--json", str(path)])
    reading_order.main()
    (point,) = parsed(json.loads(path.read_text()))
    assert (point.k, point.r, point.method, point.scenes) == (2, 0.5, "random", 1)
    assert capsys.readouterr().out.count("in reading order") == 1
