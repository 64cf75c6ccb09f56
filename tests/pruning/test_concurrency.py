"""Several threads, and several prompts at a time: what is known of a forward belongs to it and to its thread."""

from __future__ import annotations

import threading

import pytest
import torch
from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList

from fastv import METHODS, FastV
from fastv.errors import InvalidInputError, NestingError
from tests.support.masked_reference import (
    CACHE,
    CLOSE,
    GREEDY,
    assert_same_answer,
    dropped_by_masking,
    dropped_of,
    model_of,
    whole_state,
)
from tests.support.standins import IMAGE_TOKEN, llava_inputs, tiny_llava

METHOD_CASES = [FastV(k=2), FastV(k=0), METHODS["fastv_mean"](k=1, r=0.75)]


class Each(LogitsProcessor):
    """Calls a function before each token and leaves the scores as they are."""

    def __init__(self, function):
        self.function = function

    def __call__(self, input_ids, scores):
        self.function(input_ids)
        return scores


def each(function) -> dict:
    return {"logits_processor": LogitsProcessorList([Each(function)])}


class TestThreads:
    @pytest.mark.parametrize("method", METHOD_CASES, ids=str)
    @pytest.mark.parametrize("use_cache", [True, False])
    def test_each_thread_gets_its_own_answer(self, method, use_cache):
        model = tiny_llava()
        prompts = [llava_inputs([(5, 0, 7)], seed=1), llava_inputs([(3, 0, 30)], seed=2), llava_inputs([(4, 0, 0, 5)])]
        with method(model):
            alone = [model.generate(**inputs, **GREEDY, use_cache=use_cache).sequences for inputs in prompts]
        found: list = []
        turns = threading.Barrier(len(prompts))

        def answer(number):
            # In step with the others, so that every forward of one stands between two of another.
            options = GREEDY | each(lambda _: turns.wait(timeout=60))
            try:
                for _ in range(2):
                    answers = model.generate(**prompts[number], **options, use_cache=use_cache).sequences
                    found.append(torch.equal(answers, alone[number]))
            except Exception as error:
                turns.abort()
                found.append(error)

        with method(model):
            threads = [threading.Thread(target=answer, args=(number,)) for number in range(len(prompts))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [True] * 6

    @pytest.mark.parametrize("rows", [[(5, 0, 7)], [(5, 0, 7), (3, 0, 19)]], ids=["one row", "padded"])
    def test_leaving_amid_a_generation_is_an_error_on_both_sides(self, rows):
        model, inputs = tiny_llava(), llava_inputs(rows)
        model.generate(**inputs, **GREEDY)
        before, begun, left, errors = whole_state(model), threading.Event(), threading.Event(), []

        def first_token(_):
            begun.set()
            assert left.wait(timeout=60)

        def stream():
            try:
                model.generate(**inputs, **GREEDY, **each(first_token))
            except InvalidInputError as error:
                errors.append(error)

        thread = threading.Thread(target=stream)
        with pytest.raises(NestingError, match="Wait for it"), FastV(k=2)(model):
            thread.start()
            assert begun.wait(timeout=60)
        left.set()
        thread.join()
        assert len(errors) == 1
        expected = model.generate(**inputs, **GREEDY)  # this thread is outside, and runs plain
        assert whole_state(model) == before
        assert_same_answer(tiny_llava().generate(**inputs, **GREEDY), expected, **CLOSE)

    def test_an_error_inside_is_not_replaced(self):
        model, inputs, begun, left = tiny_llava(), llava_inputs(), threading.Event(), threading.Event()
        refused = []

        def wait(_):
            begun.set()
            left.wait(timeout=60)

        def stream():
            try:
                model.generate(**inputs, **GREEDY, **each(wait))
            except InvalidInputError as error:
                refused.append(error)

        thread = threading.Thread(target=stream)
        with pytest.raises(ZeroDivisionError), FastV(k=2)(model):
            thread.start()
            begun.wait(timeout=60)
            raise ZeroDivisionError
        left.set()
        thread.join()
        assert len(refused) == 1

    def test_a_generation_that_began_before_is_none_of_its_business(self):
        model, inputs, begun, entered = tiny_llava(), llava_inputs(), threading.Event(), threading.Event()
        expected, found = model.generate(**inputs, **GREEDY).sequences, []

        def wait(_):
            begun.set()
            entered.wait(timeout=60)

        thread = threading.Thread(
            target=lambda: found.append(model.generate(**inputs, **GREEDY, **each(wait)).sequences)
        )
        thread.start()
        begun.wait(timeout=60)
        with FastV(k=2)(model):
            pass
        entered.set()
        thread.join()
        assert torch.equal(found[0], expected)

    def test_two_threads_cannot_prune_one_model_at_once(self):
        model, results = tiny_llava(), []

        def enter():
            try:
                with FastV(k=1)(model):
                    results.append("entered")
            except NestingError:
                results.append("refused")

        with FastV(k=2)(model):
            thread = threading.Thread(target=enter)
            thread.start()
            thread.join()
        assert results == ["refused"]


class Contrast(LogitsProcessor):
    """Contrastive decoding: reads another prompt, with a cache of its own, before each token."""

    def __init__(self, model, inputs, use_cache: bool):
        self.model, self.inputs, self.use_cache, self.cache = model, inputs, use_cache, None
        self.kept: list = []

    def __call__(self, ids, scores):
        given, more = self.inputs, {}
        if self.use_cache:
            if self.cache is None:
                self.cache = DynamicCache(config=self.model.config.get_text_config())
            else:
                given = {"input_ids": ids[:, -1:]}
            more = {CACHE: self.cache}
        with torch.no_grad():
            logits = self.model(**given, use_cache=self.use_cache, **more).logits[:, -1]
        return 2 * scores.log_softmax(-1) - logits.log_softmax(-1)


class TestAnotherPromptInsideGenerate:
    @pytest.mark.parametrize("inner_cache", [True, False])
    @pytest.mark.parametrize("outer_cache", [True, False])
    @pytest.mark.parametrize("k, text_after", [(0, 7), (2, 7), (2, 12), (2, 3)])
    def test_both_are_pruned_as_if_alone(self, text_after, inner_cache, outer_cache, k):
        model, other, inputs = model_of(), tiny_llava(), llava_inputs([(5, 0, 7)])
        second = llava_inputs([(5, 0, text_after)], seed=3)

        def answer(beside):
            processors = LogitsProcessorList([Contrast(beside, second, inner_cache)])
            return model.generate(**inputs, **GREEDY, logits_processor=processors, use_cache=outer_cache)

        with FastV(k=k)(model), FastV(k=k)(other) as alone:
            expected = answer(other)
        with FastV(k=k)(model) as trace:
            output = answer(model)
        assert_same_answer(output, expected, **CLOSE)
        assert trace.prompt_length == alone.prompt_length == 22 + text_after or not inner_cache or not outer_cache
        with FastV(k=k)(model) as own:
            model.generate(**inputs, **GREEDY)
        assert torch.equal(trace.kept, alone.kept) or torch.equal(trace.kept, own.kept)

    @pytest.mark.parametrize("use_cache", [True, False])
    @pytest.mark.parametrize("k", [0, 2])
    def test_guidance_leaves_trace_and_selection_alone(self, use_cache, k):
        model, inputs = model_of(), llava_inputs()
        with FastV(k=k)(model) as alone:
            model.generate(**inputs, **GREEDY)
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **GREEDY, guidance_scale=1.5, use_cache=use_cache)
        assert torch.equal(trace.kept, alone.kept) and trace.kept.shape == (1, 8)
        assert (trace.prompt_length, trace.pruned_length) == (29, 21)
        with dropped_by_masking_of_the_long_prompt(model, k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY, guidance_scale=1.5, use_cache=use_cache)
        assert_same_answer(output, expected, **CLOSE)

    def test_a_generate_inside_generate(self):
        model, inputs, second = model_of(), llava_inputs(seed=1), llava_inputs([(4, 0, 9)], seed=2)
        for use_cache in (True, False):
            with FastV(k=2)(model):
                alone = [model.generate(**one, **GREEDY, use_cache=use_cache).sequences for one in (inputs, second)]
                inner: list = []

                def ask(_, inner=inner, use_cache=use_cache):
                    inner.append(model.generate(**second, **GREEDY, use_cache=use_cache).sequences)

                outer = model.generate(**inputs, **GREEDY, **each(ask), use_cache=use_cache).sequences
            assert torch.equal(outer, alone[0]) and all(torch.equal(one, alone[1]) for one in inner) and len(inner) == 6


