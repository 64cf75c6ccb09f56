"""What HTTP adds: the endpoint ``cost`` beside its function, and a pair of answers beside its passes.

    python benchmarks/endpoints.py --output endpoints.json

The app runs in a process of its own on this machine. ``cost`` is asked in three ways: one POST to /gradio_api/run, a
POST to /gradio_api/call with the event's stream after it, and Gradio's own client. A pair is a short answer by each
side through ``/compare``: its seconds over HTTP, those of its timed passes, as the comparison reports them, and the
rest: the streamed passes with their memory followed, the warm-up, the queue and the protocol.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import torch
from load import Client, started

from fastv.app.api.costs import cost
from fastv.measurement.machine import Machine
from fastv.measurement.timing import Spread

_COST = ["llava-1.5-13b", 2, 0.5, 36, None, 1, 1, 1, "float16", "exact", None]
_QUESTION = "Where is the sign?"


def seconds_of_calls(call: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Seconds of each call, the first one left out."""
    call()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return asdict(Spread.of(seconds))


def cost_calls(address: str) -> dict[str, Callable[[], Any]]:
    """The ways to ask ``cost``, by name."""
    http = httpx.Client(base_url=address.rstrip("/"), timeout=60, trust_env=False)

    def run() -> Any:
        return http.post("/gradio_api/run/cost", json={"data": _COST}).raise_for_status().json()["data"][0]

    def call() -> str:
        event = http.post("/gradio_api/call/cost", json={"data": _COST}).raise_for_status().json()["event_id"]
        return http.get(f"/gradio_api/call/cost/{event}").raise_for_status().text

    calls: dict[str, Callable[[], Any]] = {"function": cost, "run": run, "call": call}
    if run()["prefill_flops"] != cost()["prefill_flops"]:
        raise SystemExit("The endpoint and its function disagree.")
    try:
        from gradio_client import Client as GradioClient
    except ImportError:
        return calls
    client = GradioClient(address, verbose=False)
    return calls | {"gradio_client": lambda: client.predict(api_name="/cost")}


def pair(client: Client, seed: int) -> dict[str, float]:
    """One pair of short answers: seconds over HTTP and those of its timed passes."""
    data = {"image": client.picture(str(seed)), "question": _QUESTION, "max_new_tokens": client.tokens}
    begun = time.perf_counter()
    # By name: what is left out has the endpoint's default.
    joined = client.http.post("/gradio_api/call/v2/compare", json=data).raise_for_status().json()
    events = client.http.get(f"/gradio_api/call/compare/{joined['event_id']}").raise_for_status().text
    seconds = time.perf_counter() - begun
    lines = [line.removeprefix("data: ") for line in events.splitlines() if line.startswith("data: [")]
    if not lines:
        raise SystemExit(f"No answer: {events[-500:]}")
    (result,) = json.loads(lines[-1])
    runs = [side["timing"]["total_seconds"]["runs"] for side in (result["baseline"], result["fastv"])]
    passes = sum(map(sum, runs))
    untimed = (result["warmup"]) * sum(sum(one) / len(one) for one in runs)
    return {"seconds": seconds, "timed_passes": passes, "untimed_passes": untimed, "rest": seconds - passes - untimed}


def measure(settings: argparse.Namespace) -> dict[str, Any]:
    with started() as (address, _):
        calls = {name: seconds_of_calls(call, settings.repeats) for name, call in cost_calls(address).items()}
        visitor = Client(address, "visitor", settings.tokens)
        pair(visitor, 0)
        pairs = [pair(visitor, seed) for seed in range(1, settings.pairs + 1)]
    return {"cost": calls, "pair": {name: asdict(Spread.of(one[name] for one in pairs)) for name in pairs[0]}}


def main(argv: Sequence[str] | None = None) -> None:
    settings = arguments(argv)
    found = measure(settings)
    for name, seconds in found["cost"].items():
        print(f"cost, {name:14} {seconds['median'] * 1e3:8.2f} ms (median of {settings.repeats})")
    for name, seconds in found["pair"].items():
        print(f"pair, {name:14} {seconds['median']:8.2f} s (median of {settings.pairs})")
    if settings.output:
        record = {
            "command": shlex.join(["python", "benchmarks/endpoints.py", *(sys.argv[1:] if argv is None else argv)]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": asdict(Machine.here(torch.device("cpu"))),
            "tokens": settings.tokens,
            **found,
        }
        settings.output.write_text(json.dumps(record, indent=1) + "\n")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="the JSON file that all numbers go to")
    parser.add_argument("--repeats", type=int, default=21, help="calls of cost, each way (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of answers (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=64, help="longest answer (default: %(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
