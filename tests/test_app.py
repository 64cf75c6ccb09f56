"""The app as a person and as a script use it: served for real, with a tiny stand-in model, with no network but loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from standins import save_llava_checkpoint

from fastv.models.loading import load
from fastv.ui.examples import GALLERY_SEEDS, GENERAL, example
from fastv.ui.page import TITLE, build, serve
from fastv.ui.shelf import Shelf

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
RUN_FIELDS = {"answer", "prefill_seconds", "decode_seconds_per_token", "total_seconds", "peak_bytes", "kv_cache_bytes", "visual_tokens",
              "prefill_flops"}
QUICK = {"max_new_tokens": 3, "repeats": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "standin"
    save_llava_checkpoint(folder, seed=3)
    loaded = load(str(folder))
    loaded.model.generation_config.update(eos_token_id=None, suppress_tokens=loaded.processor.tokenizer.all_special_ids)
    return loaded


@pytest.fixture(scope="module")
def strangers():
    """Every address outside this machine that the app's process turned to."""
    asked, connect = [], socket.socket.connect

    def watched(self, address):
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            asked.append(address)
        return connect(self, address)

    socket.socket.connect = watched
    yield asked
    socket.socket.connect = connect


@pytest.fixture(scope="module")
def address(model, strangers):
    page = build(Shelf(model))
    yield serve(page, host="127.0.0.1")
    page.close(verbose=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    Image.new("RGB", (80, 60), "red").save(folder / "red.png")
    Image.new("1", (14_143, 14_143)).save(folder / "huge.png")
    (folder / "words.png").write_text("this is no picture")
    return {path.stem: str(path) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


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
    assert (result["k"], result["r"], result["rank"], result["repeats"], result["max_new_tokens"]) == (2, 0.5, "last_token", 3, 64)


def test_nothing_else_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)
    assert list(endpoints["named_endpoints"]) == ["/compare"] and not endpoints["unnamed_endpoints"]
    names = [parameter["parameter_name"] for parameter in endpoints["named_endpoints"]["/compare"]["parameters"]]
    assert names[:5] == ["image", "question", "k", "r", "model"]


@pytest.mark.parametrize("arguments, piece", [
    ({"question": ""}, "question is empty"), ({"question": "w" * 20_000}, "20,000"), ({"question": "is <image> red ?"}, "special meaning"),
    ({"image": "words"}, "not a picture"), ({"image": "huge"}, "megapixels"), ({"image": None}, "no picture"),
    ({"image": {"path": "/etc/passwd"}}, "no picture"), ({"k": 4}, "layers"), ({"r": 1.5}, "from 0 to 1"), ({"rank": "best"}, "rank"),
    ({"model": "/etc"}, "There is no model"), ({"max_new_tokens": 10**6}, "max_new_tokens"), ({"repeats": 0}, "repeats"),
])
def test_bad_requests_get_one_clear_sentence(client, files, arguments, piece):
    if isinstance(name := arguments.get("image"), str):
        arguments = {"image": handle_file(files[name])}
    with pytest.raises(AppError, match=piece) as failure:
        ask(client, files, **arguments)
    assert "Traceback" not in str(failure.value) and str(ROOT) not in str(failure.value)


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "app.py"), "http://127.0.0.1:9/picture.png"])
def test_files_of_the_server_and_its_network_are_out_of_reach(address, path):
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "how many red ?"]}
    event = httpx.post(f"{address}gradio_api/call/compare", json=body).json()["event_id"]
    answer = httpx.get(f"{address}gradio_api/call/compare/{event}", timeout=20).text
    assert "event: error" in answer and "root:" not in answer
    assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404)


def test_the_app_is_still_up_after_all_that(client, files):
    assert ask(client, files)["baseline"]["answer"]


