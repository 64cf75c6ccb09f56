"""SparseVLM: raters, counts and recycled clusters, against its steps written out on whole attention maps."""

from __future__ import annotations

from contextlib import ExitStack
from math import exp

import pytest
import torch

from fastv.errors import InvalidBudgetError
from fastv.families.decoders import llama_like
from fastv.pruning.methods.sparsevlm import SparseVLM, split_budget
from tests.pruning.scorers.test_density_peaks import one_by_one as clusters_of
from tests.support.cut_by_cut import kept_cut_by_cut
from tests.support.masked_reference import (
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    cuts_by_masking,
    dropped_by_masking,
    model_of,
    visual_of,
    written,
)
from tests.support.standins import END, IMAGE_TOKEN, ROWS, STANDINS, START, VIDEO_TOKEN, llava_inputs

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *VISUAL])


@pytest.mark.parametrize("published", [(300, 200, 110), (303, 110, 36), (66, 30, 17)])
def test_the_authors_settings_are_met_to_the_token(published):
    method = SparseVLM(keep=published[-1])
    assert tuple(method.kept_at(cut, 576, 3) for cut in range(3)) == published
    assert method.schedule(32) == (2, 6, 15) and method.schedule(40) == (2, 8, 19) and method.schedule(4) == (1, 2, 3)


def test_between_them_counts_are_interpolated_and_never_grow():
    for count in (0, 1, 7, 576, 2880):
        for keep in range(0, count + 1, max(1, count // 40)):
            left = [count, *(SparseVLM(keep=keep).kept_at(cut, count, 3) for cut in range(3))]
            assert left == sorted(left, reverse=True) and left[-1] == keep
    assert [SparseVLM(keep=73).kept_at(cut, 576, 3) for cut in range(3)] == [302, 155, 73]  # midway of 36 and 110


def test_a_budget_is_divided_between_ranked_tokens_and_clusters():
    assert split_budget(300, 576) == (291, 85, 9)
    for count in range(45):
        for keep in range(count + 1):
            ranked, pool, clusters = split_budget(keep, count)
            assert ranked + clusters == keep and clusters <= pool <= count - ranked
            assert (pool, clusters) == (0, 0) or (pool, clusters) == ((count - ranked) * 3 // 10, pool // 10 + 1)
            assert clusters or keep < count * 3 // 100 + 1 or (count - keep) * 3 < 10


def raters_of(embeddings: torch.Tensor, visual: list[int], words: list[int]) -> list[int]:
    votes = dict.fromkeys(words, 0.0)
    for i in visual:
        products = {t: float(embeddings[i].double() @ embeddings[t].double()) for t in words}
        most = max(products.values())
        shares = {t: exp(product - most) for t, product in products.items()}
        for t in words:
            votes[t] += shares[t] / sum(shares.values())
    mean = sum(votes.values()) / len(votes)
    return [t for t in words if votes[t] > mean] or words


def ranking(inputs, *tokens: int):
    """By the raters' attention in the layer before."""

    def rank(output, layer, row, positions):
        ids = inputs["input_ids"][row]
        visual = visual_of(ids, *tokens).nonzero()[:, 0].tolist()
        if not visual:
            return []
        raters = raters_of(output.hidden_states[0][row], visual, list(range(visual[-1] + 1, len(ids))))
        return output.attentions[layer - 1][row].mean(dim=0)[raters][:, positions].mean(dim=0).tolist()

    return rank


@pytest.mark.parametrize("key", STANDINS)
def test_keeps_what_the_raters_attend_to(key):
    standin = STANDINS[key]
    inputs = standin.inputs(ROWS[list(standin.prompts)[-1]])
    model, eager = standin.model(), standin.model("eager")
    with SparseVLM(keep_ratio=0.3, recycle=False)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    wanted = kept_cut_by_cut(eager, inputs, trace.kept_after_each_cut, ranking(inputs, *VISUAL), *VISUAL)
    assert kept_cut_by_cut(trace) == wanted
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


@pytest.mark.parametrize("prompts", [PROMPTS["two pictures"], PROMPTS["one and two pictures"]])
def test_what_is_dropped_is_recycled(prompts):
    model, eager, inputs = model_of(), model_of("eager"), llava_inputs(prompts)
    with SparseVLM(keep_ratio=0.25)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    visual, rank = visual_of(inputs["input_ids"]), ranking(inputs)
    there, found = [row.nonzero()[:, 0].tolist() for row in visual], []
    with ExitStack() as here, ExitStack() as stack, torch.no_grad():
        for layer, counts in trace.kept_after_each_cut:
            seen = eager(**inputs, output_attentions=True, output_hidden_states=True)
            new: list[dict[int, torch.Tensor]] = []
            for row, count in enumerate(counts):
                scores = rank(seen, layer, row, there[row])
                order = [there[row][i] for i in sorted(range(len(scores)), key=lambda i, s=scores: (-s[i], i))]
                ranked, pool, clusters = split_budget(count, len(order))
                pooled, states = sorted(order[ranked : ranked + pool]), seen.hidden_states[layer][row]
                groups = clusters_of(states[pooled], clusters) if clusters else {}
                new.append({pooled[c]: states[[pooled[m] for m in those]].mean(dim=0) for c, those in groups.items()})
                there[row] = sorted([*order[:ranked], *new[-1]])
            found.append([list(row) for row in there])

            def change(row, states, new=new):
                for position, state in new[row].items():
                    states[position] = state
                return states

            dropped = visual.clone()
            for row, positions in zip(dropped, there):
                row[positions] = False
            for each, where in ((model, here), (eager, stack)):
                where.enter_context(written(each, layer, change))
                where.enter_context(dropped_by_masking(each, layer, dropped))
        expected = model.generate(**inputs, **GREEDY)
    assert kept_cut_by_cut(trace) == found and any(new)
    assert_same_answer(output, expected, **CLOSE)


def test_nothing_dropped_is_bit_identical():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with SparseVLM(keep=99)(model):
        output = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, model.generate(**inputs, **GREEDY), **EXACT)


def test_a_budget_for_each_picture_and_options():
    model, inputs = model_of(), llava_inputs(PROMPTS["one and two pictures"])
    with SparseVLM(keep=5, per="image")(model) as trace, torch.no_grad():
        model(**inputs)
    assert trace.kept_after_each_cut[-1][1] == [5, 10]
    second = inputs["input_ids"][1].eq(IMAGE_TOKEN).nonzero()[:, 0]
    assert torch.isin(second[:16], trace.kept[1]).sum() == 5 == torch.isin(second[16:], trace.kept[1]).sum()
    with pytest.raises(InvalidBudgetError, match="recycle"):
        SparseVLM(recycle="yes")
    decoder = llama_like({})
    assert 0 < SparseVLM(recycle=False).own_flops(decoder, 40, 576) < SparseVLM().own_flops(decoder, 40, 576)
