"""Sweeps: true to single runs, resumable, able to grow, and never mixing what does not belong together."""

from __future__ import annotations

import json

import pytest

from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.measurement.compare import Comparison
from fastv.measurement.records import read
from fastv.miniature.world.scenes import scene
from fastv.pruning.config import PruningConfig
from fastv.sweep import run
from fastv.sweep.analysis.table import table
from fastv.sweep.analysis.table_text import notes
from fastv.sweep.datasets.base import Sample
from fastv.sweep.run import SweepRun, sweep
from fastv.sweep.settings import SweepSettings
from tests.support.compare_sides import compare
from tests.sweep.conftest import TIMED, TOKENS


def texts(results):
    return [{config: pair.pruned.answer for config, pair in result.answers.items()} for result in results]


@pytest.mark.slow
def test_each_answer_is_that_of_a_single_run(mini, samples, configs, swept):
    for sample, result in zip(samples[:3], swept[1]):
        *_, single = compare(mini, sample.image, sample.question, k=2, r=0.75, repeats=1, max_new_tokens=TOKENS)
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


def test_a_sample_of_the_questions_is_timed(samples, configs, swept):
    timed = [result.times for result in swept[1] if result.times]
    assert len(timed) == TIMED
    for times in timed:
        assert set(times) == {None, *configs}
        for pair in times.values():
            assert 0 < pair.pruned.prefill_seconds <= pair.pruned.total_seconds
            assert pair.unpruned == times[None].pruned


def test_answers_only_leaves_out_times_that_were_taken_before(mini, samples, configs, swept, tmp_path):
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(swept[0].read_bytes())
    grown = sweep(mini, samples, [*configs, PruningConfig("fastv", 1, 0.5)], path, answer_tokens=TOKENS, timed=0)
    assert [len(result.answers) for result in grown] == [len(configs) + 2] * len(samples)
    assert not any(result.times for result in grown)
    assert any(result.times for result in sweep(mini, samples, configs, path, answer_tokens=TOKENS, timed=TIMED))


def asked_by(monkeypatch):
    """The questions that are put to the model, with their configs."""
    asked, plain = [], run.answers_to

    def spy(loaded, questions, configs, **settings):
        asked.extend((sample, list(configs)) for sample, _ in questions)
        return plain(loaded, questions, configs, **settings)

    monkeypatch.setattr(run, "answers_to", spy)
    return asked


def known(asked):
    """Questions with their configs, in an order of their own."""
    return sorted(((str(sample.image), sample.question, configs) for sample, configs in asked), key=str)


@pytest.mark.slow
@pytest.mark.parametrize("complete", [1, 3, 5])  # the header, two answers, all answers: complete lines
def test_a_sweep_killed_while_it_wrote_goes_on_where_it_was(
    mini, samples, configs, swept, tmp_path, monkeypatch, complete
):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    lines = swept[0].read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:complete]) + lines[complete][:40])
    assert texts(sweep(mini, samples, configs, path, answer_tokens=TOKENS, timed=TIMED)) == texts(swept[1])
    assert len(asked) == max(0, len(samples) + 1 - complete)
    assert path.read_text().startswith("".join(lines[:complete]))
    header, records = read(path)
    assert sorted(record["question"] for record in records) == sorted(
        record["question"] for record in read(swept[0])[1]
    )
    asked.clear()
    before = path.read_bytes()
    assert texts(sweep(mini, samples, configs, path, answer_tokens=TOKENS, timed=TIMED)) == texts(swept[1])
    assert not asked
    assert path.read_bytes() == before


def test_a_sweep_can_grow_by_configs_and_by_questions(mini, samples, configs, swept, tmp_path, monkeypatch):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    sweep(mini, samples[1:3], configs[:1], path, answer_tokens=TOKENS, timed=0)
    assert known(asked) == known((sample, configs[:1]) for sample in samples[1:3])
    asked.clear()
    grown = sweep(mini, samples, configs[1:], path, answer_tokens=TOKENS, timed=0)
    assert known(asked) == known((sample, configs[1:]) for sample in samples)
    assert {config for result in grown for config in result.answers} == {None, *configs}
    for result, whole in zip(texts(grown), texts(swept[1])):
        assert result == {config: whole[config] for config in result}
    asked.clear()
    assert texts(sweep(mini, list(reversed(samples)), configs[1:], path, answer_tokens=TOKENS, timed=0)) == list(
        reversed(texts(grown))
    )
    assert not asked


