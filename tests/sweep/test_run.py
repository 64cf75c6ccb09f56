"""Sweeps: true to single runs, resumable, able to grow, and never mixing what does not belong together."""

from __future__ import annotations

import json

import pytest
import torch

from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.measurement.compare import Comparison
from fastv.measurement.records import read
from fastv.miniature.world.scenes import scene
from fastv.pruning.config import PruningConfig
from fastv.sweep import run
from fastv.sweep.datasets.base import Sample
from fastv.sweep.run import sweep
from tests.support.compare_sides import compare


def texts(results):
    return [{config: pair.pruned.answer for config, pair in result.answers.items()} for result in results]


@pytest.mark.slow
def test_each_answer_is_that_of_a_single_run(mini, samples, configs, swept):
    for sample, result in zip(samples, swept[1]):
        *_, single = compare(mini, sample.image, sample.question, k=2, r=0.75, repeats=1, max_new_tokens=32)
        assert isinstance(single, Comparison)
        for config, side in ((None, single.baseline), (configs[1], single.fastv)):
            found = result.answers[config].pruned
            assert (found.answer, found.answer_tokens, found.total_flops) == (
                side.answer,
                side.answer_tokens,
                side.total_flops,
            )
        assert result.answers[configs[0]].pruned.answer == result.answers[None].pruned.answer
        assert set(result.answers) == {None, *configs}
        for pair in result.answers.values():
            assert 0 < pair.pruned.prefill_seconds <= pair.pruned.total_seconds
            assert pair.unpruned == result.answers[None].pruned


def asked_by(monkeypatch):
    """The questions that are put to the model, with their cells."""
    asked, plain = [], run.answer_question

    def spy(loaded, sample, cells, **settings):
        asked.append((sample, list(cells)))
        return plain(loaded, sample, cells, **settings)

    monkeypatch.setattr(run, "answer_question", spy)
    return asked


def test_an_interrupted_sweep_goes_on_where_it_was(mini, samples, configs, swept, tmp_path, monkeypatch):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    lines = swept[0].read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:40])  # the third record was being written
    done = []
    assert texts(sweep(mini, samples, configs, path, report=done.append)) == texts(swept[1])
    assert [sample for sample, _ in asked] == [samples[2], samples[2], samples[3]]  # the first one to warm up
    assert done == [0, 1, 2, 3, 4]
    assert path.read_text().startswith("".join(lines[:3]))
    asked.clear()
    before = path.read_bytes()
    assert texts(sweep(mini, samples, configs, path)) == texts(swept[1])
    assert not asked
    assert path.read_bytes() == before


def test_a_sweep_can_grow_by_configs_and_by_questions(mini, samples, configs, swept, tmp_path, monkeypatch):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    sweep(mini, samples[1:3], configs[:1], path)
    asked.clear()
    grown = sweep(mini, samples, configs[1:], path)
    assert asked[0] == asked[1]
    assert asked[1:] == [(sample, [None, *configs[1:]]) for sample in samples]
    assert {config for result in grown for config in result.answers} == {None, *configs}
    for result, whole in zip(texts(grown), texts(swept[1])):
        assert result == {config: whole[config] for config in result}
    asked.clear()
    assert texts(sweep(mini, list(reversed(samples)), configs[1:], path)) == list(reversed(texts(grown)))
    assert not asked


def test_files_of_something_else_are_refused_and_left_alone(mini, samples, configs, swept, tmp_path):
    path = tmp_path / "sweep.jsonl"
    header = json.loads(swept[0].read_text().splitlines()[0])
    for text, told in (
        (json.dumps({**header, "model": "mini-13"}) + "\n", "model differs"),
        (json.dumps({**header, "answer_tokens": 31}) + "\n", "answer_tokens differs"),
        (json.dumps({**header, "machine": {}}) + "\n", "machine differs"),
        (json.dumps(header) + '\n{"a": 1}\n', "line 2"),
        (json.dumps(header) + '\n{"question": "a", "answers": [{"config": null}]}\n', "line 2"),
        ("not JSON\n", "no records"),
        ("\n", "no records"),
    ):
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=told):
            sweep(mini, samples, configs, path)
        assert path.read_text() == text


def test_settings_that_no_run_can_use_are_refused_before_a_file_is_made(mini, samples, tmp_path):
    path = tmp_path / "sweep.jsonl"
    with pytest.raises(InvalidBudgetError):
        sweep(mini, samples, [PruningConfig("fastv", 8, 0.5)], path)
    for answer_tokens in (0, -3, 1.5, True, 10**9):
        with pytest.raises(InvalidInputError, match="answer tokens"):
            sweep(mini, samples, [PruningConfig()], path, answer_tokens=answer_tokens)
    assert not path.exists()


def test_another_image_under_the_same_name_is_another_question(mini, samples, configs, tmp_path, monkeypatch):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    sample = Sample(tmp_path / "1.png", samples[0].question, samples[0].answers)
    for seed in (1, 3):
        scene(seed).picture.save(sample.image)
        sweep(mini, [sample], configs[:1], path, answer_tokens=2)
    assert len(asked) == 4
    assert len(read(path)[1]) == 2


def test_a_question_that_cannot_be_asked_is_told_and_the_others_go_on(mini, samples, configs, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Sample(tmp_path / "broken.png", "How many?", ("two",))
    results = sweep(mini, [broken, samples[0]], configs[:1], tmp_path / "sweep.jsonl")
    assert "not a picture" in results[0].problem
    assert not results[0].answers
    assert results[1].problem is None
    assert results[1].answers[None].pruned.answer


def test_out_of_memory_is_told_and_any_other_failure_is_not_hidden(mini, samples, configs, tmp_path, monkeypatch):
    path, plain = tmp_path / "sweep.jsonl", run.answer_question
    failures = iter([torch.OutOfMemoryError("CUDA out of memory")] * 2 + [None, None, ZeroDivisionError()])

    def failing(*arguments, **settings):
        if failure := next(failures):
            raise failure
        return plain(*arguments, **settings)

    monkeypatch.setattr(run, "answer_question", failing)
    with pytest.raises(ZeroDivisionError):
        sweep(mini, samples, configs[:1], path, answer_tokens=2)
    first, second = read(path)[1]
    assert "memory" in first["problem"]
    assert len(second["answers"]) == 2
