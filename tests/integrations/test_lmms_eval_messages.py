"""lmms-eval's chat messages become the prompts that the rest of the project asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fastv.errors import InvalidInputError
from fastv.integrations.lmms_eval.messages import inputs_of
from fastv.loading.load import load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.world.scenes import scene

QUESTION = "What colour is the background?"


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


def shown(seed):
    return {"type": "image", "image": scene(seed).picture}


def chat(*parts):
    return [
        {"role": "user", "content": [{"type": "text", "text": one} if isinstance(one, str) else one for one in parts]}
    ]


def test_a_chat_about_one_picture_is_the_prompt_of_a_sweep(mini):
    found = inputs_of(mini, [chat(shown(1), QUESTION)])
    prompt = prompt_of(mini, scene(1).picture, QUESTION, answer_tokens=4)
    assert found.keys() == prompt.inputs.keys()
    assert all(torch.equal(found[name], prompt.inputs[name]) for name in found)


def test_chats_of_a_batch_are_padded_on_the_left(mini):
    short, long = chat(shown(1), QUESTION), chat(shown(2), f"{QUESTION} And how many animals are there?")
    alone, both = inputs_of(mini, [short]), inputs_of(mini, [short, long])
    padding = both["input_ids"].shape[1] - alone["input_ids"].shape[1]
    assert padding > 0 and both["attention_mask"][:, -1].all()
    assert both["attention_mask"].sum(1).tolist() == [alone["input_ids"].shape[1], both["input_ids"].shape[1]]
    assert torch.equal(both["input_ids"][0, padding:], alone["input_ids"][0])


def test_several_pictures_and_none(mini):
    visual = [
        mini.family.visual_mask(mini.model, inputs_of(mini, [one])["input_ids"]).sum().item()
        for one in (chat(shown(1), shown(2), QUESTION), chat(shown(1), QUESTION), chat(QUESTION))
    ]
    assert visual[0] == 2 * visual[1] > 0 == visual[2]


def test_what_a_model_cannot_read_is_refused(mini):
    plain = SimpleNamespace(**vars(mini) | {"processor": SimpleNamespace(chat_template=None)})
    for loaded, one, told in (
        (mini, chat({"type": "video", "video": "clip.mp4"}, QUESTION), "video"),
        (mini, chat({"type": "audio", "audio": "a.wav"}, QUESTION), "audio"),
        (plain, chat(QUESTION) + chat(QUESTION), "chat template"),
    ):
        with pytest.raises(InvalidInputError, match=told):
            inputs_of(loaded, [one])
