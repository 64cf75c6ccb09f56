"""Lower resolution: the model answers as if its smaller picture stood at an even lattice of the places."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch.nn.functional import interpolate

from fastv.costs.flops import cost
from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.base import base_of
from fastv.families.reduced_pictures import lattice
from fastv.families.registry import family_of
from fastv.pruning.methods.lower_resolution import LowerResolution, smaller_grid
from tests.support.family_standins.base import PICTURE, VIDEO, WIDE
from tests.support.flop_counter import counted
from tests.support.masked_reference import (
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    model_of,
    visual_of,
    whole_state,
)
from tests.support.standins import ALL_STANDINS, END, IMAGE_TOKEN, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *VISUAL])


def test_the_smaller_grid_has_the_most_tokens_near_the_pictures_proportions():
    assert [smaller_grid((24, 24), keep) for keep in (576, 288, 192, 144, 64, 2)] == [
        (24, 24), (18, 16), (16, 12), (12, 12), (8, 8), (1, 1)
    ]  # fmt: skip
    assert smaller_grid((1, 16), 4) == (1, 4) and smaller_grid((36, 20), 200) == (20, 10)
    for full in ((4, 4), (3, 7), (12, 5)):
        for budget in range(1, full[0] * full[1]):
            rows, columns = smaller_grid(full, budget)
            assert rows * columns <= budget
            stretch = [
                (abs(log(a * full[1] / (b * full[0]))), a * b)
                for a in range(1, full[0] + 1)
                for b in range(1, full[1] + 1)
                if a * b <= budget
            ]
            near = [tokens for bent, tokens in stretch if bent <= log(4 / 3) + 1e-6]
            assert rows * columns == (max(near) if near else min(stretch, key=lambda one: (one[0], -one[1]))[1])


@pytest.mark.parametrize("keep, size", [(4, (2, 2)), (11, (3, 3)), (1, (1, 1))])
def test_llava_answers_as_with_the_smaller_pictures_features_alone(keep, size):
    model, inputs = model_of(), llava_inputs()
    model(**inputs)
    before = whole_state(model)
    with LowerResolution(keep=keep)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
        forward = model(**inputs).logits[:, -1]
    assert whole_state(model) == before
    ids, places = inputs["input_ids"][0], lattice((4, 4), size)
    visual = ids.eq(IMAGE_TOKEN).nonzero()[:, 0]
    assert trace.kept.tolist() == [visual[places].tolist()] and trace.keep == len(places)
    pixels = interpolate(inputs["pixel_values"], (14 * size[0], 14 * size[1]), mode="bicubic", antialias=True)
    with torch.no_grad():
        small = model.model.vision_tower(pixels, interpolate_pos_encoding=True, output_hidden_states=True)
        features = model.model.multi_modal_projector(small.hidden_states[-2][:, 1:])[0]
        kept = torch.cat([ids.ne(IMAGE_TOKEN).nonzero()[:, 0], visual[places]]).sort().values
        embeddings = model.get_input_embeddings()(ids[kept])
        embeddings[torch.isin(kept, visual)] = features
        states = model.model.language_model(inputs_embeds=embeddings[None], position_ids=kept[None]).last_hidden_state
        logits = model.lm_head(states[:, -1])
    torch.testing.assert_close(output.logits[0], logits, **CLOSE)
    torch.testing.assert_close(forward, logits, **CLOSE)


ROWS = {
    "pictures": [(5, PICTURE, 7), (2, WIDE, 3, PICTURE, 4), (9,)],
    "videos": [(4, VIDEO, 9), (5, PICTURE, 3, VIDEO, 2)],
}
KEYS = ("llava", "video_llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")
CASES = [(key, name) for key in KEYS for name in ROWS if name == "pictures" or key in ("video_llava", "qwen2_vl")]


@pytest.mark.parametrize("key, name", CASES)
@pytest.mark.parametrize("amount", [dict(keep_ratio=0.4), dict(keep=5), dict(keep=4, per="image")], ids=str)
def test_every_family_drops_what_stands_between_the_lattice(key, name, amount):
    """The tower's part is compared in the tests of families; here the prompt's, in one forward and in generate."""
    standin, method = ALL_STANDINS[key], LowerResolution(**amount)
    model, inputs = standin.model(), standin.inputs(ROWS[name])
    with method(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        uncached = model.generate(**inputs, **OPTIONS, use_cache=False)
    assert_same_answer(uncached, output, **CLOSE)
    kept = [[position for position in row if position >= 0] for row in trace.kept.tolist()]
    for row, mine in zip(ROWS[name], kept):
        counts = [standin.visual_tokens[part] for part in row if isinstance(part, str)]
        budget = min(round(sum(counts) * amount.get("keep_ratio", 1)), amount.get("keep", 99) * max(1, len(counts)))
        assert len(mine) <= (budget if "per" in amount or "keep" not in amount else amount["keep"])
        assert bool(mine) == bool(counts)

    def read_at(token, groups):  # what the method reads, told from what it keeps
        found = []
        for ids, mine in zip(inputs["input_ids"], kept):
            positions = ids.eq(token).nonzero()[:, 0].tolist()
            while positions:
                group = groups[len(found)]
                first = positions[group.lead : group.tokens // group.frames]  # the first frame's
                cells = [first.index(position) for position in mine if position in first]
                found.append(
                    (len({cell // group.columns for cell in cells}), len({cell % group.columns for cell in cells}))
                )
                positions = positions[group.tokens :]
        return found

    with family_of(model).reduced_pictures(model, read_at), cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


@pytest.mark.parametrize("key", ["llava", "qwen2_vl"])
def test_rows_answer_as_they_would_alone_and_as_beams(key):
    standin, rows = ALL_STANDINS[key], ROWS["pictures"][:2]
    model, inputs = standin.model(), standin.inputs(rows)
    with LowerResolution(keep=5)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        kept = [[p for p in row if p >= 0] for row in trace.kept.tolist()]
        beams = model.generate(**inputs, **OPTIONS | dict(num_beams=2, num_return_sequences=2, output_logits=False))
        assert trace.kept.shape[0] == 4 and beams.sequences.shape[0] == 4
        for number, row in enumerate(rows):
            alone = standin.inputs([row], seed=number)
            answer = model.generate(**alone, **OPTIONS)
            shift = inputs["input_ids"].shape[1] - alone["input_ids"].shape[1]
            assert [p + shift for p in trace.kept[0].tolist()] == kept[number]
            torch.testing.assert_close(answer.logits[0][0], output.logits[0][number], **CLOSE)


def test_keep_all_and_none():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with LowerResolution(r=0)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)
    with LowerResolution(keep=0)(model) as trace:
        model.generate(**inputs, **GREEDY)
    assert trace.kept.shape == (2, 0)


@pytest.mark.parametrize("key, keep", [("llava", 4), ("qwen2_vl", 2)])
def test_the_whole_saving_is_what_torch_counts(key, keep):
    standin = ALL_STANDINS[key]
    model, inputs = standin.model(width=64), standin.inputs([(5, WIDE, 7)])
    visual = standin.visual_tokens[WIDE]
    with LowerResolution(keep=keep)(model):
        flops = counted(model, inputs)
    text = inputs["input_ids"].shape[1] - visual
    sizes = dict(text_tokens=text, visual_tokens=visual, answer_tokens=1, k=None, r=0.0)
    expected = cost(model.config, stages=[(0, keep)], encoded_tokens=keep, **sizes)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.002)
    assert expected.prefill_flops < 0.7 * cost(model.config, **sizes).prefill_flops


def test_features_that_were_made_beforehand_are_refused():
    model, inputs = model_of(), llava_inputs()
    made = model.get_image_features(pixel_values=inputs["pixel_values"], return_dict=True)
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with LowerResolution(keep=4)(model), torch.no_grad():
        with pytest.raises(InvalidInputError, match="full resolution"):
            model(**given, mm_encoder_outputs={"image": made})
        model(**inputs)
    assert torch.equal(
        base_of(model).get_image_features(pixel_values=inputs["pixel_values"]).pooler_output[0], made.pooler_output[0]
    )


def test_a_family_that_cannot_is_refused_on_entering(monkeypatch):
    model = model_of()
    monkeypatch.delattr(type(family_of(model)), "reduced_pictures")
    with pytest.raises(UnsupportedModelError, match="smaller images"), LowerResolution()(model):
        pass
    assert int(visual_of(llava_inputs()["input_ids"]).sum()) == 16
