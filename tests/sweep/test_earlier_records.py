"""Sweep files of the earlier version go on as if they were of this one."""

from __future__ import annotations

import json

import pytest

from fastv.errors import InvalidInputError
from fastv.measurement.records import read
from fastv.sweep import run
from fastv.sweep.earlier_records import _digest
from fastv.sweep.run import SweepRun, sweep
from fastv.sweep.settings import SweepSettings
from tests.sweep.conftest import TOKENS

SECONDS = [0.4, 0.4, 0.1, 0.1]


@pytest.fixture
def earlier(swept, samples, configs, tmp_path):
    """The same sweep as the earlier version wrote it, with one problem and without the last question."""
    path, (header, _) = tmp_path / "sweep.jsonl", read(swept[0])
    old = {name: header[name] for name in ("model", "dtype", "answer_tokens", "machine")}
    old["questions"] = _digest(samples)
    old["budgets"] = [{"k": one.k, "r": one.r, "rank": "last_token", "seed": one.seed} for one in configs]
    records = [
        {
            "answers": [result.answers[config].pruned.answer for config in (None, *configs)],
            "tokens": [result.answers[config].pruned.answer_tokens for config in (None, *configs)],
            "flops": [result.answers[config].pruned.total_flops for config in (None, *configs)],
            "prefill_seconds": SECONDS,
            "total_seconds": [2 * one for one in SECONDS],
        }
        for result in swept[1][:3]
    ]
    records[1] = {"problem": "the memory ran out"}
    path.write_text("".join(json.dumps(line) + "\n" for line in (old, *records)))
    return path


def test_answers_are_kept_but_for_those_that_were_drawn_at_random(mini, samples, configs, swept, earlier, monkeypatch):
    asked, plain = {}, run.answers_to

    def spy(loaded, questions, missing, **settings):
        asked.update((sample, list(missing)) for sample, _ in questions)
        return plain(loaded, questions, missing, **settings)

    monkeypatch.setattr(run, "answers_to", spy)
    results = sweep(mini, samples, configs, earlier, answer_tokens=TOKENS, timed=0)
    assert not any(result.times for result in results)
    with SweepRun(mini, samples, configs[:2], earlier, SweepSettings(answer_tokens=TOKENS, timed=1)) as timed:
        kept = timed.results()
    assert asked == {samples[0]: configs[2:], samples[2]: configs[2:], samples[3]: configs}
    assert results[1].problem == "the memory ran out"
    for index in (0, 2):
        for config in configs[:2]:
            assert results[index].answers[config].pruned.answer == swept[1][index].answers[config].pruned.answer
            assert kept[index].times[config].pruned.prefill_seconds == SECONDS[configs.index(config) + 1]
            assert kept[index].times[config].unpruned.total_seconds == 2 * SECONDS[0]


def test_files_of_other_questions_or_settings_are_refused_and_left_alone(mini, samples, configs, earlier):
    before = earlier.read_bytes()
    with pytest.raises(InvalidInputError, match="questions differs"):
        sweep(mini, samples[:3], configs, earlier, answer_tokens=TOKENS)
    with pytest.raises(InvalidInputError, match="answer_tokens differs"):
        sweep(mini, samples, configs, earlier, answer_tokens=16)
    assert earlier.read_bytes() == before
