"""FasterVLM, VisPruner, VisionZip and SCOPE: their steps by plain loops, on a tower that is watched from outside."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch

from fastv.errors import InvalidBudgetError
from fastv.families.decoders import llama_like
from fastv.pruning.methods.fastervlm import FasterVLM
from fastv.pruning.methods.scope import Scope
from fastv.pruning.methods.visionzip import VisionZip
from fastv.pruning.methods.vispruner import VisPruner
from fastv.pruning.scorers import similarity
from fastv.pruning.scorers.greedy import covering
from tests.pruning.scorers.test_contextual_merging import one_by_one as merged_one_by_one
from tests.pruning.scorers.test_deduplication import one_by_one as distinct_one_by_one
from tests.pruning.test_tower import OBSERVED, OPTIONS, VISUAL, expected_of
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
from tests.support.standins import ALL_STANDINS, ROWS, STANDINS, llava_inputs

METHODS = [FasterVLM, VisPruner, VisionZip, Scope]
CASES = [(key, list(ALL_STANDINS[key].prompts)[-1]) for key in OBSERVED if key in (*STANDINS, "llava_next")]


def seen_by_tower(key: str, model, inputs) -> list[list[tuple[int, float, torch.Tensor, torch.Tensor]]]:
    """For each row and visual token its position, attention and key in the tower, and what the decoder is given."""
    expected = expected_of(key, model, inputs)
    with torch.no_grad():
        given = model(**inputs, output_hidden_states=True).hidden_states[0]
    return [
        [(p, *expected[int(ids[p])].pop(0), given[row, p]) for p in visual_of(ids, *VISUAL).nonzero()[:, 0].tolist()]
        for row, ids in enumerate(inputs["input_ids"])
    ]


def covering_one_by_one(saliency: list[float], states: torch.Tensor, keep: int) -> list[int]:
    """The token whose addition raises the sum of all tokens' coverage most, times its saliency; over and over."""
    units = states.double() / states.double().norm(dim=1, keepdim=True)
    cosines, kept = (units @ units.T).tolist(), []
    covered = [0.0] * len(units)
    for _ in range(keep):
        gains = {}
        for u in set(range(len(units))) - set(kept):
            gains[u] = saliency[u] * sum(max(0.0, cosines[i][u] - covered[i]) for i in range(len(units)))
        kept.append(max(gains, key=lambda u: (gains[u], -u)))
        covered = [max(covered[i], cosines[i][kept[-1]]) for i in range(len(units))]
    return kept


def kept_of(trace) -> list[list[int]]:
    return [[position for position in row if position >= 0] for row in trace.kept.tolist()]


@pytest.mark.parametrize("key, name", CASES)
@pytest.mark.parametrize("keep_ratio", [0.2, 0.7])
@pytest.mark.parametrize("method", METHODS)
def test_keeps_and_merges_what_the_paper_does(method, keep_ratio, key, name):
    model, inputs = ALL_STANDINS[key].model(), ALL_STANDINS[key].inputs(ROWS[name])
    with method(keep_ratio=keep_ratio)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    wanted: list[list[int]] = []
    new: list[dict[int, torch.Tensor]] = []
    heads = 2
    for tokens in seen_by_tower(key, model, inputs):
        keep, attention = round(len(tokens) * keep_ratio), [one[1] for one in tokens]
        order = sorted(range(len(tokens)), key=lambda i, a=attention: (-a[i], i))
        kept, states = order[:keep], {}
        if method is VisPruner and tokens:
            kept = distinct_one_by_one(attention, torch.stack([one[3] for one in tokens]), keep, 0.5)
        elif method is Scope and tokens:
            kept = covering_one_by_one(attention, torch.stack([one[3] for one in tokens]), keep)
        elif method is VisionZip and tokens:
            keys = [one[2].view(heads, -1).mean(dim=0) for one in tokens]
            found = merged_one_by_one(attention, keys, [one[3] for one in tokens], keep, round(keep * 10 / 64))
            kept, states = found, {tokens[i][0]: state.float() for i, (state, size) in found.items() if size > 1}
        wanted.append(sorted(tokens[i][0] for i in kept))
        new.append(states)
    assert kept_of(trace) == wanted and trace.kept_after_each_cut[0][0] == 0

    def change(row, states):
        for position, state in new[row].items():
            states[position] = state
        return states

    with ExitStack() as stack:
        stack.enter_context(written(model, 0, change))
        stack.enter_context(cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL))
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)
    assert any(new) == (method is VisionZip)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_dropped_is_bit_identical_and_rows_choose_alone(method):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with method(r=0)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)
    with method(keep=7)(model) as trace, torch.no_grad():
        model(**inputs)
        together = kept_of(trace)
        first = int(inputs["attention_mask"][0].argmax())
        alone = {name: inputs[name][:1, first:] for name in ("input_ids", "attention_mask")}
        model(**alone, pixel_values=inputs["pixel_values"][:1])
    assert [position - first for position in together[0]] == kept_of(trace)[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_for_each_picture(method):
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with method(keep=8, per="image")(model) as trace, torch.no_grad():
        model(**inputs)
    visual = [row.nonzero()[:, 0] for row in visual_of(inputs["input_ids"])]
    assert torch.isin(visual[1][:16], trace.kept[1]).sum() == 8 == torch.isin(visual[1][16:], trace.kept[1]).sum()


def test_options_are_checked_and_work_is_counted():
    for method, option in ((VisPruner, "salient"), (VisionZip, "contextual"), (Scope, "alpha")):
        for bad in (-0.1, float("inf") if method is Scope else 1.5, "half"):
            with pytest.raises(InvalidBudgetError, match=option):
                method(**{option: bad})
        assert method(keep=64).own_flops(llama_like({}), 40, 576) > 0
    model, inputs = model_of(), llava_inputs()
    with VisPruner(keep=5, salient=1)(model) as one, FasterVLM(keep=5)(model_of("eager")) as other, torch.no_grad():
        model(**inputs)
        model_of("eager")(**inputs)
    assert torch.equal(one.kept, other.kept)
    with VisionZip(keep=5, contextual=0)(model) as one, torch.no_grad():
        model(**inputs)
    assert torch.equal(one.kept, other.kept)


@pytest.mark.parametrize("alpha", [0.5, 1, 2.5])
@pytest.mark.parametrize("held", [True, False])
def test_scope_covers_many_tokens_as_step_by_step(alpha, held, monkeypatch):
    """Equal tokens, and saliency of very different sizes."""
    if not held:
        monkeypatch.setattr(similarity, "_MOST_HELD", 1)
        monkeypatch.setattr(similarity, "_BLOCK_FLOATS", 100)
    random = torch.Generator().manual_seed(3)
    states, saliency = torch.randn(40, 5, generator=random), torch.rand(40, generator=random) ** 4
    states[7], saliency[7] = states[3], saliency[3]
    weights = saliency**alpha
    units = torch.nn.functional.normalize(states, dim=1)
    assert covering(units, weights, 40)[:25] == covering_one_by_one(weights.tolist(), states, 25)
