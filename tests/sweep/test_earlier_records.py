"""Sweep files of the earlier version go on as if they were of this one."""

from __future__ import annotations

import json

import pytest

from fastv.errors import InvalidInputError
from fastv.measurement.records import read
from fastv.sweep import run
from fastv.sweep.earlier_records import _digest
from fastv.sweep.run import sweep

_FIELDS = {
    "answers": "answer",
    "tokens": "answer_tokens",
    "prefill_seconds": "prefill_seconds",
    "total_seconds": "total_seconds",
    "flops": "total_flops",
}


@pytest.fixture
def earlier(swept, samples, configs, tmp_path):
    """The same sweep as the earlier version wrote it, with one problem and without the last question."""
    path, (header, _) = tmp_path / "sweep.jsonl", read(swept[0])
    old = {name: header[name] for name in ("model", "dtype", "answer_tokens", "machine")}
    old["questions"] = _digest(samples)
    old["budgets"] = [{"k": one.k, "r": one.r, "rank": "last_token", "seed": one.seed} for one in configs]
    records = [
        {
            name: [getattr(result.answers[config].pruned, field) for config in (None, *configs)]
            for name, field in _FIELDS.items()
        }
        for result in swept[1][:3]
    ]
    records[1] = {"problem": "the memory ran out"}
    path.write_text("".join(json.dumps(line) + "\n" for line in (old, *records)))
    return path


def test_answers_are_kept_but_for_those_that_were_drawn_at_random(mini, samples, configs, swept, earlier, monkeypatch):
    asked, plain = [], run.answer_question

    def spy(loaded, sample, cells, **settings):
        asked.append((sample, list(cells)))
        return plain(loaded, sample, cells, **settings)

    monkeypatch.setattr(run, "answer_question", spy)
    results = sweep(mini, samples, configs, earlier)
    random = [None, configs[2]]
    assert asked[1:] == [(samples[0], random), (samples[2], random), (samples[3], [None, *configs])]
    assert results[1].problem == "the memory ran out"
    for index in (0, 2):
        for config in configs[:2]:
            assert results[index].answers[config] == swept[1][index].answers[config]


def test_files_of_other_questions_or_settings_are_refused_and_left_alone(mini, samples, configs, earlier):
    before = earlier.read_bytes()
    with pytest.raises(InvalidInputError, match="questions differs"):
        sweep(mini, samples[:3], configs, earlier)
    with pytest.raises(InvalidInputError, match="answer_tokens differs"):
        sweep(mini, samples, configs, earlier, answer_tokens=16)
    assert earlier.read_bytes() == before
