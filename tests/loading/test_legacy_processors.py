"""LLaVA folders whose processor settings are missing or are not the model's, as older versions saved them."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from fastv import FastV
from fastv.errors import ModelLoadError
from fastv.loading.load import load
from tests.support.hub_layouts import write_as_on_hub
from tests.support.standins import IMAGE_TOKEN, STANDINS, VISUAL_TOKENS, save_llava_checkpoint, tiny_llava

PICTURE = Image.effect_noise((90, 60), 80).convert("RGB")


def kept_and_visual(loaded) -> tuple[int, int]:
    prompt = loaded.family.prompt(loaded.processor, "what is in the picture ?")
    inputs = loaded.processor(images=PICTURE, text=prompt, return_tensors="pt")
    with FastV(k=2, r=0.5)(loaded.model) as trace, torch.no_grad():
        loaded.model(**inputs)
    return trace.kept.shape[1], int((inputs["input_ids"] == IMAGE_TOKEN).sum())


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("legacy")
    save_llava_checkpoint(folder / "new")
    write_as_on_hub(tiny_llava(), AutoProcessor.from_pretrained(folder / "new", backend="pil"), folder / "hub")
    return folder / "hub"


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "copy")


def change(path, **changes) -> None:
    """Sets settings of a JSON file; None takes them out."""
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size": None},
        {"vision_feature_select_strategy": None},
        {"num_additional_image_tokens": None},
        {"patch_size": None, "vision_feature_select_strategy": None, "num_additional_image_tokens": None},
        {"patch_size": 7},
        {"vision_feature_select_strategy": "full"},
        {"num_additional_image_tokens": 0},
        {"image_token": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["llava", "video_llava"])
def test_settings_for_the_visual_tokens_are_the_models(key, changes, folder, tmp_path):
    if key == "video_llava":
        folder = tmp_path / "video"
        write_as_on_hub(STANDINS[key].model(), STANDINS[key].processor(), folder)
    change(folder / "processor_config.json", **changes)
    assert kept_and_visual(load(folder)) == (VISUAL_TOKENS // 2, VISUAL_TOKENS)


def test_the_whole_file_may_be_missing(folder):
    (folder / "processor_config.json").unlink()
    assert kept_and_visual(load(folder)) == (VISUAL_TOKENS // 2, VISUAL_TOKENS)


def test_a_model_that_keeps_the_class_token_has_one_more(folder):
    change(folder / "config.json", vision_feature_select_strategy="full")
    loaded = load(folder)
    assert kept_and_visual(loaded)[1] == VISUAL_TOKENS + 1
    prompt = loaded.family.prompt(loaded.processor, "what ?")
    inputs = loaded.processor(images=PICTURE, text=prompt, return_tensors="pt")
    (frame,) = loaded.family.frames(loaded.model.config, inputs)
    assert (frame.tokens, frame.lead) == (VISUAL_TOKENS + 1, 1)


def test_a_tokenizer_that_ends_before_the_picture_token_is_extended(folder):
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["added_tokens"] = [token for token in settings["added_tokens"] if token["content"] != "<image>"]
    settings["model"]["vocab"].pop("<image>")
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    change(folder / "tokenizer_config.json", extra_special_tokens=None, added_tokens_decoder=None, image_token=None)
    assert kept_and_visual(load(folder)) == (VISUAL_TOKENS // 2, VISUAL_TOKENS)


def test_a_picture_token_of_another_name_is_found(folder):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.json"):
        path = folder / name
        path.write_text(path.read_text().replace("<image>", "<im_patch>"))
    change(folder / "tokenizer_config.json", image_token=None, extra_special_tokens=["<im_patch>"])
    change(folder / "processor_config.json", image_token="<image>")
    assert kept_and_visual(load(folder)) == (VISUAL_TOKENS // 2, VISUAL_TOKENS)


@pytest.mark.parametrize(
    "changes, piece",
    [
        ({"crop_size": {"height": 28, "width": 28}}, "makes images of 28 x 28 pixels, where the model takes 56 x 56"),
        ({"size": {"shortest_edge": 0}}, "cannot prepare an image"),
        ({"image_mean": [0.5]}, "cannot prepare an image"),
    ],
)
def test_pictures_that_do_not_suit_the_model_are_refused_when_it_is_loaded(changes, piece, folder):
    change(folder / "preprocessor_config.json", **changes)
    with pytest.raises(ModelLoadError, match=piece):
        load(folder)


def test_a_tokenizer_of_another_model_is_refused_when_it_is_loaded(folder):
    change(folder / "config.json", image_token_index=17)
    with pytest.raises(ModelLoadError, match="does not know the token that stands for an image"):
        load(folder)
