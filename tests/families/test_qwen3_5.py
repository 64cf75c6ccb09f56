"""Qwen3.5 in the real order of its layers, against a run over a list of tokens that becomes shorter at layer K: what
dropping means where nothing can be masked.
"""

from __future__ import annotations

import math

import pytest
import torch

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.registry import family_for
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.pruning.attention_tap import observing
from fastv.pruning.hooks.own_attention import own_attention
from fastv.pruning.index_selection import mark
from fastv.pruning.transformers_compat import cache_in
from tests.support.hybrid_reference import reference
from tests.support.masked_reference import CACHE, GREEDY
from tests.support.standins import END, FURTHER_STANDINS, IMAGE_TOKEN, PICTURE, ROWS, START, VIDEO_TOKEN, WIDE

KINDS = ["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 2
VISUAL = torch.tensor([IMAGE_TOKEN, VIDEO_TOKEN])
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, IMAGE_TOKEN, VIDEO_TOKEN])
PROMPTS = ROWS["video and picture"]  # three rows of different lengths: one video; a picture and a video; a picture
_MODELS: dict = {}


def model_of(key: str = "qwen3_5"):
    if key not in _MODELS:
        _MODELS[key] = FURTHER_STANDINS[key].model(layers=len(KINDS), layer_types=KINDS)
    return _MODELS[key]


def assert_close(found, expected):
    """As far as float32 goes in sums of another order (in float64 it is 1e-7): a small part of the largest logit."""
    torch.testing.assert_close(found, expected, atol=5e-4 * float(expected.abs().max()), rtol=0)


def assert_is_reference(key, model, inputs, output, trace, proportional=False):
    """Every row's logits; where there is one cut, yields what ranked, the visual tokens and the dropped of each row."""
    length, logits = inputs["input_ids"].shape[1], torch.stack(output.logits, 1)
    for row, prompt in enumerate(PROMPTS):
        alone = FURTHER_STANDINS[key].inputs([prompt], seed=row)
        own = alone["input_ids"].shape[1]
        before = torch.isin(alone["input_ids"][0], VISUAL).nonzero()[:, 0]
        cuts = {}
        for (layer, _), kept in zip(trace.kept_after_each_cut, trace.kept_by_cut, strict=True):
            cuts[layer] = before[~torch.isin(before, kept[row] - (length - own))]
        answer = output.sequences[row, length:]
        log = math.log(len(before) / (trace.kept[row] >= 0).sum()) if proportional else 0.0
        expected, looked = reference(model, alone, answer, cuts, own, (before, log))
        assert_close(logits[row], expected)
        if len(cuts) == 1:
            yield looked[layer], before, cuts[layer]


