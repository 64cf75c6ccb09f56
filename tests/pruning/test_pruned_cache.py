"""Caches whose rows are moved, copied or repeated keep each row's selection."""

from __future__ import annotations

import copy

import pytest
import torch

from fastv import FastV
from fastv.errors import InvalidInputError
from fastv.pruning.transformers_compat import cache_in
from tests.support.masked_reference import CACHE, CLOSE, dropped_by_masking, dropped_of, model_of
from tests.support.standins import llava_inputs


class TestReorderedCaches:
    PROMPTS = [(5, 0, 7), (3, 0, 19), (4, 0, 3, 0, 6)]

    def read(self, model, k):
        inputs = llava_inputs(self.PROMPTS)
        with torch.no_grad():
            cache = cache_in(model(**inputs, use_cache=True))
        return inputs, cache

    def go_on(self, model, inputs, cache, rows):
        token = torch.tensor([[7], [8], [9], [10]])[: len(rows)]
        mask = torch.cat([inputs["attention_mask"][rows], torch.ones(len(rows), 1, dtype=torch.long)], dim=1)
        with torch.no_grad():
            first = model(input_ids=token, attention_mask=mask, **{CACHE: cache}).logits
            mask = torch.cat([mask, torch.ones(len(rows), 2, dtype=torch.long)], dim=1)
            return torch.cat(
                [first, model(input_ids=token.repeat(1, 2), attention_mask=mask, **{CACHE: cache}).logits], 1
            )

    @pytest.mark.parametrize("k", [0, 2])
    @pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0, 1], [1, 1, 0], [2], [1, 2], [0, 2, 1, 1]], ids=str)
    @pytest.mark.parametrize("copied", [False, True])
    def test_rows_keep_their_selection(self, k, rows, copied):
        model = model_of()
        with FastV(k=k, r=0.75)(model) as trace:
            inputs, cache = self.read(model, k)
            if copied:
                cache = copy.deepcopy(cache)
            if len(rows) == 3:
                cache.reorder_cache(torch.tensor(rows))
            else:
                cache.batch_select_indices(torch.tensor(rows))
            found = self.go_on(model, inputs, cache, rows)
        dropped = dropped_of(trace, inputs["input_ids"])
        with dropped_by_masking(model, k, dropped):
            inputs, cache = self.read(model, k)
        cache.batch_select_indices(torch.tensor(rows))
        with dropped_by_masking(model, k, dropped[rows]):
            expected = self.go_on(model, inputs, cache, rows)
        torch.testing.assert_close(found, expected, **CLOSE)

    @pytest.mark.parametrize("k", [0, 2])
    def test_repeated_rows(self, k):
        model, inputs = model_of(), llava_inputs(self.PROMPTS[:2])
        with FastV(k=k)(model) as trace, torch.no_grad():
            cache = cache_in(model(**inputs, use_cache=True))
            cache.batch_repeat_interleave(2)
            found = self.go_on(model, inputs, cache, [0, 0, 1, 1])
        dropped = dropped_of(trace, inputs["input_ids"])
        with torch.no_grad():
            with dropped_by_masking(model, k, dropped):
                cache = cache_in(model(**inputs, use_cache=True))
            cache.batch_repeat_interleave(2)
            with dropped_by_masking(model, k, dropped[[0, 0, 1, 1]]):
                expected = self.go_on(model, inputs, cache, [0, 0, 1, 1])
        torch.testing.assert_close(found, expected, **CLOSE)

    def test_rows_of_another_cache_are_refused(self):
        model = model_of()
        with FastV(k=2)(model), torch.no_grad():
            inputs, cache = self.read(model, 2)
            for layer in cache.layers:
                layer.keys[1] = layer.keys[1] + 1
            with pytest.raises(InvalidInputError, match="rows"):
                self.go_on(model, inputs, cache, [0, 1, 2])
