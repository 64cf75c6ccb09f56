"""Many people at once, and for long: does everybody get an answer or a clear word, and the right answer?

    python benchmarks/load.py          # starts the app, 50 clients at once, then 300 mixed requests from 8
    python benchmarks/load.py --clients 5 --requests 10 --soak-clients 2 --record load.json

The app is asked the way its page asks it, on this machine only. Prints a summary in Markdown; ends with 1 when
something was not as it should be, its memory among it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx
import psutil
import torch

from fastv.families.catalogue import CATALOGUE
from fastv.measurement.machine import Machine
from fastv.miniature.world.scenes import scene

SETTLED = 50  # requests after which memory should have stopped growing
MOST_GROWTH = 0.05
_QUESTIONS = ("How many animals are there?", "What is in the middle?", "What colour is the background?")
# What is wrong with a request -> a piece of the sentence that has to come back.
_BROKEN = {
    "no question": "question is empty",
    "no picture": "no image",
    "a text": "not an image",
    "layer": "layers",
    "fraction": "from 0 to 1",
    "model": "no model",
}


@dataclass(frozen=True)
class Asked:
    """kind: "plain", "leaves" (hangs up when it begins), or one of _BROKEN."""

    kind: str
    model: str | None
    k: int
    r: float
    seed: int
    question: str


@dataclass(frozen=True)
class Told:
    """How a request ended: outcome is "answer", "busy", "refused", "left" or "failed"; place: the first one told."""

    outcome: str
    words: str
    place: int | None
    seconds: float
    answers: tuple | None = None


class Client:
    """One visitor with one session."""

    def __init__(self, address: str, name: str, tokens: int):
        self.http = httpx.Client(base_url=address.rstrip("/"), timeout=600, trust_env=False)
        self.session, self.tokens, self.pictures = name, tokens, {}
        config = self.http.get("/config").raise_for_status().json()
        self.compare = next(one["id"] for one in config["dependencies"] if one["api_name"] == "compare")

    def picture(self, name: str) -> dict | None:
        """Sent once: the scene of a seed, or a file that is none."""
        if name not in self.pictures:
            content = b"no picture" if name == "text" else _png(int(name))
            sent = self.http.post("/gradio_api/upload", files={"files": ("p.png", content)}).raise_for_status()
            (path,) = sent.json()
            self.pictures[name] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        return self.pictures[name]

    def ask(self, asked: Asked) -> Told:
        values = [
            self.picture("text" if asked.kind == "a text" else str(asked.seed)),
            asked.question,
            asked.k,
            asked.r,
            asked.model,
            "fastv",
            0,
            self.tokens,
            1,
            1,
            None,
            None,
            0.5,
            False,
        ]
        for kind, at, wrong in (
            ("no question", 1, " "),
            ("no picture", 0, None),
            ("layer", 2, 10_000),
            ("fraction", 3, 2.0),
            ("model", 4, "/etc"),
        ):
            if asked.kind == kind:
                values[at] = wrong
        begun, place = time.perf_counter(), None
        body = {"data": values, "fn_index": self.compare, "session_hash": self.session}
        joined = self.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            words = str(joined.json().get("detail"))
            return Told("busy" if "busy" in words else "failed", words, None, time.perf_counter() - begun)
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "estimation" and place is None:
                    place = message["rank"] + 1
                elif message.get("msg") == "process_starts" and asked.kind == "leaves":
                    return Told("left", "", place, time.perf_counter() - begun)
                elif message.get("msg") == "process_completed":
                    return _ended(message, place, time.perf_counter() - begun)
        return Told("failed", "the connection ended", place, time.perf_counter() - begun)


def _ended(message: dict, place: int | None, seconds: float) -> Told:
    if not message["success"]:
        return Told("refused", str(message["output"].get("error")), place, seconds)
    (result,) = message["output"]["data"]
    answers = (
        result["model"],
        result["baseline"]["answer"],
        result["fastv"]["answer"],
        result["question"],
        str(result["kept"]),
    )
    return Told("answer", "", place, seconds, answers)


def _png(seed: int) -> bytes:
    file = io.BytesIO()
    scene(seed, held_out=True).picture.save(file, "PNG")
    return file.getvalue()


def crowd(address: str, clients: int, tokens: int = 8) -> list[Told]:
    """Everybody asks in the same moment."""
    ready = threading.Barrier(clients)

    def one(number: int) -> Told:
        client = Client(address, f"crowd-{number}", tokens)
        client.picture(str(number % 5))
        ready.wait(60)
        return client.ask(Asked("plain", None, 2, 0.5, number % 5, _QUESTIONS[number % 3]))

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(one, range(clients)))


def mixture(requests: int, models: list[str | None], seed: int = 0) -> list[Asked]:
    """Of ten requests about seven are plain, two are broken, and one hangs up."""
    rng = random.Random(seed)
    budgets = list(product(models, (0, 2), (0.5, 0.9), range(3), _QUESTIONS[:2]))
    kinds = ["plain"] * 14 + ["leaves"] * 2 + list(_BROKEN)[:4] if requests < 20 else None
    return [
        Asked(rng.choice(kinds or ["plain"] * 21 + ["leaves"] * 3 + list(_BROKEN)), *rng.choice(budgets))
        for _ in range(requests)
    ]


def soak(address: str, todo: list[Asked], clients: int, pid: int, tokens: int = 8) -> dict:
    """The mixture from several clients at once, each answer beside that of the same request run alone before."""
    alone = Client(address, "alone", tokens)
    expected = {asked: alone.ask(asked).answers for asked in dict.fromkeys(todo) if asked.kind == "plain"}
    left, lock, faults, memory, ends = list(enumerate(todo)), threading.Lock(), [], [], []
    app = psutil.Process(pid)

    def work(number: int) -> None:
        client = Client(address, f"soak-{number}", tokens)
        while True:
            with lock:
                if not left:
                    return
                at, asked = left.pop(0)
            try:
                told = client.ask(asked)
            except httpx.HTTPError as error:
                told = Told("failed", repr(error), None, 0.0)
            if asked.kind == "leaves":
                client.session += "'"  # a tab that was closed does not come back
            with lock:
                ends.append(told.outcome)
                memory.append(app.memory_info().rss)
                if fault := _fault(asked, told, expected):
                    faults.append({"number": at, "asked": asdict(asked), "told": asdict(told), "fault": fault})

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(work, range(clients)))
    return {
        "requests": len(todo),
        "clients": clients,
        "faults": faults,
        "rss_bytes": memory,
        "outcomes": {outcome: ends.count(outcome) for outcome in sorted(set(ends))},
        "growth": _growth(memory),
    }


def _fault(asked: Asked, told: Told, expected: dict) -> str | None:
    if asked.kind == "plain":
        return None if told.outcome == "answer" and told.answers == expected[asked] else "not the answer it gets alone"
    if asked.kind == "leaves":
        return None if told.outcome == "left" else "did not begin"
    return None if told.outcome == "refused" and _BROKEN[asked.kind] in told.words else "not refused as it should be"


def _growth(memory: list[int]) -> float | None:
    """How much more memory the app uses at the end than after the first SETTLED requests; None for fewer."""
    if len(memory) < SETTLED + 20:
        return None
    return statistics.median(memory[-10:]) / statistics.median(memory[SETTLED : SETTLED + 10]) - 1


@contextmanager
def started(python: str = sys.executable, folder: Path = ROOT, **variables: str) -> Iterator[tuple[str, int]]:
    """The app in a program of its own, without limits on visitors: they are all one address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen(
        [
            python,
            "app.py",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--log",
            "none",
            "--runs-per-minute",
            "0",
            "--runs-per-minute-of-address",
            "0",
            "--uploads-per-minute",
            "0",
        ],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = next((line for line in app.stdout if line.startswith("Open ")), None)  # Gradio may have words before it
        if line is None:
            raise SystemExit("The app did not start.")
        yield line.removeprefix("Open ").strip(), app.pid
    finally:
        app.terminate()
        app.wait(60)


def summary(together: list[Told], long: dict) -> str:
    """Markdown."""
    answers = [told for told in together if told.outcome == "answer"]
    busy = sum(told.outcome == "busy" for told in together)
    places = [told.place for told in together if told.place]
    waits = [told.seconds for told in answers]
    growth = "–" if long["growth"] is None else f"{long['growth']:+.1%}"
    lines = [
        "| what | result |",
        "|---|---|",
        f"| clients at once | {len(together)}: {len(answers)} answers, {busy} told that the app is busy, "
        f"{len(together) - len(answers) - busy} others |",
        f"| places told | up to {max(places, default=0)} |",
        f"| seconds to an answer | {statistics.median(waits):.1f} median, {max(waits):.1f} longest |"
        if waits
        else "| seconds to an answer | – |",
        f"| soak | {long['requests']} requests from {long['clients']} clients: "
        + ", ".join(f"{count} {outcome}" for outcome, count in long["outcomes"].items())
        + " |",
        f"| not as they should be | {len(long['faults'])} |",
        f"| memory after the first {SETTLED} | {growth} |",
    ]
    return "\n".join(lines)


def is_fine(together: list[Told], long: dict) -> bool:
    outcomes = {told.outcome for told in together}
    return (
        "answer" in outcomes
        and outcomes <= {"answer", "busy"}
        and not long["faults"]
        and (long["growth"] is None or long["growth"] < MOST_GROWTH)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50, help="that ask in the same moment")
    parser.add_argument("--requests", type=int, default=300, help="of the soak")
    parser.add_argument("--soak-clients", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=8, help="longest answer")
    parser.add_argument("--record", type=Path, help="writes all of it, but for the answers, to this JSON file")
    settings = parser.parse_args()
    with started() as (address, pid):
        together = crowd(address, settings.clients, settings.tokens)
        models = [entry.key for entry in CATALOGUE if entry.embedded]
        long = soak(address, mixture(settings.requests, models), settings.soak_clients, pid, settings.tokens)
    print(summary(together, long))
    for fault in long["faults"]:
        print(f"\n{fault}", file=sys.stderr)
    if settings.record:
        crowded = [asdict(told) | {"answers": None, "seconds": round(told.seconds, 3)} for told in together]
        machine = asdict(Machine.here(torch.device("cpu")))
        settings.record.write_text(json.dumps({"machine": machine, "crowd": crowded, "soak": long}) + "\n")
    raise SystemExit(0 if is_fine(together, long) else 1)


if __name__ == "__main__":
    main()
