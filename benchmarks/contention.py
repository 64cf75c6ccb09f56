"""How fast an answer is beside another busy program, for each way in which OpenMP's threads wait for each other.

    python benchmarks/contention.py --output contention.json
    python benchmarks/contention.py --policies default passive --rounds 2 --busy 1      # a quick look

For every policy a process of its own loads the model, as the policy is read once, when torch is loaded. In every round
each process answers once with each number of threads, and with as many as ``fastv.measurement.thread_choice`` chooses
("fitting"), first with the machine idle, then beside ``--busy`` programs that compute all the time. Start it on a quiet
machine: what else ran is in the record.

Seconds are those of ``fastv.measurement.timing.generate``: to the first token, and for each token after it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

#: By name, the environment of each policy. GOMP_* is for GNU's runtime (torch's wheels for Linux), KMP_* for LLVM's and
#: Intel's (macOS, Windows, conda); KMP_BLOCKTIME is in milliseconds.
POLICIES: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"},
    "spin-1000": {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"},
    "spin-10000": {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "0"},
    "spin-50000": {"GOMP_SPINCOUNT": "50000", "KMP_BLOCKTIME": "1"},
    "spin-200000": {"GOMP_SPINCOUNT": "200000", "KMP_BLOCKTIME": "1"},
}
CONTENDED_GOAL, IDLE_GOAL = 2.5, 1.05  # contended over idle; idle over idle with the runtime's default
FITTING = "fitting"
_SPIN = "while True: pass"
_QUESTION = "Describe the picture."


# In a process of its own, one for each policy.


def worker(model: str) -> None:
    """Answers once for each line of standard input, {"threads": n, "tokens": m}; the seconds go to standard output.

    Where the number of threads is "fitting" the project chooses it.
    """
    import torch

    from fastv.app.shared.example_scenes import GALLERY_SEEDS, example
    from fastv.inputs.image import open_picture
    from fastv.loading.load import load
    from fastv.measurement.machine import Machine
    from fastv.measurement.prompt import prompt_of
    from fastv.measurement.thread_choice import fitting_threads
    from fastv.measurement.timing import generate

    usual = torch.get_num_threads()
    loaded = load(model, "float32", "cpu")
    given = prompt_of(loaded, open_picture(example(GALLERY_SEEDS[0]).picture), _QUESTION, answer_tokens=256)
    print(json.dumps(asdict(Machine.here(loaded.device))), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        chosen = asked["threads"] == FITTING
        torch.set_num_threads(usual if chosen else asked["threads"])
        with torch.inference_mode(), fitting_threads(loaded.device) if chosen else nullcontext():
            answer = generate(loaded.model, given.inputs, max_new_tokens=asked["tokens"])
        told = {
            "prefill_seconds": answer.prefill_seconds,
            "decode_seconds_per_token": answer.decode_seconds_per_token,
            "total_seconds": answer.total_seconds,
        }
        print(json.dumps(told), flush=True)


# In the process that asks them.

Threads = int | str
Ask = Callable[[Threads], dict[str, float]]


@contextmanager
def answering(policy: str, model: str, tokens: int) -> Iterator[tuple[dict[str, Any], Ask]]:
    """A process with the policy: its machine, and a function that has it answer once with so many threads."""
    names = {name for settings in POLICIES.values() for name in settings} | {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in names} | dict(POLICIES[policy])
    command = [sys.executable, __file__, "--worker", "--model", model]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def told() -> dict[str, Any]:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"The process of the policy {policy} ended: see above.")
            return json.loads(line)

        def ask(threads: Threads) -> dict[str, float]:
            process.stdin.write(json.dumps({"threads": threads, "tokens": tokens}) + "\n")
            process.stdin.flush()
            return told()

        try:
            yield told(), ask
        finally:
            process.stdin.close()
            process.wait(30)


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Other programs that compute all the time."""
    started = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(programs)]
    try:
        yield
    finally:
        for program in started:
            program.kill()
            program.wait()


