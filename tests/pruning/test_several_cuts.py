"""Several cuts in one prompt: equal to masking at each, and with caches whose layers have several lengths."""

from __future__ import annotations

import copy

import pytest
import torch

from fastv import FastV
from fastv.errors import InvalidInputError
from fastv.pruning.transformers_compat import cache_in
from tests.support.cutting_methods import Staged, Watching
from tests.support.masked_reference import (
    CACHE,
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    model_of,
    whole_state,
)
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, *VISUAL])
SCHEDULES = [(0, 2), (1, 3), (0, 1, 2, 3)]
CASES = [(key, list(standin.prompts)[-1]) for key, standin in STANDINS.items()]


@pytest.mark.parametrize("layers", SCHEDULES, ids=str)
@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
def test_equal_to_masking_with_and_without_a_cache(layers, prompts):
    model, inputs = model_of(kv_heads=2), llava_inputs(prompts)
    with Staged(r=0.8, layers=layers)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
        uncached = model.generate(**inputs, **GREEDY, use_cache=False)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)
    assert_same_answer(uncached, expected, **CLOSE)
    assert not torch.equal(output.logits[0], model.generate(**inputs, **GREEDY).logits[0])


@pytest.mark.parametrize("layers", [(0, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("key, name", CASES)
def test_equal_to_masking_in_every_family(key, name, layers):
    model, inputs = STANDINS[key].model(), STANDINS[key].inputs(ROWS[name])
    with Staged(r=0.8, layers=layers)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        expected = model.generate(**inputs, **OPTIONS)
    assert_same_answer(output, expected, **CLOSE)


@pytest.mark.parametrize("attention", ["eager", "flash_stand_in"])
@pytest.mark.parametrize("layers", [(0, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("prompts", [PROMPTS["one and two pictures"], PROMPTS["a long row without picture"]])
def test_on_another_kernel(attention, layers, prompts, monkeypatch):
    model, inputs = model_of(), llava_inputs(prompts)
    with Staged(r=0.8, layers=layers)(model) as trace, monkeypatch.context() as patched:
        patched.setattr(model.config.text_config, "_attn_implementation", attention)
        output = model.generate(**inputs, **GREEDY)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)


@pytest.mark.parametrize("layers", [(0, 2), (1, 3)], ids=str)
def test_caches_have_the_length_of_each_stage_and_tell_it(layers):
    model, inputs = model_of(), llava_inputs()
    with Staged(r=0.75, layers=layers)(model) as trace:
        cache = cache_in(model.generate(**inputs, **GREEDY))
    left, fed = [16, 8, 4], GREEDY["max_new_tokens"] - 1
    stages = [left[sum(cut <= layer for cut in layers)] for layer in range(4)]
    assert [cache.get_seq_length(layer) for layer in range(4)] == [13 + visual + fed for visual in stages]
    assert trace.kept_after_each_cut == [(layers[0], [8]), (layers[1], [4])]
    assert (trace.keep, trace.keep_ratio, trace.r) == (4, 0.25, 0.75)
    assert trace.average_tokens == sum(stages) / 4
    assert (trace.prompt_length, trace.pruned_length, trace.kept.shape) == (29, 17, (1, 4))
    assert torch.isin(trace.kept_by_cut[1], trace.kept_by_cut[0]).all() and trace.kept is trace.kept_by_cut[1]
    for method in (FastV(k=layers[0]), Staged(layers=(*layers[:1], layers[1] - 1))):
        with method(model), pytest.raises(InvalidInputError, match="does not fit"):
            model(input_ids=torch.tensor([[7]]), **{CACHE: copy.deepcopy(cache)})


@pytest.mark.parametrize("layers", [(0, 2), (1, 3)], ids=str)
def test_nothing_dropped_is_bit_identical(layers):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    expected = model.generate(**inputs, **GREEDY)
    before = whole_state(model)
    with Staged(r=0, layers=layers)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **EXACT)
    assert whole_state(model) == before and torch.equal(trace.kept, trace.visual_positions)


@pytest.mark.parametrize("layers", [(0, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("keep", [20, 10])
def test_a_cut_that_drops_nothing_of_some_rows(layers, keep):
    """16 and 32 visual tokens: of the first row nothing is dropped at 20, and by the first cut to 25 neither."""
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with Staged(keep=keep, layers=layers)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    with cuts_by_masking(model, trace, inputs["input_ids"]):
        assert_same_answer(output, model.generate(**inputs, **GREEDY), **CLOSE)


@pytest.mark.parametrize("first", [True, False])
def test_a_cut_that_drops_nothing_at_all(first):
    class Once(Staged):
        def kept_at(self, cut, count, cuts):
            return count if first and cut == 0 else self.kept_of(count)

    model, inputs = model_of(), llava_inputs(PROMPTS["left padding"])
    with Once(r=0.5, layers=(0, 2))(model) as trace:
        first_answer = model.generate(**inputs, **GREEDY)
        cache = cache_in(first_answer)
        token, mask = torch.tensor([[7], [8]]), torch.ones(2, inputs["input_ids"].shape[1] + 6, dtype=torch.long)
        mask[:, : inputs["attention_mask"].shape[1]] = inputs["attention_mask"]
        with torch.no_grad():
            logits = model(input_ids=token, attention_mask=mask, **{CACHE: cache}).logits
    with cuts_by_masking(model, trace, inputs["input_ids"]), torch.no_grad():
        expected = model.generate(**inputs, **GREEDY)
        then = model(input_ids=token, attention_mask=mask, **{CACHE: cache_in(expected)}).logits
    assert_same_answer(first_answer, expected, **CLOSE)
    torch.testing.assert_close(logits, then, **CLOSE)


@pytest.mark.parametrize("layers", SCHEDULES, ids=str)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_signals_are_what_the_masked_model_has_in_these_columns(layers, attention):
    """At each cut, in the columns left by the earlier ones."""
    layers = tuple(layer for layer in layers if layer)
    model, inputs = model_of(attention, kv_heads=2), llava_inputs(PROMPTS["one and two pictures, no padding"])
    method = Watching(r=0.8, layers=layers)
    with method(model) as trace, torch.no_grad():
        model(**inputs)
    states: list[torch.Tensor] = []
    layer_list = model.model.language_model.layers
    handles = [layer.register_forward_pre_hook(lambda _, args: states.append(args[0])) for layer in layer_list]
    plain: dict[int, tuple] = {}
    for number, layer in enumerate(layer_list):
        for name in ("q_proj", "k_proj"):
            part = getattr(layer.self_attn, name)
            handles.append(part.register_forward_hook(lambda *a, at=(number, name): plain.__setitem__(at, a[2])))
    with cuts_by_masking(model, trace, inputs["input_ids"]), torch.no_grad():
        model(**inputs)
    for handle in handles:
        handle.remove()
    assert len(method.seen) == len(layers)
    visual = trace.visual_positions
    for cut, (layer, (prompt, signals)) in enumerate(zip(layers, method.seen)):
        for row in range(2):
            gone = set(visual[row].tolist()) - set((trace.kept_by_cut[cut - 1] if cut else visual)[row].tolist())
            columns = [column for column in range(inputs["input_ids"].shape[1]) if column not in gone]
            there = (
                prompt.real[row] if prompt.real is not None else torch.ones(prompt.visual.shape[1], dtype=torch.bool)
            )
            assert there.sum() == len(columns)
            for found, expected in (
                (signals.states, states[layer]),
                (signals.earlier_states, states[layer - 1]),
                (signals.embeddings, states[0]),
            ):
                torch.testing.assert_close(found[row, there], expected[row, columns], **CLOSE)
            query, key = (
                plain[layer - 1, name][row, columns].view(len(columns), -1, 8).transpose(0, 1)
                for name in ("q_proj", "k_proj")
            )
            torch.testing.assert_close(signals.unrotated.query[row], query[:, -1:], **CLOSE)
            torch.testing.assert_close(signals.unrotated.key[row][:, there], key, **CLOSE)
            ordinals = torch.isin(visual[row], torch.tensor(columns)).nonzero()[:, 0]
            assert torch.equal(prompt.ordinals[row][prompt.ordinals[row] >= 0], ordinals)


@pytest.mark.parametrize("key", STANDINS)
def test_rotations_of_every_family_are_undone(key):
    model, inputs, plain = STANDINS[key].model(), STANDINS[key].inputs(ROWS["three rows"]), []
    method = Watching(r=0.5, layers=(2,))
    handle = model.model.language_model.layers[1].self_attn.k_proj.register_forward_hook(lambda *a: plain.append(a[2]))
    with method(model), torch.no_grad():
        model(**inputs)
    handle.remove()
    ((_, signals),) = method.seen
    expected = plain[0].view(*plain[0].shape[:2], -1, 8).transpose(1, 2)
    torch.testing.assert_close(signals.unrotated.key, expected, **CLOSE)
    assert not torch.allclose(signals.attention.key, expected, **CLOSE)


@pytest.mark.parametrize("way", ["forward", "generate", "beams"])
@pytest.mark.parametrize("key, name", CASES)
def test_pictures_and_places_of_every_family(key, name, way):
    """As the processor's grids have them, also where ``generate`` hands the model features in place of pixels."""
    model, standin, method = STANDINS[key].model(), STANDINS[key], Watching(layers=(1, 3))
    with method(model), torch.no_grad():
        if way == "forward":
            model(**standin.inputs(ROWS[name]))
        else:
            model.generate(**standin.inputs(ROWS[name]), **OPTIONS, num_beams=2 if way == "beams" else 1)
    (first, _), (second, _) = method.seen[:2]
    rows = [row for row in ROWS[name] for _ in range(2 if way == "beams" else 1)]
    for row, parts in enumerate(rows):
        counts = [standin.visual_tokens[part] for part in parts if isinstance(part, str)]
        assert len(first.grids[row]) == len(counts)
        images = torch.tensor([number for number, count in enumerate(counts) for _ in range(count)])
        assert torch.equal(first.images[row][first.images[row] >= 0], images)
        for number, (grid, count) in enumerate(zip(first.grids[row], counts)):
            places = [tuple(place) for place in first.places[row][first.images[row] == number].tolist()]
            frames, high, wide = grid
            cells = [(frame, line, column) for frame in range(frames) for line in range(high) for column in range(wide)]
            assert [place for place in places if place != (-1, -1, -1)] == cells and len(places) == count
        there = second.ordinals[row][second.ordinals[row] >= 0]
        assert torch.equal(second.places[row, : len(there)], first.places[row][there])
        assert torch.equal(second.images[row, : len(there)], first.images[row][there])