def dropped_by_masking_of_the_long_prompt(model, k, dropped):
    """The reference, for the picture's own sequence alone: guidance reads another one beside it."""
    return dropped_by_masking(model, k, dropped, only=dropped.shape[1])


class TestWithoutACache:
    def test_prompts_in_turn_are_ranked_each_by_itself(self):
        model, prompts = model_of(), [llava_inputs(seed=1), llava_inputs(seed=2)]
        with torch.no_grad():
            alone = []
            for inputs in prompts:
                with FastV(k=2)(model) as trace:
                    alone.append((model(**inputs, use_cache=False).logits, trace.kept))
            with FastV(k=2)(model) as trace:
                for _ in range(2):
                    for inputs, (logits, kept) in zip(prompts, alone):
                        assert torch.equal(model(**inputs, use_cache=False).logits, logits)
                        assert torch.equal(trace.kept, kept)

    def test_a_prompt_that_is_another_and_one_token_more_is_ranked_by_its_own_last_token(self):
        model, first = model_of(), llava_inputs()
        ids = torch.cat([first["input_ids"], torch.tensor([[77]])], dim=1)
        longer = first | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}  # the very same pixels
        with torch.no_grad():
            with FastV(k=2, r=0.9)(model) as alone:
                expected = model(**longer, use_cache=False).logits
            with FastV(k=2, r=0.9)(model) as trace:
                model(**first, use_cache=False)
                logits = model(**longer, use_cache=False).logits
        assert torch.equal(trace.kept, alone.kept) and torch.equal(logits, expected)
        assert trace.prompt_length == ids.shape[1]

    def test_one_generate_after_the_other_with_the_same_ids_and_other_pixels(self):
        model, inputs = model_of(), llava_inputs(seed=1)
        other = inputs | {"pixel_values": llava_inputs(seed=2)["pixel_values"]}
        for given in (inputs, other, inputs):
            with FastV(k=2)(model) as trace:
                expected, kept = model.generate(**given, **GREEDY), trace.kept
        with FastV(k=2)(model) as trace:
            for given in (inputs, other, inputs):
                output = model.generate(**given, **GREEDY, use_cache=False)
        assert torch.equal(trace.kept, kept)
        assert_same_answer(output, expected, **CLOSE)