def measure(settings: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The machine, and for each policy, number of threads and condition the seconds of all rounds."""
    from fastv.measurement.system_load import watch_load  # imports no torch

    seconds: dict[tuple[str, Threads, str], list[dict[str, float]]] = {}
    others = []
    with ExitStack() as stack:
        processes = {
            policy: stack.enter_context(answering(policy, settings.model, settings.tokens))
            for policy in settings.policies
        }
        for ask in (ask for _, ask in processes.values()):
            for threads in settings.threads:
                ask(threads)  # the first answer of a process is slower
        for number in range(settings.rounds):
            # Backwards every second time, so that no policy always comes first.
            order = list(processes)[:: 1 if number % 2 == 0 else -1]
            with watch_load() as load:
                time.sleep(0.5)
            others.append(load.busy_cores)
            for condition, programs in (("idle", 0), ("contended", settings.busy)):
                with busy(programs):
                    if programs:
                        time.sleep(0.2)
                    for policy in order:
                        for threads in settings.threads:
                            told = processes[policy][1](threads)
                            seconds.setdefault((policy, threads, condition), []).append(told)
            print(f"round {number + 1} of {settings.rounds}", file=sys.stderr, flush=True)
        machine = next(iter(processes.values()))[0]
    made = []
    for (policy, threads, condition), answers in seconds.items():
        entry: dict[str, Any] = {"policy": policy, "threads": threads, "condition": condition}
        entry |= {name: spread([answer[name] for answer in answers]) for name in answers[0]}
        made.append(entry)
    return {**machine, "threads": None, "busy_cores_before_rounds": others}, made


def spread(values: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return {"median": median, "low": ordered[0], "high": ordered[-1], "runs": list(values)}


def table(entries: Sequence[dict[str, Any]]) -> str:
    """Milliseconds by policy and threads, and whether both goals are met, for people."""
    found = {
        (one["policy"], one["threads"], one["condition"], quantity): one[quantity]["median"]
        for one in entries
        for quantity in ("prefill_seconds", "decode_seconds_per_token")
    }
    most = max(one["threads"] for one in entries if one["threads"] != FITTING)
    lines = ["| policy | threads | prefill idle | contended | ratio | a token idle | contended | ratio | goals |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for policy, threads in dict.fromkeys((one["policy"], one["threads"]) for one in entries):
        cells, met = [], []
        for quantity in ("prefill_seconds", "decode_seconds_per_token"):
            idle, contended = (found[policy, threads, name, quantity] for name in ("idle", "contended"))
            usual = found.get(("default", most, "idle", quantity))
            cells += [f"{idle * 1e3:.1f} ms", f"{contended * 1e3:.1f} ms", f"{contended / idle:.2f}"]
            met.append(contended <= CONTENDED_GOAL * idle and (usual is None or idle <= IDLE_GOAL * usual))
        lines.append(f"| {policy} | {threads} | {' | '.join(cells)} | {'met' if all(met) else 'missed'} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    settings = arguments(argv)
    if settings.worker:
        return worker(settings.model)
    machine, entries = measure(settings)
    print(table(entries))
    if settings.output:
        record = {
            "command": shlex.join(["python", "benchmarks/contention.py", *(sys.argv[1:] if argv is None else argv)]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine,
            "model": settings.model,
            "tokens": settings.tokens,
            "busy_programs": settings.busy,
            "policies": {name: dict(POLICIES[name]) for name in settings.policies},
            "measured": entries,
        }
        settings.output.write_text(json.dumps(record, indent=1) + "\n")
    return None


def _threads(text: str) -> Threads:
    return text if text == FITTING else int(text)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="the JSON file that all numbers go to")
    parser.add_argument("--model", default="mini-7", help="key, folder or hub id (default: %(default)s)")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=list(POLICIES), metavar="POLICY")
    parser.add_argument("--threads", nargs="+", type=_threads, default=[*sorted({1, cores}), FITTING])
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--tokens", type=int, default=16, help="tokens of an answer (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=1, help="programs that compute all the time (default: %(default)s)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args(argv)
    if settings.tokens < 2 or settings.rounds < 1:
        parser.error("--tokens is 2 or more, --rounds 1 or more")
    return settings


if __name__ == "__main__":
    main()