@pytest.mark.slow
def test_another_machine_goes_on_with_the_answers_and_takes_times_of_its_own(
    mini, samples, configs, swept, tmp_path, monkeypatch
):
    path, asked = tmp_path / "sweep.jsonl", asked_by(monkeypatch)
    header, *lines = swept[0].read_text().splitlines()
    elsewhere = {**json.loads(header)["machine"], "device": "another"}
    moved = [json.loads(header) | {"machine": elsewhere}, *map(json.loads, lines)]
    moved = [record | {"machine": elsewhere} if "times" in record else record for record in moved]
    path.write_text("".join(json.dumps(record) + "\n" for record in moved[:-1]))
    with SweepRun(mini, samples, configs, path, SweepSettings(answer_tokens=TOKENS, timed=TIMED)) as going:
        steps = list(going.steps())
        results = going.results()
    assert not asked
    assert [step.timed for step in steps] == [0, 1, 2]  # the other machine's one is not added to
    assert texts(results) == texts(swept[1])
    own = [time.pruned for result in results for time in result.times.values()]
    assert len(own) == TIMED * 4
    path.write_text("".join(json.dumps(record) + "\n" for record in moved))
    with SweepRun(mini, samples, configs, path, SweepSettings(answer_tokens=TOKENS, timed=TIMED)) as going:
        assert len(list(going.steps())) == 1  # all is there


def test_steps_can_be_stopped_and_configs_left_out(mini, samples, configs, tmp_path):
    path, settings = tmp_path / "sweep.jsonl", SweepSettings(answer_tokens=2, batch=1, timed=1)
    with SweepRun(mini, samples, configs[:2], path, settings) as going:
        for step in going.steps():
            if step.answered == 1:
                break
        assert len(going.in_order()) == 1
        assert len(read(path)[1]) == 1
    looks = []
    with SweepRun(mini, samples, configs[:2], path, settings) as going:
        last = list(going.steps(stop=lambda found: looks.append(len(found)) or configs[:1]))[-1]
        assert (last.answered, last.questions, last.timed, last.to_time) == (4, 4, 1, 1)
        assert looks == [1, 4]  # all four are in one window
        timed = [result.times for result in going.results() if result.times]
        assert [set(times) for times in timed] == [{None, configs[1]}]


def test_a_cell_that_was_refused_is_told_and_not_asked_again(mini, samples, configs, tmp_path, monkeypatch):
    path, refused = tmp_path / "sweep.jsonl", PruningConfig("evs", 0, 0.5)
    results = sweep(mini, samples[:2], [configs[1], refused], path, answer_tokens=2, timed=1)
    assert all(set(result.answers) == {None, configs[1]} and refused in result.refused for result in results)
    assert [set(result.times) for result in results if result.times] == [{None, configs[1]}]
    assert [row.config for row in table(results, [configs[1], refused])] == [None, configs[1]]
    assert "2 questions" in notes(results)[-1]
    asked, before = asked_by(monkeypatch), path.read_bytes()
    sweep(mini, samples[:2], [configs[1], refused], path, answer_tokens=2, timed=1)
    assert not asked
    assert path.read_bytes() == before


def test_files_of_something_else_are_refused_and_left_alone(mini, samples, configs, swept, tmp_path):
    path = tmp_path / "sweep.jsonl"
    header = json.loads(swept[0].read_text().splitlines()[0])
    for text, told in (
        (json.dumps({**header, "model": "mini-13"}) + "\n", "model differs"),
        (json.dumps({**header, "answer_tokens": 31}) + "\n", "answer_tokens differs"),
        (json.dumps({**header, "weights": "0123456789abcdef"}) + "\n", "other weights"),
        (json.dumps(header) + '\n{"a": 1}\n', "line 2"),
        (json.dumps(header) + '\n{"question": "a", "answers": [{"config": null}]}\n', "line 2"),
        ("not JSON\n", "no records"),
        ("\n", "no records"),
    ):
        path.write_text(text)
        with pytest.raises(InvalidInputError, match=told):
            sweep(mini, samples, configs, path, answer_tokens=TOKENS)
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
        sweep(mini, [sample], configs[:1], path, answer_tokens=2, timed=0)
    assert len(asked) == 2
    assert len(read(path)[1]) == 2


def test_a_question_that_cannot_be_asked_is_told_and_the_others_go_on(mini, samples, configs, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Sample(tmp_path / "broken.png", "How many?", ("two",))
    results = sweep(mini, [broken, samples[0]], configs[:1], tmp_path / "sweep.jsonl", answer_tokens=TOKENS, timed=2)
    assert "not an image" in results[0].problem
    assert not results[0].answers
    assert results[1].problem is None
    assert results[1].answers[None].pruned.answer
