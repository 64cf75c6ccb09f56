"""With and without FastV side by side: the same inputs, the sides in turn, texts as they grow, and a clean end in
every case.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.costs.flops import cost
from fastv.costs.memory import kv_cache_bytes
from fastv.errors import FastVError, InvalidBudgetError, InvalidInputError
from fastv.families.config_reader import read_shape
from fastv.measurement import compare as compare_room
from fastv.measurement.compare import Comparison, Progress
from fastv.measurement.system_load import OtherLoad
from tests.support.compare_sides import compare
from tests.support.prompts import QUESTION, QUICK, inputs_of, noise, plain_answer, talkative
from tests.support.ranking_cost import ranking_flops
from tests.support.standins import VISUAL_TOKENS

API_FIELDS = {
    "answer",
    "prefill_seconds",
    "decode_seconds_per_token",
    "total_seconds",
    "peak_bytes",
    "kv_cache_bytes",
    "visual_tokens",
    "prefill_flops",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return talkative(tmp_path_factory.mktemp("models") / "standin", seed=3)


@pytest.fixture(scope="module")
def picture():
    return noise()


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "fastv"] == []


@pytest.fixture(scope="module")
def told(loaded, picture):
    """All that one comparison yields."""
    return list(compare(loaded, picture, QUESTION, k=2, r=0.5, max_new_tokens=5, repeats=2, warmup=2))


def test_both_answers_are_those_of_plain_generate(loaded, picture, told):
    inputs = inputs_of(loaded, picture)
    assert told[-1].baseline.answer == plain_answer(loaded, inputs, 5) != ""
    with FastV(k=2, r=0.5)(loaded.model):
        assert told[-1].fastv.answer == plain_answer(loaded, inputs, 5)


def test_progress_streams_both_texts_and_ends_in_the_comparison(told):
    *progress, comparison = told
    assert isinstance(comparison, Comparison) and all(isinstance(item, Progress) for item in progress)
    stages = [item.stage for item in progress]
    assert stages == ["waiting"] + ["baseline"] * 6 + ["fastv"] * 6 + ["measuring"] * 6
    fractions = [item.fraction for item in progress]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] < 1
    for texts, answer in (
        ([item.baseline_text for item in progress], comparison.baseline.answer),
        ([item.fastv_text for item in progress], comparison.fastv.answer),
    ):
        assert all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:]))
        assert len(set(texts)) == 6 and texts[-1] == answer


def test_costs_are_those_of_this_prompt(loaded, picture, told):
    baseline, fastv = told[-1].baseline, told[-1].fastv
    prompt = inputs_of(loaded, picture)["input_ids"].shape[1]
    assert (baseline.visual_tokens, fastv.visual_tokens) == (VISUAL_TOKENS, VISUAL_TOKENS // 2)
    assert baseline.prompt_tokens == fastv.prompt_tokens == prompt
    assert baseline.answer_tokens == fastv.answer_tokens == 5
    sizes = {
        "text_tokens": prompt - VISUAL_TOKENS,
        "visual_tokens": VISUAL_TOKENS,
        "answer_tokens": 5,
        "dtype": "float32",
    }
    for run, k, r in ((baseline, None, 0.0), (fastv, 2, 0.5)):
        own = ranking_flops(loaded.model.config, prompt, 1) if k else 0.0
        expected = cost(loaded.model.config, k=k, r=r, method_flops=own, **sizes)
        assert (run.prefill_flops, run.total_flops) == (expected.prefill_flops, expected.total_flops)
        assert run.kv_cache_bytes == expected.kv_cache_bytes
    decoder = read_shape(loaded.model.config).decoder
    assert baseline.kv_cache_bytes == kv_cache_bytes(decoder, (prompt + 4,) * 4, "float32")
    assert baseline.peak_bytes > sum(weight.nbytes for weight in loaded.model.parameters())
    assert len(baseline.timing.prefill_seconds.runs) == len(fastv.timing.total_seconds.runs) == 2
    assert 0 < baseline.prefill_seconds < baseline.total_seconds
    times = baseline.timing
    for prefill, step, total in zip(
        times.prefill_seconds.runs, times.decode_seconds_per_token.runs, times.total_seconds.runs
    ):
        assert prefill + 4 * step == pytest.approx(total)


def test_the_kept_patches_are_those_of_the_trace(loaded, picture, told):
    inputs = inputs_of(loaded, picture)
    with FastV(k=2, r=0.5)(loaded.model) as trace:
        loaded.model.generate(**inputs, max_new_tokens=1)
    expected = torch.isin(trace.visual_positions[0], trace.kept[0]).view(4, 4)
    assert told[-1].fastv.kept == tuple(tuple(row) for row in expected.tolist())


def test_the_picture_shown_is_the_one_the_model_saw(picture, told):
    middle = np.asarray(picture.crop((14, 0, 70, 56)), int)  # the short side fits already: only the crop is left
    assert np.abs(np.asarray(told[-1].fastv.seen[0].picture, int) - middle).max() <= 1


def test_how_it_was_measured_travels_along_and_is_json(told):
    result = json.loads(json.dumps(told[-1].to_dict(), allow_nan=False))
    assert API_FIELDS <= result["baseline"].keys() == result["fastv"].keys()
    settings = {"k": 2, "r": 0.5, "method": "fastv", "repeats": 2, "warmup": 2, "dtype": "float32", "device": "cpu"}
    assert settings.items() <= result.items()
    assert result["machine"]["threads"] == torch.get_num_threads()
    assert len(result["baseline"]["timing"]["prefill_seconds"]["runs"]) == 2 and len(result["kept"]) == 4


def test_numpys_numbers_are_as_good_as_pythons(loaded, picture):
    asked = {"k": np.int64(1), "r": np.float32(0.5), "seed": np.int64(3), "method": "random"}
    told = list(compare(loaded, picture, QUESTION, **asked, **QUICK))[-1].to_dict()
    assert json.loads(json.dumps(told, default=vars))["fastv"]["k"] == 1 and type(told["k"]) is int
    assert (type(told["r"]), type(told["seed"])) == (float, int)


@pytest.mark.parametrize("r, kept", [(0.0, 16), (0.25, 12), (1.0, 0)])
def test_r_is_the_fraction_dropped_and_0_changes_nothing(loaded, picture, r, kept):
    *_, result = compare(loaded, picture, QUESTION, k=1, r=r, **QUICK)
    assert result.fastv.visual_tokens == kept == sum(map(sum, result.fastv.kept))
    assert result.baseline.visual_tokens == VISUAL_TOKENS
    if r == 0:
        assert result.fastv.answer == result.baseline.answer
        assert result.fastv.kv_cache_bytes == result.baseline.kv_cache_bytes
        assert result.fastv.prefill_flops == result.baseline.prefill_flops


def test_an_answer_of_one_token_has_no_decode_time(loaded, picture):
    *_, result = compare(loaded, picture, QUESTION, max_new_tokens=1, repeats=2)
    assert result.baseline.decode_seconds_per_token is None
    assert json.loads(json.dumps(result.to_dict()))["fastv"]["decode_seconds_per_token"] is None


def test_an_answer_holds_no_special_tokens(loaded, picture, monkeypatch):
    first = plain_answer(loaded, inputs_of(loaded, picture), 1)
    for name, value in (("eos_token_id", 2), ("forced_eos_token_id", 2), ("suppress_tokens", [0, 1, 3, 98])):
        monkeypatch.setattr(loaded.model.generation_config, name, value)
    *_, result = compare(loaded, picture, QUESTION, max_new_tokens=2, repeats=1)
    assert (result.baseline.answer_tokens, result.baseline.answer) == (2, first)


def test_the_sides_take_turns_on_the_same_tensors(loaded, picture, monkeypatch):
    calls = []
    plain = compare_room.generate

    def spy(model, inputs, **settings):
        pruned = bool(loaded.family.decoder(model).layers[2]._forward_pre_hooks)
        calls.append(("fastv" if pruned else "baseline", settings["on_token"] is not None, inputs))
        return plain(model, inputs, **settings)

    monkeypatch.setattr(compare_room, "generate", spy)
    list(compare(loaded, picture, QUESTION, max_new_tokens=2, repeats=2, warmup=2))
    one, other = ["baseline", "fastv"], ["fastv", "baseline"]
    assert [side for side, *_ in calls] == one + one + other + one
    assert [streams for _, streams, _ in calls] == [True] * 2 + [False] * 6
    for _, _, inputs in calls:
        assert all(inputs[name] is tensor for name, tensor in calls[0][2].items())


def test_the_model_is_left_as_it_was(loaded, picture):
    before = plain_answer(loaded, inputs_of(loaded, picture), 3)

    def hooks() -> list:
        return [(dict(module._forward_pre_hooks), dict(module._forward_hooks)) for module in loaded.model.modules()]

    present = hooks()
    list(compare(loaded, picture, QUESTION, **QUICK))
    assert hooks() == present
    assert plain_answer(loaded, inputs_of(loaded, picture), 3) == before and not loaded.lock.locked()


@pytest.fixture
def slow(loaded):
    """Makes each forward of the decoder take at least 50 ms and counts them."""
    count = []

    def wait(*_) -> None:
        count.append(1)
        time.sleep(0.05)

    hook = loaded.family.decoder(loaded.model).register_forward_pre_hook(wait)
    yield count
    hook.remove()


@pytest.mark.parametrize("stage", ["baseline", "fastv"])
def test_closing_stops_at_the_next_token(loaded, picture, slow, stage):
    running = compare(loaded, picture, QUESTION, max_new_tokens=30)
    next(item for item in running if item.stage == stage and item.fraction > 0 and getattr(item, f"{stage}_text"))
    made = len(slow)
    running.close()
    assert len(slow) <= made + 1
    assert not loaded.lock.locked()
    assert not any(module._forward_pre_hooks for module in loaded.family.decoder(loaded.model).layers)


def test_a_comparison_never_begun_leaves_nothing(loaded, picture):
    compare(loaded, picture, QUESTION).close()
    assert not loaded.lock.locked()


def test_a_second_comparison_waits_for_the_first(loaded, picture):
    with loaded.lock:
        waiting = compare(loaded, picture, QUESTION, **QUICK)
        assert next(waiting).stage == "waiting"
        waiting.close()
        second = compare(loaded, picture, QUESTION, **QUICK)
        assert next(second).stage == "waiting"
    assert isinstance(list(second)[-1], Comparison)


def test_two_at_a_time_come_out_as_one_by_one(loaded, picture, told):
    results = {}

    def run(name, r):
        results[name] = list(compare(loaded, picture, QUESTION, r=r, max_new_tokens=5, repeats=1))[-1]

    threads = [threading.Thread(target=run, args=(r, r)) for r in (0.5, 0.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0.5].fastv.answer == told[-1].fastv.answer and results[0.5].fastv.kept == told[-1].fastv.kept
    assert results[0.0].fastv.answer == told[-1].baseline.answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "raised, expected",
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), FastVError),
        (MemoryError(), FastVError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), FastVError),
        (OSError(28, "No space left on device"), OSError),
        (RuntimeError("something else"), RuntimeError),
    ],
)
def test_an_error_in_the_model_arrives_once_and_leaves_it_usable(loaded, picture, raised, expected):
    def fail(*_):
        raise raised

    hook = loaded.family.decoder(loaded.model).layers[3].register_forward_pre_hook(fail)
    with pytest.raises(expected) as failure:
        list(compare(loaded, picture, QUESTION, **QUICK))
    hook.remove()
    assert failure.value is raised if expected is not FastVError else "memory" in str(failure.value)
    assert not loaded.lock.locked()
    assert isinstance(list(compare(loaded, picture, QUESTION, **QUICK))[-1], Comparison)


@pytest.mark.parametrize(
    "arguments, error",
    [
        *(
            ({name: value}, InvalidInputError)
            for name, value in (
                ("question", ""),
                ("question", "what is <image> ?"),
                ("picture", b"no"),
                ("picture", None),
                ("max_new_tokens", 0),
                ("max_new_tokens", 10**6),
                ("repeats", 0),
                ("repeats", 2.5),
                ("warmup", 0),
                ("time_limit_seconds", "5"),
                ("time_limit_seconds", -1),
                ("time_limit_seconds", True),
                ("time_limit_seconds", float("nan")),
            )
        ),
        *(({name: value}, InvalidBudgetError) for name, value in (("k", 4), ("k", -1), ("r", 1.5), ("method", "best"))),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(loaded, picture, arguments, error):
    with pytest.raises(error):
        compare(loaded, **{"picture": picture, "question": QUESTION, **arguments})


def test_a_prompt_longer_than_the_model_reads_is_refused(loaded, picture):
    with pytest.raises(InvalidInputError, match="512 tokens"):
        list(compare(loaded, picture, "red " * 480, max_new_tokens=40))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 20), (400, 21), (2_048, 2_048)])
def test_pictures_of_all_sizes_run(loaded, size):
    *_, result = compare(loaded, Image.new("RGB", size, "red"), QUESTION, max_new_tokens=1, repeats=1)
    assert result.fastv.seen[0].picture.size == (56, 56) and len(result.fastv.kept) == 4


@pytest.mark.parametrize("busy, decided, rounds", [(1.0, False, 5), (0.0, False, 2), (None, False, 2), (1.0, True, 2)])
def test_rounds_are_added_once_where_a_busy_machine_hides_a_difference(
    loaded, picture, monkeypatch, busy, decided, rounds
):
    @contextmanager
    def watched():
        yield OtherLoad(busy)

    monkeypatch.setattr(compare_room, "watch_load", watched)
    monkeypatch.setattr(compare_room, "_is_undecided", lambda passes: not decided)
    *told, last = compare(loaded, picture, QUESTION, max_new_tokens=2, repeats=2, more_when_busy=3)
    assert last.repeats == rounds and len(last.fastv.timing.prefill_seconds.runs) == rounds
    assert sum(step.stage == "adding" for step in told) == 2 * (rounds - 2)
    assert all(0 <= step.fraction < 1 for step in told)