@pytest.mark.parametrize(
    "key, k", [*(("qwen3_5", k) for k in range(len(KINDS))), ("qwen3_5_moe", 2), ("qwen3_5_moe", 6)]
)
def test_pruned_answers_are_those_of_shorter_lists_of_tokens(key, k):
    model, inputs = model_of(key), FURTHER_STANDINS[key].inputs(PROMPTS)
    method = FastV(k=k, r=0.6) if k > 3 else METHODS["random"](k=k, r=0.6)
    with method(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        uncached = model.generate(**inputs, **OPTIONS | dict(max_new_tokens=2), use_cache=False)
    assert_close(torch.stack(uncached.logits), torch.stack(output.logits[:2]))
    for attention, visual, dropped in assert_is_reference(key, model, inputs, output, trace):
        assert 0 < len(dropped) < len(visual)
        if k > 3:  # by what the last layer that attends, layer 3, gave the visual tokens
            assert sorted(dropped.tolist()) == sorted(visual[attention[visual].argsort()[: len(dropped)]].tolist())


def test_several_cuts(key="qwen3_5"):
    model, inputs = model_of(key), FURTHER_STANDINS[key].inputs(PROMPTS)
    with METHODS["v2drop"](r=0.7)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert len(trace.kept_by_cut) > 1
    list(assert_is_reference(key, model, inputs, output, trace))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_no_ranking_before_a_layer_that_attends(k):
    for method in (FastV(k=k), METHODS["fastv_norope"](k=k)):
        with pytest.raises(InvalidBudgetError, match="k=4 or more"), method(model_of()):
            pass


@pytest.mark.parametrize("k", [0, 2, 4, 6])
def test_tokens_fed_by_hand_are_read_after_what_was_kept(k):
    """One, several and one again, without mask or positions: the model counts in the cache, whose layer 3 is short."""
    model, rows = model_of(), [(5, PICTURE, 7), (6, PICTURE, 6)]
    inputs = FURTHER_STANDINS["qwen3_5"].inputs(rows)
    turns = torch.randint(3, START, (2, 6), generator=torch.Generator().manual_seed(9)).split([1, 4, 1], 1)
    with METHODS["random"](k=k, r=0.6)(model) as trace, torch.no_grad():
        output = model(**{name: value for name, value in inputs.items() if name != "attention_mask"})
        logits, cache = [output.logits[:, -1:]], cache_in(output)
        logits += [model(input_ids=turn, **{CACHE: cache}).logits for turn in turns]
    answers = torch.cat([*turns, turns[0]], 1)
    for row, prompt in enumerate(rows):
        alone = FURTHER_STANDINS["qwen3_5"].inputs([prompt], seed=row)
        visual = torch.isin(alone["input_ids"][0], VISUAL).nonzero()[:, 0]
        dropped = visual[~torch.isin(visual, trace.kept[row])]
        expected, _ = reference(model, alone, answers[row], {k: dropped}, alone["input_ids"].shape[1])
        assert_close(torch.cat(logits, 1)[row], expected)


@pytest.mark.parametrize("k", [2, 5])
def test_rows_of_a_cache_in_another_order(k):
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs([(5, PICTURE, 7), (3, WIDE, 19)])
    length, order = inputs["input_ids"].shape[1], torch.tensor([1, 0])
    tokens, mask = torch.tensor([[7], [8]]), torch.cat([inputs["attention_mask"], torch.ones(2, 1).long()], 1)
    places = mask.cumsum(1)[None, :, -1:].expand(4, -1, -1) - 1
    found = []
    with METHODS["random"](k=k, r=0.6)(model), torch.no_grad():
        for rows in (torch.tensor([0, 1]), order):
            cache = cache_in(model(**inputs, use_cache=True))
            assert cache.get_seq_length() == (length if k > 3 else cache.get_seq_length(7)) <= length
            cache.reorder_cache(rows)
            turn = {"input_ids": tokens[rows], "attention_mask": mask[rows], "position_ids": places[:, rows]}
            found.append(model(**turn, **{CACHE: cache}).logits[rows])
    assert_close(*found)


@pytest.mark.parametrize("k", [2, 5])
def test_a_question_that_follows_up(k):
    """Behind the answer, in padded rows; where the cache is counted by what was kept, its new tokens alone."""
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs([(5, PICTURE, 7), (3, WIDE, 19)])

    def converse(alone):
        first = model.generate(**inputs, **OPTIONS)
        whole = torch.cat([first.sequences, torch.tensor([[1, 7, 9], [1, 8, 6]])], 1)
        more = torch.ones(2, whole.shape[1] - inputs["input_ids"].shape[1]).long()
        mask = torch.cat([inputs["attention_mask"], more], 1)
        ids = whole[:, -4:] if alone else whole
        return model.generate(input_ids=ids, attention_mask=mask, **{CACHE: cache_in(first)}, **OPTIONS)

    with METHODS["random"](k=k, r=0.6)(model) as trace:
        output = converse(alone=k < 4)
        if k < 4:
            with pytest.raises(InvalidInputError, match="new tokens alone"):
                converse(alone=False)
    dropped = torch.isin(inputs["input_ids"], VISUAL) & ~mark(trace.kept, inputs["input_ids"].shape[1])
    with dropped_by_masking(model.model.language_model, k, dropped):
        expected = converse(alone=k < 4)
    assert_close(torch.stack(output.logits), torch.stack(expected.logits))


@pytest.mark.parametrize("k", [2, 5])
def test_beams(k):
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs(PROMPTS[:2])
    visual = torch.isin(inputs["input_ids"], VISUAL).repeat_interleave(2, 0)
    with METHODS["random"](k=k, r=0.6)(model) as trace:
        output = model.generate(**inputs, **OPTIONS, num_beams=2)
    dropped = visual & ~mark(trace.kept, visual.shape[1])
    with dropped_by_masking(model.model.language_model, k, dropped):
        assert torch.equal(output.sequences, model.generate(**inputs, **OPTIONS, num_beams=2).sequences)


def test_queries_before_a_layer_runs_leave_out_the_gate():
    """What ``own_attention`` computes ahead is what the layer's kernel is given."""
    model, inputs, found = model_of(), FURTHER_STANDINS["qwen3_5"].inputs(PROMPTS), []
    layer = model.model.language_model.layers[3]

    def ahead(_layer, args, kwargs):
        found.append(own_attention(layer, layer.self_attn, args[0], kwargs)[0])

    handle = layer.register_forward_pre_hook(ahead, with_kwargs=True)
    try:
        with observing(layer.self_attn, lambda query, key, *_: found.append((query[:, :, -1:], key))), torch.no_grad():
            model(**inputs)
    finally:
        handle.remove()
    torch.testing.assert_close(found[0][:2], found[1])


def test_methods_that_rank_by_a_layer_that_does_not_attend_say_so():
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs(PROMPTS[:1])
    with pytest.raises(InvalidBudgetError, match="does not attend"), METHODS["pyramiddrop"]()(model):
        model(**inputs)


def test_the_prompt_asks_for_the_answer_at_once():
    family, processor = family_for("qwen3_5"), FURTHER_STANDINS["qwen3_5"].processor()
    assert family.prompt(processor, "what ?").endswith("ASSISTANT:")  # a template that does not ask is not told
    processor.chat_template += "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    assert family.prompt(processor, "what ?").endswith("ASSISTANT:<think></think>")


@pytest.mark.parametrize("k", [2, 5])
def test_kernels_with_flat_masks(k, monkeypatch):
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs(PROMPTS)
    monkeypatch.setattr(model.config.text_config, "_attn_implementation", "flash_stand_in")
    with METHODS["random"](k=k, r=0.6)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    monkeypatch.undo()
    list(assert_is_reference("qwen3_5", model, inputs, output, trace))


@pytest.mark.parametrize("k", [2, 5])
def test_kept_tokens_that_stand_for_dropped_ones_do_so_where_layers_attend(k):
    model, inputs = model_of(), FURTHER_STANDINS["qwen3_5"].inputs(PROMPTS)
    with METHODS["random"](k=k, r=0.6, proportional=True)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    list(assert_is_reference("qwen3_5", model, inputs, output, trace, proportional=True))
