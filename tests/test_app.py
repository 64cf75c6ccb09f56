"""The app as a script uses it, and as a command: served for real, with a tiny stand-in model and no network."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import app as command

ROOT = Path(__file__).resolve().parents[1]
RUN_FIELDS = {
    "answer",
    "prefill_seconds",
    "decode_seconds_per_token",
    "total_seconds",
    "peak_bytes",
    "kv_cache_bytes",
    "visual_tokens",
    "prefill_flops",
}
QUICK = {"max_new_tokens": 3, "repeats": 1}


@pytest.fixture(scope="module")
def client(app):
    return Client(app.address, verbose=False)


def ask(client, files, **arguments):
    defaults = {"image": handle_file(files["red"]), "question": "how many red ?", **QUICK}
    return client.predict(**defaults | arguments, api_name="/compare")


def test_the_endpoint_answers_with_both_runs(client, files):
    result = ask(client, files, k=2, r=0.25)
    assert RUN_FIELDS <= result["baseline"].keys() == result["fastv"].keys()
    assert (result["baseline"]["visual_tokens"], result["fastv"]["visual_tokens"]) == (16, 12)
    assert result["fastv"]["prefill_flops"] < result["baseline"]["prefill_flops"]
    assert (result["k"], result["r"], result["model"], result["repeats"]) == (2, 0.25, "standin", 1)


def test_picture_and_question_are_enough(client, files):
    result = client.predict(image=handle_file(files["red"]), question="how many red ?", api_name="/compare")
    assert (result["k"], result["r"], result["method"], result["repeats"], result["max_new_tokens"]) == (
        2,
        0.5,
        "fastv",
        3,
        64,
    )


def test_scripts_may_still_use_the_old_names_of_methods(client, files):
    assert [ask(client, files, method=name)["method"] for name in ("mean", "last_token")] == ["fastv_mean", "fastv"]


def test_nothing_else_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)
    known = ["/compare", "/cost", "/budget", "/methods", "/advise"]
    assert list(endpoints["named_endpoints"]) == known and not endpoints["unnamed_endpoints"]
    names = [parameter["parameter_name"] for parameter in endpoints["named_endpoints"]["/compare"]["parameters"]]
    assert names[:5] == ["image", "question", "k", "r", "model"]


@pytest.mark.parametrize(
    "arguments, piece",
    [
        ({"question": ""}, "question is empty"),
        ({"question": "w" * 20_000}, "20,000"),
        ({"question": "is <image> red ?"}, "special meaning"),
        ({"image": "words"}, "not an image"),
        ({"image": "huge"}, "megapixels"),
        ({"image": None}, "no image"),
        ({"image": {"path": "/etc/passwd"}}, "no image"),
        ({"k": 4}, "layers"),
        ({"r": 1.5}, "from 0 to 1"),
        ({"method": "best"}, "method"),
        ({"model": "/etc"}, "There is no model"),
        ({"max_new_tokens": 10**6}, "max_new_tokens"),
        ({"repeats": 0}, "repeats"),
    ],
)
def test_bad_requests_get_one_clear_sentence(client, files, arguments, piece):
    if isinstance(name := arguments.get("image"), str):
        arguments = {"image": handle_file(files[name])}
    with pytest.raises(AppError, match=piece) as failure:
        ask(client, files, **arguments)
    assert "Traceback" not in str(failure.value) and str(ROOT) not in str(failure.value)


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "app.py"), str(ROOT / "assets/examples/scene.png")])
def test_files_of_the_server_are_out_of_reach(app, path):
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "how many red ?"]}
    event = httpx.post(f"{app.address}gradio_api/call/compare", json=body).json()["event_id"]
    answer = httpx.get(f"{app.address}gradio_api/call/compare/{event}", timeout=20).text
    assert "event: error" in answer and "root:" not in answer
    assert httpx.get(f"{app.address}gradio_api/file={path}").status_code in (403, 404)


def test_the_app_is_still_up_after_all_that_and_never_left_the_machine(app, client, files):
    assert ask(client, files)["baseline"]["answer"] and app.strangers == []


def refused(monkeypatch, capsys, *arguments: str) -> str:
    """What the command says when it ends at once."""
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_a_model_that_is_not_there_and_a_port_that_is_taken_are_said_in_a_sentence(app, monkeypatch, capsys):
    assert "There is no model “no such model”" in refused(monkeypatch, capsys, "--model", "no such model")
    taken = app.address.rstrip("/").rsplit(":", 1)[1]
    words = refused(monkeypatch, capsys, "--model", app.model.entry.source, "--host", "127.0.0.1", "--port", taken)
    assert "choose another --host or --port" in words
