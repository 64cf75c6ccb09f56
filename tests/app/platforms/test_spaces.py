"""Spaces: what is offered where, and the contract of ZeroGPU, kept before a fake that pickles and forks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastv.app.hosting.settings import Settings
from fastv.app.platforms import spaces, zerogpu
from fastv.app.platforms.spaces import Platform, unavailable_with_costs
from fastv.app.shared.model_choices import model_choices
from fastv.families.catalogue import CATALOGUE, find
from fastv.loading.machine_memory import MachineMemory

ROOT = Path(__file__).resolve().parents[3]
REAL = [entry.key for entry in CATALOGUE if not entry.embedded]


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(spaces, "has_gpu", lambda: False)


def test_locally_everything_is_offered_and_no_header_is_trusted(no_gpu):
    platform = Platform.of({})
    assert platform.unavailable(Settings()) == {} and platform.execute is None
    shared = platform.unavailable(Settings(share=True))  # no stranger starts a download of gigabytes
    assert set(shared) == set(REAL) and {one.mark for one in shared.values()} == {"not offered here"}
    assert platform.unavailable(Settings(share=True, real_models="yes")) == {}
    assert set(platform.unavailable(Settings(real_models="no"))) == set(REAL)
    assert platform.adjusted(Settings()) == Settings(model="mini-7", trust_proxy=0)


def test_on_a_space_without_a_gpu_real_models_are_listed_with_what_they_cost(no_gpu):
    platform = Platform.of({"SYSTEM": "spaces", "SPACE_ID": "someone/fastv"})
    assert platform.adjusted(Settings()) == Settings(model="mini-7", trust_proxy=1)
    assert platform.adjusted(Settings(trust_proxy=0)).trust_proxy == 0
    refused = platform.unavailable(Settings())
    assert set(refused) == set(REAL)
    assert refused["llava-1.5-7b"].mark == "needs a GPU" and "14.1 GB" in refused["llava-1.5-7b"].sentence
    assert platform.unavailable(Settings(real_models="yes")) == {}
    assert "llava-1.5-7b" not in platform.unavailable(Settings(model="llava-1.5-7b"))


def test_on_a_space_with_a_gpu_they_are_offered(monkeypatch):
    monkeypatch.setattr(spaces, "has_gpu", lambda: True)
    assert Platform.of({"SYSTEM": "spaces"}).unavailable(Settings()) == {}
    held_back = Platform.of({"SYSTEM": "spaces"}).unavailable(Settings(real_models="no"))
    assert set(held_back) == set(REAL)
    assert not any("needs a GPU" in words for one in held_back.values() for words in (one.mark, one.sentence))


def test_the_cost_in_the_sentence_is_the_computed_one():
    from fastv.costs.memory import parameter_bytes
    from fastv.families.catalogue import REFERENCE_CONFIGS
    from fastv.families.config_reader import read_shape

    said = unavailable_with_costs(find("llava-1.5-13b"), lacking=True).sentence
    assert f"{parameter_bytes(read_shape(REFERENCE_CONFIGS['llava-1.5-13b']), 'float16') / 1e9:.1f} GB in 16" in said


def test_the_page_says_needs_a_gpu_and_loads_nothing(tmp_path, no_gpu):
    from fastv.app.service.model_pool import ModelPool
    from fastv.errors import ModelLoadError
    from fastv.loading.load import load
    from tests.support.standins import save_llava_checkpoint

    save_llava_checkpoint(tmp_path / "standin")
    platform = Platform.of({"SYSTEM": "spaces"})
    pool = ModelPool(load(str(tmp_path / "standin")), unavailable=platform.unavailable(Settings()))
    texts = {key: text for text, key in model_choices(pool, MachineMemory(10**12, 10**12))}
    assert texts["standin"] == "standin · runs here" and texts["llava-1.5-7b"] == "LLaVA-1.5 7B · 14.1 GB · needs a GPU"
    assert list(texts)[-len(REAL) :] == REAL
    with pytest.raises(ModelLoadError, match="needs a GPU, and is not offered here"):
        pool.load("llava-1.5-7b")


class Asked:
    def __init__(self, max_new_tokens=64, repeats=3, warmup=1):
        self.max_new_tokens, self.repeats, self.warmup = max_new_tokens, repeats, warmup


def test_the_estimate_grows_with_what_is_asked_within_bounds():
    shortest, usual, longest = (zerogpu.estimate(one) for one in (Asked(1, 1), Asked(), Asked(1_024, 50)))
    assert 20 <= shortest < usual < longest == 120
    assert zerogpu.estimate(Asked(1_024, 50), 30) == 45  # no more than a run may take, and the way to it
    assert zerogpu.estimate(Asked("many", None)) == shortest


# The rest runs in a program of its own: the fake forks, and what was imported before decides whether it works.
FAKE = '''
import io, pickle, multiprocessing, sys, threading, types

class OnCpu(pickle.Pickler):
    """What comes back has no tensors: one on a GPU could not be read there."""
    def persistent_id(self, thing):
        assert type(thing).__name__ not in ("Tensor", "Parameter"), thing

def packed(thing):
    OnCpu(file := io.BytesIO()).dump(thing)
    return file.getvalue()

class Error(Exception):
    """As Gradio's: how ZeroGPU says what went wrong in the other process."""
    print_exception = False

