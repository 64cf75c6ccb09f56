"""A clip on the page, in a real browser: chosen, shown frame by frame, run, and dimmed frame by frame."""

from __future__ import annotations

import json

import pytest

from fastv.app.service.model_pool import ModelPool
from fastv.app.shared.example_scenes import CLIP as QUESTIONS
from fastv.app.shared.example_scenes import GALLERY_SEEDS, example
from fastv.families.catalogue import ModelEntry
from fastv.loading.load import load
from fastv.miniature.world.example_clip import CLIP
from tests.support.browser import answer_briefly, choose_model, opened, run, upload
from tests.support.serving import serving
from tests.support.standins import save_checkpoint
from tests.support.video_files import video

QUESTION = "#question textarea, #question input"
FRAMES = "#clip-frames .strip img"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A stand-in of Video-LLaVA, and one of LLaVA beside it."""
    folder = tmp_path_factory.mktemp("clips")
    save_checkpoint("video_llava", folder / "videos")
    save_checkpoint("llava", folder / "pictures")
    model = load(str(folder / "videos"))
    model.model.generation_config.update(eos_token_id=None, suppress_tokens=model.processor.tokenizer.all_special_ids)
    pictures = ModelEntry("pictures", "Pictures", str(folder / "pictures"), "", embedded=True)
    with serving(ModelPool(model, catalogue=(pictures,))) as app:
        yield app


@pytest.fixture
def page(browser, app):
    """The page, ready."""
    with opened(browser, app.address) as page:
        yield page


def test_the_example_clip_is_shown_asked_about_and_dimmed_frame_by_frame(page, app, tmp_path):
    page.click("#example-clip")
    page.wait_for_selector(FRAMES)
    assert page.locator(FRAMES).count() == 8 and not page.is_visible("#picture")
    page.wait_for_selector(f".chip:has-text('{QUESTIONS[1]}')")
    assert page.input_value(QUESTION) == QUESTIONS[0]
    page.wait_for_url("**clip=example**")
    answer_briefly(page)
    run(page)
    assert "68 of 136" in page.inner_text("#kept")
    alts = [image.get_attribute("alt") for image in page.locator("#kept .strip img").all()]
    assert len(alts) == 8 and "Frame 1, at 0.25 s" in alts[0]
    assert sum(int(alt.split(": ")[1].split(" of 17")[0]) for alt in alts) == 68
    assert page.inner_text("#answers .expected") == ""  # nothing is known of clips
    page.get_by_text("Use this in Python").click()
    page.wait_for_selector("#use-this:has-text('open_video')")
    with page.expect_download() as download:
        page.click("#download-json")
    download.value.save_as(tmp_path / "clip.json")
    read = json.loads((tmp_path / "clip.json").read_text())
    assert len(read["kept"]) == 8 and "clip=example" in read["link"] and "scene" not in read["link"]
    # And back: the picture, its questions, and what is kept of it.
    page.click("#no-clip")
    page.wait_for_selector("#picture img:visible")
    page.wait_for_selector(f".chip:has-text('{example(GALLERY_SEEDS[0]).suggestions[1]}')")
    assert not page.is_visible("#clip-frames")
    page.wait_for_url(f"**scene={GALLERY_SEEDS[0]}**")
    page.click("#run")
    page.wait_for_selector("#kept:has-text('8 of 16')")
    page.wait_for_selector("#kept img:visible")
    page.wait_for_selector("#kept .seen img")
    assert page.locator("#kept .strip").count() == 0
    assert app.strangers == []


def test_a_video_is_accepted_and_another_file_refused(page, tmp_path):
    (tmp_path / "mine.mp4").write_bytes(video(5))
    (tmp_path / "none.mp4").write_bytes(b"this is no video")
    upload(page, "#clips input[type=file]", tmp_path / "mine.mp4", FRAMES)
    assert page.locator(FRAMES).count() == 5
    answer_briefly(page)
    run(page)
    assert "43 of 85" in page.inner_text("#kept") or "42 of 85" in page.inner_text("#kept")
    upload(page, "#clips input[type=file]", tmp_path / "none.mp4", "[data-testid=toast-body]:has-text('not a video')")
    page.wait_for_selector("#picture img:visible")


def test_an_example_picture_takes_the_clips_place(page):
    page.click("#example-clip")
    page.wait_for_selector(FRAMES)
    page.locator("#examples button.thumbnail-item").nth(3).click()
    page.wait_for_selector("#picture img:visible")
    page.wait_for_selector(f".chip:has-text('{example(GALLERY_SEEDS[3]).suggestions[0]}')")
    assert page.input_value(QUESTION) == example(GALLERY_SEEDS[3]).suggestions[0]


def test_a_model_made_for_pictures_says_why_there_are_no_clips(page):
    page.click("#example-clip")
    page.wait_for_selector(FRAMES)
    assert not page.is_visible("#no-clips")
    choose_model(page, "#model", "Pictures")
    page.wait_for_selector("#no-clips:has-text('Pictures reads images only'):visible")
    page.wait_for_selector("#picture img:visible")
    assert not page.is_visible("#clip") and not page.is_visible("#clip-frames")
    choose_model(page, "#model", "videos")
    page.wait_for_selector("#example-clip:visible")


def test_a_link_brings_the_example_clip_and_its_own_question(browser, app):
    with opened(browser, f"{app.address}?clip=example&question=what+moves+here") as page:
        page.wait_for_selector(FRAMES)
        assert page.input_value(QUESTION) == "what moves here"


def test_scripts_send_a_video_too(app):
    from gradio_client import Client, handle_file

    client = Client(app.address, verbose=False)
    ask = dict(image=handle_file(str(CLIP)), question="what moves ?", max_new_tokens=2, repeats=1, api_name="/compare")
    clip = client.predict(**ask, video=True)
    assert len(clip["kept"]) == 8 and clip["fastv"]["visual_tokens"] == 68
    with pytest.raises(Exception, match="not an image"):
        client.predict(**ask)
    with pytest.raises(Exception, match="Pictures reads images only"):
        client.predict(**ask, video=True, model="pictures")
