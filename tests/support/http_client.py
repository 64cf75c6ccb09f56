"""Talking to the running app as any program can, without Gradio's client and its manners."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

FILE = {"meta": {"_type": "gradio.FileData"}}
# What "compare" takes last: beside the same model without pruning, a video or not, and the old name of the method.
ALONE, VIDEO_ALONE = (None, None, 0.5, False), (None, None, 0.5, True)


SLIDERS = {"method": "fastv", "k": 2, "r": 50, "baseline_k": 2, "baseline_r": 0}


class Stranger:
    """A client that knows the address of the app and Gradio's protocol."""

    def __init__(self, address: str, session: str = "stranger", **headers: str):
        self.http = httpx.Client(
            base_url=address.rstrip("/"), timeout=30, headers=headers, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self.session = session

    def upload(self, content: bytes, name: str = "picture.png") -> httpx.Response:
        return self.http.post("/gradio_api/upload", files={"files": (name, content)})

    def picture(self, content: bytes, name: str = "picture.png") -> dict[str, Any]:
        """Uploaded, as the endpoints take it."""
        (path,) = self.upload(content, name).json()
        return {"path": path, **FILE}

    def call(self, endpoint: str, *values: Any) -> httpx.Response:
        """Asks an endpoint by name."""
        return self.http.post(f"/gradio_api/call/{endpoint}", json={"data": list(values)})

    def ask(self, endpoint: str, *values: Any) -> str:
        """All that is answered, as it comes; of a refusal its text."""
        asked = self.call(endpoint, *values)
        if asked.status_code != 200:
            return asked.text
        return self.http.get(f"/gradio_api/call/{endpoint}/{asked.json()['event_id']}").text

    def press(self, number: int, *values: Any, queued: bool) -> str:
        """Uses one of the page's own, private functions by its number. Returns all that comes back."""
        body = {"data": list(values), "fn_index": number, "session_hash": self.session}
        if not queued:
            return self.http.post("/gradio_api/run/predict", json=body).text
        asked = self.http.post("/gradio_api/queue/join", json=body)
        if asked.status_code != 200:
            return asked.text
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as answer:
            return "\n".join(answer.iter_lines())

    def run_number(self) -> int:
        """The number of the page's own function behind Run."""
        return next(one["id"] for one in self.dependencies() if one["api_name"] == "run")

    def values(self, function: str, **chosen: Any) -> list[Any]:
        """What the page sends to one of its own functions, in its order.

        chosen: values by ``elem_id``, or by ``label`` where there is none; "_" stands for other letters. None is sent
        for the rest, which the server remembers itself.
        """
        config = self.http.get("/config").json()
        empty = {part["id"]: [] for part in config["components"] if part["type"] == "checkboxgroup"}
        props = {part["id"]: part["props"] for part in config["components"]}
        inputs = next(one["inputs"] for one in config["dependencies"] if one["api_name"] == function)
        names = [
            re.sub(r"\W", "_", props[number].get("elem_id") or props[number].get("label") or "") for number in inputs
        ]
        assert set(chosen) <= set(names), set(chosen) - set(names)
        return [chosen.get(name, empty.get(number)) for number, name in zip(inputs, names)]

    def run_values(
        self, picture: Any, question: str, *, tokens: int, repeats: int, k: int = 2, r_percent: float = 50
    ) -> list[Any]:
        """What the page's Run sends."""
        return self.values(
            "run",
            picture=picture,
            question=question,
            **SLIDERS | {"k": k, "r": r_percent},
            Longest_answer__tokens=tokens,
            Timed_runs_per_side=repeats,
        )

    def dependencies(self) -> list[dict[str, Any]]:
        return self.http.get("/config").json()["dependencies"]


def messages(text: str) -> list[dict[str, Any]]:
    """What a queue said, in order."""
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