def looked_up(inputs: dict) -> dict:
    """The same with a text in which a lookup finds something to draft."""
    ids = inputs["input_ids"].clone()
    text = (ids != IMAGE_TOKEN).nonzero()[:, 1]
    words = torch.randint(3, 90, (1, len(text)), generator=torch.Generator().manual_seed(0))
    words[0, -2:] = words[0, :2]
    ids[0, text] = words
    return inputs | {"input_ids": ids}


class TestGenerateBoundBefore:
    def test_drafts_are_no_part_of_the_prompt(self):
        model = tiny_llava()
        early, inputs = model.generate, looked_up(llava_inputs())
        with FastV(k=2)(model) as trace:
            expected, kept = model.generate(**inputs, **GREEDY).sequences, trace.kept
        for call in (early, lambda **given: type(model).generate(model, **given)):
            with FastV(k=2)(model) as trace:
                output = call(**inputs, **GREEDY, prompt_lookup_num_tokens=3)
            assert trace.prompt_length == 29 and torch.equal(trace.kept, kept)
            assert torch.equal(output.sequences, expected)

    def test_chunks_are_refused(self):
        model = tiny_llava()
        early = model.generate
        for chunk in (20, 25):
            with pytest.raises(InvalidInputError, match="chunk"), FastV(k=2)(model):
                early(**llava_inputs(), **GREEDY, prefill_chunk_size=chunk)
