"""Rows of attention: those that eager attention returns, for every family, and those that FastV ranks by."""

from __future__ import annotations

import pytest
import torch

from fastv import FastV
from fastv.errors import InvalidInputError
from fastv.families.entry import ModelEntry
from fastv.families.registry import family_of
from fastv.loading.load import LoadedModel
from fastv.measurement.attention_map import PARTS, attention_map, part_of, shares
from fastv.measurement.prompt import Prompt
from tests.support.standins import PICTURE, STANDINS, WIDE

SEVERAL = (2, WIDE, 3, PICTURE, 4)
TOKENS = 3


def setting(key: str, segments: tuple, attention: str = "sdpa") -> tuple[LoadedModel, Prompt]:
    standin = STANDINS[key]
    model = standin.model(attention)
    model.generation_config.update(eos_token_id=None)
    family, inputs = family_of(model), standin.inputs([segments])
    loaded = LoadedModel(ModelEntry(key, key, "", ""), model, None, family, torch.device("cpu"), "float32")
    return loaded, Prompt(inputs, family.visual_mask(model, inputs["input_ids"])[0], ())


def eager_rows(key: str, segments: tuple) -> dict[int, torch.Tensor]:
    """Position -> (layers, heads, position + 1), as eager attention returns them with the answer."""
    loaded, prompt = setting(key, segments, "eager")
    output = loaded.model.generate(
        **prompt.inputs,
        max_new_tokens=TOKENS,
        do_sample=False,
        output_attentions=True,
        return_dict_in_generate=True,
    )
    rows, first = {}, 0
    for step in output.attentions:
        whole = torch.stack([layer[0] for layer in step])  # (layers, heads, rows, columns)
        for row in range(whole.shape[2]):
            rows[first + row] = whole[:, :, row, : first + row + 1]
        first += whole.shape[2]
    return rows


@pytest.mark.parametrize("segments", [(5, PICTURE, 7), SEVERAL], ids=["picture", "several"])
@pytest.mark.parametrize("key", STANDINS)
def test_rows_are_those_of_eager_attention(key, segments):
    loaded, prompt = setting(key, segments)
    expected = eager_rows(key, segments)
    of = [*range(prompt.tokens - 6, prompt.tokens + TOKENS - 1), 3]
    found = attention_map(loaded, prompt, max_new_tokens=TOKENS, of=of, per_head=of)
    assert sorted(found.rows) == sorted(of) and len(found.answer) == TOKENS
    for position, row in found.rows.items():
        torch.testing.assert_close(found.heads[position], expected[position], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(row, expected[position].mean(1), atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(row.sum(-1), torch.ones(len(row)))
        torch.testing.assert_close(found.shares(position).sum(-1), torch.ones(len(row)))


@pytest.mark.parametrize("key", STANDINS)
def test_the_layers_are_left_as_they_were_and_the_answer_is_the_usual_one(key):
    loaded, prompt = setting(key, (5, PICTURE, 7))
    configs = [layer.self_attn.config for layer in loaded.family.decoder(loaded.model).layers]
    found = attention_map(loaded, prompt, max_new_tokens=TOKENS)
    usual = loaded.model.generate(**prompt.inputs, max_new_tokens=TOKENS, do_sample=False)
    assert list(found.answer) == usual[0, prompt.tokens :].tolist()
    assert [layer.self_attn.config for layer in loaded.family.decoder(loaded.model).layers] == configs
    assert not loaded.lock.locked()
    # By default the text behind the picture, and each token of the answer but the last.
    first = int(prompt.visual.nonzero()[-1]) + 1
    assert sorted(found.rows) == list(range(first, prompt.tokens + TOKENS - 1)) and found.heads == {}


@pytest.mark.parametrize("k", [1, 3])
def test_fastv_ranks_by_the_last_tokens_row(k):
    loaded, prompt = setting("llava", SEVERAL)
    found = attention_map(loaded, prompt)
    with FastV(k=k, r=0.5)(loaded.model) as trace, torch.no_grad():
        loaded.model(**prompt.inputs)
    torch.testing.assert_close(found.image(found.last)[k - 1], trace.scores[0], rtol=0, atol=0)


def test_each_column_belongs_to_one_part():
    visual = torch.tensor([0, 0, 1, 1, 0, 1, 0]).bool()  # two pictures with text between them
    assert [PARTS[index] for index in part_of(visual, 9)] == [
        *["system"] * 2,
        *["image"] * 2,
        "question",
        "image",
        "question",
        *["answer"] * 2,
    ]
    row = torch.arange(9.0) / 36
    assert shares(row, visual).mul(36).round().tolist() == [1, 10, 10, 15]
    assert shares(row[:4], visual).mul(36).round().tolist() == [1, 5, 0, 0]


def test_positions_that_are_not_there_are_refused():
    loaded, prompt = setting("llava", (5, PICTURE, 7))
    for of in ([prompt.tokens + 2], [-1]):
        with pytest.raises(InvalidInputError):
            attention_map(loaded, prompt, max_new_tokens=2, of=of)