def GPU(task=None, *, duration=None):
    def decorate(task):
        def handler(*args, **kwargs):
            calls.append(duration(*args, **kwargs))
            assert isinstance(calls[-1], int) and 0 < calls[-1] <= 120
            sent, (ours, theirs) = pickle.dumps((args, kwargs)), multiprocessing.get_context("fork").Pipe()
            def work():
                args, kwargs = pickle.loads(sent)
                steps = task(*args, **kwargs)
                try:
                    for step in steps:
                        if theirs.poll() and theirs.recv() == "stop":
                            steps.close()
                            break
                        theirs.send_bytes(packed(("value", step)))
                except Exception as error:
                    theirs.send_bytes(pickle.dumps(("error", type(error).__name__)))
                theirs.send_bytes(pickle.dumps(("end", None)))
            process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
            process.start()
            try:
                while True:
                    kind, value = pickle.loads(ours.recv_bytes())
                    if kind == "end":
                        return
                    if kind == "error":
                        raise Error(value)
                    yield value
            except GeneratorExit:
                ours.send("stop")
                raise
            finally:
                process.join(20)
                assert process.exitcode == 0
        return handler
    return decorate(task) if task else decorate

calls = []
spaces = types.ModuleType("spaces")
spaces.GPU, spaces.calls, spaces.Error = GPU, calls, Error
assert not {"torch", "gradio"} & set(sys.modules)
sys.modules["spaces"] = spaces
from fastv.app.platforms import zerogpu as zero
zero.import_first({"SPACES_ZERO_GPU": "true"})
assert not {"torch", "gradio"} & set(sys.modules), "spaces has to come first"
'''
RUN = """
import os, sys
from pathlib import Path
import torch
from PIL import Image
from fastv.measurement.compare import Comparison, Progress
from fastv.errors import FastVError
from fastv.loading.load import load
from fastv.app.hosting.settings import Settings
from fastv.app.platforms import spaces as space
from fastv.app.compare.view_stream import view_stream
from fastv.app.service import run as service
from fastv.app.service.run import run
from fastv.app.service.run_policy import RunPolicy
from fastv.app.service.model_pool import Unavailable, ModelPool
from tests.support.requests import asked
from tests.support.standins import save_llava_checkpoint

torch.set_num_threads(1)
folder = Path(sys.argv[1])
save_llava_checkpoint(folder / "standin", seed=3)
loaded = load(str(folder / "standin"))
loaded.model.generation_config.update(eos_token_id=None, suppress_tokens=loaded.processor.tokenizer.all_special_ids)
Image.new("RGB", (60, 60), "red").save(folder / "red.png")
platform = space.Platform.of({"SPACES_ZERO_GPU": "true", "SYSTEM": "spaces"})
policy = RunPolicy(Settings(log="none"), platform.execute)
# Of the models of the catalogue none is at hand here.
refused = {key: Unavailable("not here", "Not here.") for key in ("mini-7", "mini-13", "llava-1.5-7b", "llava-1.5-13b")}
pool = ModelPool(loaded, unavailable=refused | platform.unavailable(Settings()))
platform.prepare(pool)
assert "llava-1.5-7b" not in platform.unavailable(Settings()) and "llava-1.5-13b" in platform.unavailable(Settings())
ran_here = []
loaded.family.decoder(loaded.model).register_forward_pre_hook(lambda *_: ran_here.append(os.getpid()))

def ask(**fields):
    return asked(str(folder / "red.png"), **{"max_new_tokens": 4, "repeats": 2, **fields})

steps = list(run(ask(), pool, policy))
assert [type(step) for step in steps[:-1]] == [Progress] * (len(steps) - 1) and isinstance(steps[-1], Comparison)
stages = [step.stage for step in steps[:-1]]
assert {"baseline", "fastv", "measuring"} <= set(stages), stages  # the text comes as it grows, not as a bar
assert len({step.baseline_text for step in steps[:-1]}) > 3
assert len(spaces.calls) == 1, "both sides belong in one call"
assert len(steps[-1].baseline.timing.prefill_seconds.runs) == 2
assert ran_here == [], "no model may run in the main process"
here = list(run(ask(), pool, RunPolicy()))[-1]
assert (here.baseline.answer, here.fastv.answer, here.fastv.kept) == (
    steps[-1].baseline.answer, steps[-1].fastv.answer, steps[-1].fastv.kept)
ran_here.clear()

for wrong in ({"k": 99}, {"max_new_tokens": 0}, {"method": "best"}):
    try:
        run(ask(**wrong), pool, policy)
    except FastVError:
        pass
    else:
        raise AssertionError(wrong)
assert len(spaces.calls) == 1, "what is wrong is said before a GPU is asked for"

def fails(*_, **__):
    raise FastVError("The memory ran out.")

start = service.start_comparison
service.start_comparison = lambda request, pool, **limits: fails() if limits else start(request, pool)
(first, *_, last) = view_stream(ask, pool, policy, {})
assert last.problem == "The memory ran out.", last
service.start_comparison = lambda request, pool, **limits: 1 / 0 if limits else start(request, pool)
(*_, last) = view_stream(ask, pool, policy, {})
assert last.problem and "ZeroDivisionError" in last.problem
service.start_comparison = start

running = run(ask(max_new_tokens=60, repeats=50), pool, policy)
next(step for step in running if step.baseline_text)
running.close()  # waits until the other process has ended, well before its 50 rounds
late = lambda request, pool, **limits: start(request, pool, **(limits | {"seconds": 0.05} if limits else {}))
service.start_comparison = late
(*_, cut) = run(ask(max_new_tokens=60), pool, policy)
assert type(cut).__name__ == "TimedOut"
print("kept", len(spaces.calls))
"""


@pytest.mark.slow
def test_the_contract_of_zerogpu_is_kept(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    ran = subprocess.run(
        [sys.executable, "-c", FAKE + RUN, str(tmp_path)], capture_output=True, text=True, timeout=240, env=environment
    )
    assert ran.stdout.strip().splitlines()[-1:] == ["kept 5"], ran.stderr[-3_000:]
