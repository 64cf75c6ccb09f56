"""Processors: pictures and videos become a model's inputs without torchvision, as the libraries make them with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from fastv import FastV
from fastv.families.config_reader import read_shape
from fastv.families.registry import family_for
from tests.support.standins import QUESTION_WORDS, STANDINS, save_checkpoint


def read_processor(folder, key: str):
    return family_for(key).read_processor(folder, STANDINS[key].config())


VIDEO_KEYS = [key for key, standin in STANDINS.items() if standin.video]
QWEN = [key for key in VIDEO_KEYS if key.startswith("qwen")]
QUESTION = " ".join(QUESTION_WORDS[:5])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A checkpoint of every family: key -> folder."""
    made = {key: tmp_path_factory.mktemp(key) for key in STANDINS}
    for key, folder in made.items():
        save_checkpoint(key, folder)
    return made


def noise(seed: int, width: int, height: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def restored(processor, pixels: torch.Tensor) -> np.ndarray:
    """(3, height, width), normalized -> (height, width, 3) of 0 to 255."""
    mean, std = processor.image_processor.image_mean, processor.image_processor.image_std
    return (pixels.numpy().transpose(1, 2, 0) * std + mean) * 255


@pytest.mark.parametrize("key", STANDINS)
def test_a_picture_and_a_question_become_inputs(key, folders):
    processor, model, family = read_processor(folders[key], key), STANDINS[key].model(), family_for(key)
    text = family.prompt(processor, QUESTION)
    assert QUESTION in text and processor.image_token in text
    for size in ((70, 90), (90, 24)):
        inputs = processor(images=noise(0, *size), text=text, return_tensors="pt")
        visual = family.visual_mask(model, inputs["input_ids"])
        (frame,) = family.frames(model.config, inputs)
        assert visual.sum() == frame.tokens and frame.lead == 0
        assert frame.pixels.shape[0] == 3
        with torch.no_grad():
            assert model(**inputs).logits.shape[:2] == inputs["input_ids"].shape


@pytest.mark.parametrize("key", VIDEO_KEYS)
@pytest.mark.parametrize("frames", [1, 3, 8])
def test_a_video_and_a_question_become_inputs(key, frames, folders):
    processor, model, family = read_processor(folders[key], key), STANDINS[key].model(), family_for(key)
    text = family.prompt(processor, QUESTION, "video")
    assert processor.video_token in text
    video = [noise(seed, 24, 16) for seed in range(frames)]
    inputs = processor(videos=[video], text=text, return_tensors="pt")
    arrays = processor(videos=np.stack(video), text=text, return_tensors="pt")
    assert all(torch.equal(inputs[name], arrays[name]) for name in inputs)
    visual = family.visual_mask(model, inputs["input_ids"])
    found = family.frames(model.config, inputs)
    assert visual.sum() == sum(frame.tokens for frame in found)
    assert visual.sum() == read_shape(model.config).video_tokens(frames, 16, 24)
    with FastV(k=2)(model) as trace:
        output = model.generate(**inputs, max_new_tokens=2, min_new_tokens=2)
    assert output.shape[1] == inputs["input_ids"].shape[1] + 2
    assert trace.kept.shape == (1, round(int(visual.sum()) / 2))


@pytest.mark.parametrize("key", QWEN)
def test_a_video_that_stands_still_is_its_picture(key, folders):
    processor, still = read_processor(folders[key], key), noise(3, 24, 16)
    picture = processor.image_processor(images=still, return_tensors="pt")["pixel_values"]
    video = processor.video_processor(videos=[[still] * 3], return_tensors="pt")
    assert video["video_grid_thw"].tolist() == [[2, 8, 12]]
    assert torch.equal(video["pixel_values_videos"], torch.cat([picture, picture]))


@pytest.mark.parametrize("key", QWEN)
def test_the_frames_are_found_again_in_the_patches(key, folders):
    processor, config = read_processor(folders[key], key), STANDINS[key].config()
    video = [noise(seed, 24, 16) for seed in range(4)]
    inputs = processor.video_processor(videos=[video, video[:2]], return_tensors="pt")
    found = family_for(key).frames(config, inputs)
    assert [frame.grid for frame in found] == [(4, 6)] * 3
    for frame, original in zip(found, (video[0], video[2], video[0]), strict=True):
        np.testing.assert_allclose(restored(processor, frame.pixels), np.asarray(original), atol=1e-3)
    # The other frame of each pair is there too, behind the first one in every patch.
    swapped = processor.video_processor(videos=[[video[1], video[0]]], return_tensors="pt")["pixel_values_videos"]
    last = inputs["pixel_values_videos"][-len(swapped) :].view(len(swapped), 3, 2, -1)
    assert torch.equal(last.flip(2), swapped.view(last.shape))


def test_what_a_frames_tokens_lie_on_changes_them(folders):
    """Another corner of the picture, and only the visual token on it is another before the tower mixes them."""
    processor, family = read_processor(folders["qwen2_vl"], "qwen2_vl"), family_for("qwen2_vl")
    picture, changed = noise(0, 24, 16), noise(0, 24, 16)
    changed.paste((255, 255, 255), (20, 4, 24, 8))  # block (1, 5) of 4 x 6
    before, after = (processor.image_processor(images=one, return_tensors="pt") for one in (picture, changed))
    rows = (before["pixel_values"] != after["pixel_values"]).any(dim=1).view(-1, 4).all(dim=1).nonzero()[:, 0]
    (frame,) = family.frames(STANDINS["qwen2_vl"].config(), before)
    assert rows.tolist() == [1 * frame.grid[1] + 5]


@pytest.mark.parametrize("key", VIDEO_KEYS)
def test_as_the_libraries_prepare_videos_with_torchvision(key, folders):
    pytest.importorskip("torchvision")
    from transformers import Qwen2VLVideoProcessor, VideoLlavaVideoProcessor

    processor = read_processor(folders[key], key)
    size = (56, 56) if key == "video_llava" else (24, 16)  # as it is taken, so that the ways to scale do not matter
    video = np.stack([np.asarray(noise(seed, *size)) for seed in range(3)])
    if key == "video_llava":
        theirs = VideoLlavaVideoProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    else:
        theirs = Qwen2VLVideoProcessor(patch_size=2, merge_size=2, temporal_patch_size=2, min_pixels=64, max_pixels=576)
    expected = theirs(videos=[video], return_tensors="pt")
    ours = processor.video_processor(videos=[video], return_tensors="pt")
    for name in expected:
        torch.testing.assert_close(ours[name], expected[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("key", QWEN)
def test_frames_may_be_smaller_than_pictures(key, tmp_path):
    save_checkpoint(key, tmp_path)
    size = {"shortest_edge": 16, "longest_edge": 100}
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps({"size": size}))
    processor, video = read_processor(tmp_path, key), [noise(0, 24, 16)] * 2
    assert processor.image_processor(images=video[0])["image_grid_thw"].tolist() == [[1, 8, 12]]
    assert processor.video_processor(videos=[video])["video_grid_thw"].tolist() == [[1, 4, 6]]
    larger = {"shortest_edge": 16, "longest_edge": 1000}
    text = family_for(key).prompt(processor, QUESTION, "video")
    inputs = processor(videos=[video], text=text, return_tensors="pt", videos_kwargs={"size": larger})
    assert inputs["video_grid_thw"].tolist() == [[1, 8, 12]]


def test_seconds_between_frames_reach_the_model(folders):
    processor = read_processor(folders["qwen2_5_vl"], "qwen2_5_vl")
    text = family_for("qwen2_5_vl").prompt(processor, QUESTION, "video")
    video = np.stack([np.asarray(noise(seed, 24, 16)) for seed in range(4)])
    inputs = processor(
        videos=[video],
        text=text,
        return_tensors="pt",
        video_metadata=[{"fps": 10.0, "total_num_frames": 40, "frames_indices": [0, 10, 20, 30]}],
    )
    assert float(inputs["second_per_grid_ts"][0]) == 2.0  # two frames, a second apart


def test_a_checkpoint_without_a_template_is_asked_in_its_own_format(folders):
    processor, family = read_processor(folders["video_llava"], "video_llava"), family_for("video_llava")
    processor.chat_template = None
    assert family.prompt(processor, "why ?") == "USER: <image>\nwhy ? ASSISTANT:"
    assert family.prompt(processor, "why ?", "video") == "USER: <video>\nwhy ? ASSISTANT:"


@pytest.mark.parametrize("size", [(40, 30), (40, 3), (20, 1), (3, 40), (1, 20), (3, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("key", STANDINS)
def test_flat_and_narrow_pictures_keep_their_colours(key, size, folders):
    processor, colour = read_processor(folders[key], key), (200, 30, 90)
    picture = Image.new("RGB", size, colour)
    made = processor.image_processor(images=picture, return_tensors="pt")
    for frame in family_for(key).frames(STANDINS[key].config(), made):
        np.testing.assert_allclose(restored(processor, frame.pixels) - colour, 0, atol=0.6)


@pytest.mark.parametrize("size", [(40, 3), (20, 1), (3, 40)], ids=str)
@pytest.mark.parametrize("key", VIDEO_KEYS)
def test_flat_and_narrow_videos_keep_their_colours(key, size, folders):
    processor, colour = read_processor(folders[key], key), (200, 30, 90)
    made = processor.video_processor(videos=[[Image.new("RGB", size, colour)] * 2], return_tensors="pt")
    frames = family_for(key).frames(STANDINS[key].config(), made)
    assert frames
    for frame in frames:
        np.testing.assert_allclose(restored(processor, frame.pixels) - colour, 0, atol=0.6)
