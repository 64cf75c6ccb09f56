"""Which tokens each method keeps on a whole model: as by plain loops over what the unpruned model computes."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from fastv import METHODS
from fastv.errors import FastVError, InvalidBudgetError, UnsupportedModelError
from fastv.families.llava import Llava
from fastv.pruning.transformers_compat import cache_in
from tests.support import selection_references as reference
from tests.support.masked_reference import (
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    model_of,
    visual_of,
    written,
)
from tests.support.standins import IMAGE_TOKEN, ROWS, SIDE, STANDINS, VIDEO_TOKEN, VISUAL_TOKENS, llava_inputs

AMOUNTS = (0.0625, 0.25, 0.5, 0.8125, 0.97)
ROWS_OF_BATCH = PROMPTS["one and two pictures"]  # the first row is padded
#: Methods that put other states in the place of the tokens they keep.
#: Other tests compare those that change what the decoder is given.
MERGING = {"pooling", "visionzip", "sparsevlm", "lower_resolution"}


class Observed:
    """What a model without pruning computes for a batch: of each row only what is real."""

    def __init__(self, rows: list[tuple[int, ...]]) -> None:
        self.model, self.inputs = model_of("eager", kv_heads=2), llava_inputs(rows)
        with torch.no_grad():
            self.output = self.model(**self.inputs, output_hidden_states=True, output_attentions=True, use_cache=True)
        ids, mask = self.inputs["input_ids"], self.inputs["attention_mask"].bool()
        self.real = [row.nonzero()[:, 0] for row in mask]
        self.visual = [(row == IMAGE_TOKEN).nonzero()[:, 0] for row in ids]
        self.question = [torch.arange(int(visual.max()) + 1, ids.shape[1]) for visual in self.visual]

    def states(self, layer: int) -> torch.Tensor:
        return self.output.hidden_states[layer]

    def attention(self, layer: int) -> torch.Tensor:
        return self.output.attentions[layer]

    def key_norms(self, layer: int) -> torch.Tensor:
        return cache_in(self.output).layers[layer].keys.abs().sum(dim=(1, 3))

    def attention_without_rotary(self, layer: int, row: int) -> torch.Tensor:
        """Of the last token: (heads, real columns)."""
        module = self.model.model.language_model.layers[layer]
        attention, config = module.self_attn, self.model.config.text_config
        width = config.hidden_size // config.num_attention_heads
        with torch.no_grad():
            x = module.input_layernorm(self.states(layer)[row, self.real[row]])
            query = attention.q_proj(x[-1:]).view(-1, width)
            key = attention.k_proj(x).view(len(x), -1, width)
        group = len(query) // key.shape[1]
        logits = [key[:, head // group] @ query[head] * width**-0.5 for head in range(len(query))]
        return torch.stack(logits).softmax(dim=1)


@pytest.fixture(scope="module")
def observed() -> Observed:
    return Observed(ROWS_OF_BATCH)


def highest(scores: torch.Tensor, keep: int) -> list[int]:
    return sorted(sorted(range(len(scores)), key=lambda i: -float(scores[i]))[:keep])


def expected(name: str, seen: Observed, row: int, keep: int) -> list[int]:
    """Ordinals that a method must keep at its default k."""
    visual, question = seen.visual[row], seen.question[row]
    embeddings, states = seen.states(0)[row], seen.states(2)[row]
    rows = seen.attention(1)[row]
    if name == "question_tokens":
        return highest(rows[:, question].mean(dim=(0, 1))[visual], keep)
    if name == "fastv_max":
        return highest(rows[:, -1].amax(dim=0)[visual], keep)
    if name == "fastv_norope":
        places = torch.searchsorted(seen.real[row], visual)
        return highest(seen.attention_without_rotary(1, row).mean(dim=0)[places], keep)
    if name == "divprune":
        return reference.divprune(embeddings[visual], keep)
    if name == "cdpruner":
        return reference.cdpruner(embeddings[visual], embeddings[question], keep)
    norms = seen.key_norms(1)[row]
    return reference.dart(states[visual], norms[visual], states[question], norms[question], keep)


@pytest.mark.parametrize("share", AMOUNTS)
@pytest.mark.parametrize("name", ["question_tokens", "fastv_max", "fastv_norope", "divprune", "cdpruner", "dart"])
def test_kept_as_by_reference(observed, name, share):
    method = METHODS[name](keep_ratio=share)
    with method(observed.model) as trace, torch.no_grad():
        observed.model(**observed.inputs)
    for row, visual in enumerate(observed.visual):
        keep = round(len(visual) * share)
        ordinals = expected(name, observed, row, keep)
        assert len(ordinals) == keep
        kept = trace.kept[row]
        assert kept[kept >= 0].tolist() == visual[ordinals].tolist()


@pytest.mark.parametrize("share", AMOUNTS)
def test_dart_before_layer_0_goes_by_the_embeddings(observed, share):
    with METHODS["dart"](k=0, keep_ratio=share)(observed.model) as trace, torch.no_grad():
        observed.model(**observed.inputs)
    for row, (visual, question) in enumerate(zip(observed.visual, observed.question)):
        states = observed.states(0)[row]
        norms = states.abs().sum(dim=1)
        keep = round(len(visual) * share)
        ordinals = reference.dart(states[visual], norms[visual], states[question], norms[question], keep)
        assert trace.kept[row][trace.kept[row] >= 0].tolist() == visual[ordinals].tolist()


@pytest.mark.parametrize("keep", [1, 3, 7, 12])
def test_v2drop_cuts_three_times_by_the_change_of_a_layer(keep):
    model, inputs = model_of(layers=8), llava_inputs()
    visual = visual_of(inputs["input_ids"])[0].nonzero()[:, 0]
    method = METHODS["v2drop"](keep=keep)
    assert method.schedule(8) == (3, 4, 6)
    there = visual
    with method(model) as trace, torch.no_grad():
        model(**inputs)
    counts = []
    for cut, layer in enumerate(method.schedule(8)):
        with cuts_by_masking(model, _until(trace, cut), inputs["input_ids"]), torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states
        left = max(keep, (8, 4, 1)[cut])
        there = there[reference.v2drop(states[layer][0, there], states[layer - 1][0, there], left)]
        assert trace.kept_by_cut[cut][0].tolist() == there.tolist()
        counts.append((layer, [left]))
    assert trace.kept_after_each_cut == counts


def _until(trace, cut: int):
    """The first cuts of a trace."""

    class First:
        kept_after_each_cut = trace.kept_after_each_cut[:cut]
        kept_by_cut = trace.kept_by_cut[:cut]

    return First


def test_v2drops_layers_and_amounts_are_the_authors():
    method = METHODS["v2drop"](keep=1)
    assert method.schedule(32) == (3, 17, 22)
    assert [method.kept_at(cut, 576, 3) for cut in range(3)] == [288, 144, 1]
    assert [METHODS["v2drop"](keep=400).kept_at(cut, 576, 3) for cut in range(3)] == [400, 400, 400]
    assert [method.schedule(depth) for depth in (2, 4, 6)] == [(1,), (1, 2, 3), (2, 3, 4)]
    assert method.schedule(28)[0] == method.schedule(10)[0] == 3
    with pytest.raises(InvalidBudgetError):
        method.schedule(1)


# Grid and pooling


@pytest.mark.parametrize("k", [0, 2])
def test_the_grid_keeps_the_middle_of_each_block(k):
    model, inputs = model_of(), llava_inputs(ROWS_OF_BATCH)
    with METHODS["grid"](k=k, r=0.75)(model) as trace:
        model.generate(**inputs, **GREEDY)
    middles = [block[-1] for block in reference.blocks(SIDE, SIDE, 2, 2)]
    for row, ids in enumerate(inputs["input_ids"]):
        visual = (ids == IMAGE_TOKEN).nonzero()[:, 0]
        ordinals = [first + middle for first in range(0, len(visual), VISUAL_TOKENS) for middle in middles]
        assert trace.kept[row][trace.kept[row] >= 0].tolist() == visual[ordinals].tolist()


@pytest.mark.parametrize("k", [0, 2])
def test_pooling_averages_each_block(k):
    model, inputs = model_of(), llava_inputs(ROWS_OF_BATCH)
    with METHODS["pooling"](k=k, r=0.75)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    blocks = reference.blocks(SIDE, SIDE, 2, 2)

    def averaged(row: int, states: torch.Tensor) -> torch.Tensor:
        visual = (inputs["input_ids"][row] == IMAGE_TOKEN).nonzero()[:, 0]
        for first in range(0, len(visual), VISUAL_TOKENS):
            for block in blocks:
                members = visual[[first + token for token in block]]
                states[members[-1]] = states[members].mean(dim=0)
        return states

    # Masks are hooked in first: a layer's hooks run in the order in which they came.
    with cuts_by_masking(model, trace, inputs["input_ids"]), written(model, k, averaged):
        answer = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, answer, **CLOSE)


@pytest.mark.parametrize("name", ["grid", "pooling"])
def test_without_known_rows_and_columns_they_refuse(name, monkeypatch):
    monkeypatch.setattr(Llava, "visual_groups", lambda *_: None)
    model, inputs = model_of(), llava_inputs()
    with pytest.raises(UnsupportedModelError, match=METHODS[name].label), METHODS[name]()(model):
        model(**inputs)


# All methods


def served(method, model, inputs: dict):
    """The trace of a forward and its output, or skip where the method says that it cannot serve this model."""
    try:
        with method(model) as trace, torch.no_grad():
            return trace, model(**inputs)
    except FastVError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", METHODS)
def test_all_kept_is_bit_identical(name):
    model, inputs = model_of(), llava_inputs(ROWS_OF_BATCH)
    served(METHODS[name](r=0), model, inputs)
    plain = model.generate(**inputs, **GREEDY)
    for method in (METHODS[name](r=0), METHODS[name](keep=99), METHODS[name](k=0, keep_ratio=1)):
        with method(model):
            assert_same_answer(model.generate(**inputs, **GREEDY), plain, **EXACT)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("r", [0.3, 0.75])
def test_rows_choose_as_they_would_alone(name, r):
    model, inputs = model_of(), llava_inputs([(5, 0, 7), (3, 0, 19)])
    # As generate counts them: padding has no positions.
    inputs["position_ids"] = (inputs["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)
    trace, _ = served(METHODS[name](r=r), model, inputs)
    for row in range(2):
        start = int((inputs["attention_mask"][row] == 0).sum())
        alone = {key: value[row : row + 1, start:] for key, value in inputs.items() if key != "pixel_values"}
        with METHODS[name](r=r)(model) as own, torch.no_grad():
            model(**alone, pixel_values=inputs["pixel_values"][row : row + 1])
        assert trace.kept[row].tolist() == (own.kept[0] + start).tolist()


@pytest.mark.parametrize("name", METHODS)
def test_an_amount_for_each_picture(name):
    model, inputs = model_of(), llava_inputs(PROMPTS["two pictures"])
    trace, _ = served(METHODS[name](keep=5, per="image"), model, inputs)
    for row, ids in enumerate(inputs["input_ids"]):
        visual = (ids == IMAGE_TOKEN).nonzero()[:, 0]
        amount = 4 if METHODS[name].encodes_kept_alone else 5  # a grid
        assert [int(torch.isin(trace.kept[row], some).sum()) for some in visual.split(VISUAL_TOKENS)] == [amount] * 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", METHODS)
def test_half_precision(name, dtype):
    model, inputs = model_of(dtype=dtype), llava_inputs(dtype=dtype)
    trace, output = served(METHODS[name](keep=4), model, inputs)
    assert trace.kept.shape == (1, 4) and output.logits.isfinite().all()


@cache
def standin(key: str):
    return STANDINS[key].model()


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("name", sorted(METHODS.keys() - MERGING))
def test_equal_to_masking_in_every_family(key, name):
    model, inputs = standin(key), STANDINS[key].inputs(ROWS["three rows"])
    trace, output = served(METHODS[name](r=0.6), model, inputs)
    with cuts_by_masking(model, trace, inputs["input_ids"], IMAGE_TOKEN, VIDEO_TOKEN), torch.no_grad():
        masked = model(**inputs)
    torch.testing.assert_close(output.logits[:, -1], masked.logits[:, -1], **CLOSE)