def test_a_model_that_is_not_there_is_said_in_a_sentence():
    done = subprocess.run([sys.executable, "app.py", "--model", "no such model"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "There is no model “no such model”" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run the browser tests")
    with pytest.importorskip("playwright.sync_api", reason="playwright is not installed").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page, ready; what it must not do is asserted when the test is over."""
    faults, context = [], browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#run button, button#run")
    page.wait_for_selector("#picture img")
    yield page
    context.close()
    assert faults == []


def choose(page, name: str, value: int) -> None:
    page.locator(f"#{name} input[type=number]").fill(str(value))


def quick(page) -> None:
    page.get_by_text("Advanced").click()
    for label, value in (("Longest answer", "4"), ("Timed runs", "1")):
        field = page.get_by_label(f"number input for {label}")
        field.fill(value)
        field.press("Tab")


def run(page) -> None:
    page.click("#run")
    page.wait_for_selector("#status:has-text('Done')")


def test_a_question_gets_two_answers_and_a_filled_table(page, strangers):
    assert page.title() == TITLE
    cells = page.locator("#costs td")
    assert set(cells.all_inner_texts()) == {"–"}
    quick(page)
    page.fill("#question textarea, #question input", "how many red in the picture ?")
    run(page)
    assert all(text.strip() for text in page.locator("#answers .text").all_inner_texts()) and page.locator("#answers .text").count() == 2
    assert cells.count() == 21 and "–" not in cells.all_inner_texts()
    assert "0.50× the tokens" in page.inner_text("#costs") and "standin in float32" in page.inner_text("#costs")
    assert "8 of its 16 patches" in page.get_attribute("#kept img", "alt") and "8 of 16" in page.inner_text("#kept-words")
    assert strangers == []


def test_a_suggestion_is_asked_and_its_true_answer_shown(page):
    made = example(GALLERY_SEEDS[0])
    assert page.locator(".chip:visible").all_inner_texts() == list(made.suggestions)
    quick(page)
    page.locator(".chip").nth(1).click()
    run(page)
    assert page.inner_text("#answers .expected") == f"Expected: {made.answers[made.suggestions[1].lower().rstrip('?.')]}"


def test_pictures_bring_their_questions(page):
    question = page.locator("#question textarea, #question input")
    page.locator("#examples button.thumbnail-item").nth(3).click()
    first = example(GALLERY_SEEDS[3]).suggestions
    page.wait_for_selector(f".chip:has-text('{first[0]}')")
    assert question.input_value() == first[0]
    question.fill("a question of my own")
    before = page.get_attribute("#picture img", "src")
    page.click("#new-scene")
    page.wait_for_function("before => document.querySelector('#picture img').src !== before", arg=before)
    assert question.input_value() == "a question of my own"


def test_a_picture_of_ones_own_is_taken_and_bad_ones_are_refused(page, files):
    page.click("#picture [aria-label='Remove Image']")
    page.wait_for_selector(f".chip:has-text('{GENERAL[0]}')")
    page.click("#run")
    page.wait_for_selector("#status:has-text('There is no picture')")
    for name, piece in (("words", "not a picture"), ("huge", "megapixels")):
        page.set_input_files("#picture input[type=file]", files[name])
        page.wait_for_selector(f"[data-testid=toast-body]:has-text('{piece}')")
        page.wait_for_selector("#picture img", state="detached")
        page.click("[data-testid=toast-close]")
        page.wait_for_selector("[data-testid=toast-body]", state="detached")
    page.set_input_files("#picture input[type=file]", files["red"])
    page.wait_for_selector("#picture img")
    quick(page)
    run(page)
    assert page.inner_text("#answers .expected") == ""


@pytest.mark.parametrize("question, piece", [("", "question is empty"), ("w" * 20_000, "20,000 characters"), ("is <image> red ?", "special meaning")])
def test_a_bad_question_gets_a_sentence_and_another_try(page, question, piece):
    page.fill("#question textarea, #question input", question)
    page.click("#run")
    page.wait_for_selector(f"#status .problem:has-text('{piece}')")
    page.wait_for_selector("#run:not([disabled])")


def test_budgets_and_sliders_move_each_other(page):
    page.get_by_label("K=2, R=75%").check()
    page.wait_for_function("document.querySelector('#r input[type=number]').value === '75'")
    choose(page, "k", 3)
    page.locator("#k input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"Your own\"]').checked")
    choose(page, "r", 50)
    page.locator("#r input[type=number]").press("Tab")
    page.wait_for_function("document.querySelector('#preset input[value=\"K=3, R=50%\"]').checked")


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_use(page):
    page.get_by_label("LLaVA-1.5 7B").check()
    page.wait_for_selector("#status .problem:has-text('standin stays in use')")
    page.wait_for_function("document.querySelector('#model input[value=standin]').checked")


def test_stop_keeps_what_was_there_and_frees_the_model(page, model):
    slow = model.family.decoder(model.model).register_forward_pre_hook(lambda *_: time.sleep(0.1))
    try:
        page.fill("#question textarea, #question input", "how many red ?")
        page.click("#run")
        page.wait_for_function("document.querySelector('#answers .baseline .text').innerText.length > 10")
        page.click("#stop")
        page.wait_for_selector("#status:has-text('Stopped')")
        page.wait_for_selector("#run:not([disabled])")
        assert model.lock.acquire(timeout=5)
        model.lock.release()
        time.sleep(0.5)
        assert "Stopped" in page.inner_text("#status") and len(page.inner_text("#answers .baseline .text")) > 10
    finally:
        slow.remove()
    quick(page)
    run(page)


def test_a_closed_tab_frees_the_model(browser, address, model):
    slow = model.family.decoder(model.model).register_forward_pre_hook(lambda *_: time.sleep(0.1))
    try:
        tab = browser.new_page()
        tab.goto(address)
        tab.click("#run")
        tab.wait_for_selector("#status:has-text('Answering')")
        tab.close()
        assert model.lock.acquire(timeout=10)
        model.lock.release()
    finally:
        slow.remove()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_width_has_no_sideways_scroll(page, address, theme):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#picture img")
    quick(page)
    run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.querySelectorAll('#costs, #answers, #run, #kept')].every(e => e.getBoundingClientRect().right <= 390)")
