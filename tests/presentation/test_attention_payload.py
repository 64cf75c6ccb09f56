"""What the page's script gets: as exact as the ranking needs, and small."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from fastv import FastV
from fastv.measurement.attention_map import PARTS, AttentionMap, attention_map
from fastv.measurement.prompt import Prompt, prompt_of
from fastv.presentation.attention_payload import KnownThings, attention_payload
from tests.support.prompts import QUESTION, noise, talkative
from tests.support.standins import VISUAL_TOKENS

TOKENS = 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return talkative(tmp_path_factory.mktemp("models") / "standin", seed=3)


@pytest.fixture(scope="module")
def prompt(loaded) -> Prompt:
    return prompt_of(loaded, noise(), QUESTION, answer_tokens=TOKENS)


@pytest.fixture(scope="module")
def found(loaded, prompt) -> AttentionMap:
    return attention_map(loaded, prompt, max_new_tokens=TOKENS, per_head=[prompt.tokens - 1])


@pytest.fixture(scope="module")
def payload(loaded, found):
    owners = np.full(VISUAL_TOKENS, -1)
    owners[[2, 3, 9]] = [0, 0, 1]
    return attention_payload(found, loaded, QUESTION, KnownThings(("cat", "sign 7"), owners))


def test_the_ranking_is_that_of_fastv(loaded, prompt, payload):
    rows = np.frombuffer(b64decode(payload["ranking"]), "<f4").reshape(len(payload["layers"]), VISUAL_TOKENS)
    for k in (1, 3):
        with FastV(k=k, r=0.5)(loaded.model) as trace:
            loaded.model.generate(**prompt.inputs, max_new_tokens=1, do_sample=False)
        order = sorted(range(VISUAL_TOKENS), key=lambda token: (-rows[k - 1][token], token))
        kept = sorted(int(prompt.visual.nonzero()[token]) for token in order[: VISUAL_TOKENS // 2])
        assert kept == trace.kept[0].tolist()


def test_maps_shares_and_heads_belong_to_the_words(found, payload):
    words, layers, visual = len(payload["words"]), len(payload["layers"]), payload["visual"]
    levels = np.frombuffer(b64decode(payload["maps"]), np.uint8).reshape(words, layers, visual)
    kinds = [word["kind"] for word in payload["words"]]
    assert kinds == ["question"] * payload["last"] + ["answer"] * TOKENS
    assert np.shape(payload["shares"]) == (words, layers, len(PARTS))
    np.testing.assert_allclose(np.sum(payload["shares"], -1), 1, atol=3e-4)
    row = found.image(found.last).numpy()
    expected = np.sqrt(row / row.max(-1, keepdims=True))
    np.testing.assert_allclose(levels[payload["last"]] / 255, expected, atol=0.5 / 255 + 1e-6)
    heads = np.frombuffer(b64decode(payload["head_maps"]), np.uint8)
    assert heads.size == layers * payload["heads"] * visual and np.shape(payload["head_shares"]) == (layers, 4)


def test_things_and_frames_are_named(payload):
    assert payload["things"] == [{"name": "cat", "tokens": [2, 3]}, {"name": "sign 7", "tokens": [9]}]
    (frame,) = payload["frames"]
    assert (frame["rows"], frame["columns"], frame["lead"], frame["row_end"]) == (4, 4, 0, 0)
    assert frame["picture"].startswith("data:image/jpeg;base64,")
