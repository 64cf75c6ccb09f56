"""FastV on every family: pictures and videos, any size, multimodal rotary positions; as on LLaVA, equal to masking."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError, InvalidInputError
from fastv.families.registry import family_of
from fastv.pruning.transformers_compat import cache_in
from tests.support.masked_reference import (
    CACHE,
    CLOSE,
    EXACT,
    GREEDY,
    assert_same_answer,
    dropped_by_attention,
    dropped_by_masking,
    dropped_of,
    visual_of,
    whole_state,
)
from tests.support.standins import END, IMAGE_TOKEN, PATCH, PICTURE, ROWS, STANDINS, START, VIDEO_TOKEN, WIDE

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=4, suppress_tokens=[2, START, END, *VISUAL])
CASES = [(key, name) for key, standin in STANDINS.items() for name in standin.prompts]
SCORING = [METHODS[name] for name in ("fastv", "fastv_mean", "fastv_norope", "question_tokens", "random")]
QWEN = [key for key in STANDINS if key.startswith("qwen")]
_MODELS: dict = {}


def model_of(key: str, attention: str = "sdpa", **more):
    """One model of each kind for the whole module: each test leaves it as it was, or another one fails."""
    kind = key, attention, *sorted(more.items(), key=str)
    if kind not in _MODELS:
        _MODELS[kind] = STANDINS[key].model(attention, **more)
    return _MODELS[kind]


def masked_answer(model, inputs: dict, k: int, trace, **options):
    with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"], *VISUAL)):
        return model.generate(**inputs, **OPTIONS | options)


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("key, name", CASES)
def test_equal_to_masking_with_and_without_a_cache(key, name, k):
    model, inputs = model_of(key), STANDINS[key].inputs(ROWS[name])
    with FastV(k=k)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        uncached = model.generate(**inputs, **OPTIONS, use_cache=False)
    assert_same_answer(output, masked_answer(model, inputs, k, trace), **CLOSE)
    assert_same_answer(uncached, output, **CLOSE)
    if k:
        dropped = dropped_by_attention(model_of(key, "eager"), inputs, k, 0.5, *VISUAL)
        assert torch.equal(dropped_of(trace, inputs["input_ids"], *VISUAL), dropped)
    assert not torch.equal(output.logits[0], model.generate(**inputs, **OPTIONS).logits[0])


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize(
    "budget", [METHODS["fastv_mean"](k=3), METHODS["random"](k=1, r=0.9), FastV(k=2, r=1)], ids=str
)
def test_other_methods_on_another_kernel(key, budget):
    model, inputs = model_of(key, "eager"), STANDINS[key].inputs(ROWS["three rows"])
    with budget(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert_same_answer(output, masked_answer(model, inputs, budget.k, trace), **CLOSE)


@pytest.mark.parametrize("key, name", CASES)
@pytest.mark.parametrize("method", SCORING, ids=[method.name for method in SCORING])
def test_kept_tokens_have_the_highest_scores(key, name, method):
    model, inputs = model_of(key), STANDINS[key].inputs(ROWS[name])
    for r in (0.3, 0.75):
        with method(k=2, r=r)(model) as trace, torch.no_grad():
            model(**inputs)
        for row, ids in enumerate(inputs["input_ids"]):
            visual = visual_of(ids, *VISUAL).nonzero()[:, 0]
            kept = trace.kept[row][trace.kept[row] >= 0]
            assert trace.visual_positions[row][: len(visual)].tolist() == visual.tolist()
            assert len(kept) == round(len(visual) * (1 - r))
            scores, chosen = trace.scores[row, : len(visual)], torch.isin(visual, kept)
            assert chosen.sum() == len(kept)
            if chosen.any():
                assert scores[chosen].min() >= scores[~chosen].max()


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("budget", [FastV(k=0, r=0), FastV(k=2, r=0)], ids=str)
def test_r_0_is_bit_identical_to_no_fastv(key, budget):
    name = list(STANDINS[key].prompts)[-1]
    model, inputs = model_of(key), STANDINS[key].inputs(ROWS[name])
    with torch.no_grad():
        expected, whole = model.generate(**inputs, **OPTIONS), model(**inputs).logits
        with budget(model) as trace:
            assert_same_answer(model.generate(**inputs, **OPTIONS), expected, **EXACT)
            assert torch.equal(model(**inputs).logits, whole)
    assert torch.equal(trace.kept, trace.visual_positions)


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("budget", [FastV(k=0), FastV(k=2)], ids=str)
def test_a_batch_is_its_rows_one_by_one(key, budget):
    standin, model = STANDINS[key], model_of(key)
    rows = ROWS["video and picture" if standin.video else "three rows"]
    inputs = standin.inputs(rows)
    with budget(model) as trace:
        batch = model.generate(**inputs, **OPTIONS)
    kept = trace.kept
    for row, segments in enumerate(rows):
        alone = standin.inputs([segments], seed=row)
        padding = inputs["input_ids"].shape[1] - alone["input_ids"].shape[1]
        with budget(model) as trace:
            output = model.generate(**alone, **OPTIONS)
        assert (trace.kept[0] + padding).tolist() == kept[row][kept[row] >= 0].tolist()
        assert torch.equal(output.sequences[0], batch.sequences[row, padding:])
        torch.testing.assert_close(output.logits[0][0], batch.logits[0][row], **CLOSE)


@pytest.mark.parametrize("key", STANDINS)
def test_nothing_is_left_behind(key):
    model, inputs = model_of(key), STANDINS[key].inputs(ROWS["picture"])
    decoder = family_of(model).decoder(model)
    expected = model.generate(**inputs, **OPTIONS)
    before = whole_state(model)
    with FastV(k=2)(model):
        assert whole_state(model) != before
        model.generate(**inputs, **OPTIONS)
    assert whole_state(model) == before
    with pytest.raises(ZeroDivisionError), FastV(k=1)(model):
        handle = decoder.layers[2].mlp.register_forward_hook(lambda *_: 1 / 0)
        try:
            model.generate(**inputs, **OPTIONS)
        finally:
            handle.remove()
    assert whole_state(model) == before
    assert_same_answer(model.generate(**inputs, **OPTIONS), expected, **EXACT)


@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("k", [0, 2])
def test_layers_from_k_on_cache_what_was_kept_and_no_more(key, k):
    model, inputs = model_of(key), STANDINS[key].inputs(ROWS[list(STANDINS[key].prompts)[-1]])
    with FastV(k=k, r=0.75)(model) as trace:
        cache = cache_in(model.generate(**inputs, **OPTIONS))
    fed = OPTIONS["max_new_tokens"] - 1
    expected = [(trace.prompt_length if layer < k else trace.pruned_length) + fed for layer in range(4)]
    assert [cache.get_seq_length(layer) for layer in range(4)] == expected
    assert trace.pruned_length < trace.prompt_length


def test_as_many_visual_tokens_as_the_real_video_llava_has():
    model = model_of("video_llava", side=16, frames=8)
    generator = torch.Generator().manual_seed(0)
    visual, pixels = 8 * (16 * 16 + 1), PATCH * 16
    ids = torch.cat([torch.tensor([1, 5, 6, 7]), torch.full((visual,), VIDEO_TOKEN), torch.tensor([8, 9, 10])])[None]
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": torch.randn(1, 8, 3, pixels, pixels, generator=generator),
    }
    with FastV(k=2, r=0.5)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert (visual, trace.kept.shape[1]) == (2_056, 1_028)
    assert_same_answer(output, masked_answer(model, inputs, 2, trace), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("key", STANDINS)
def test_a_k_the_model_does_not_have_is_refused(key):
    with FastV(k=3)(model_of(key)):
        pass
    with pytest.raises(InvalidBudgetError, match="0 to 3"), FastV(k=4)(model_of(key)):
        pass


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("key, name", CASES)
def test_half_precision(key, name, dtype):
    model = model_of(key, dtype=dtype)
    inputs = STANDINS[key].inputs(ROWS[name], dtype=dtype)
    with FastV(k=2)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert trace.scores.dtype == torch.float32
    step = torch.finfo(dtype).eps
    # The first token's alone: where two tokens are all but equal, rounding may choose, and then the texts differ.
    expected = masked_answer(model, inputs, 2, trace, max_new_tokens=1)
    torch.testing.assert_close(output.logits[0], expected.logits[0], atol=8 * step, rtol=8 * step)


@pytest.mark.slow
@pytest.mark.parametrize("key", STANDINS)
@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_quantized(key, bits, tmp_path):
    pytest.importorskip("bitsandbytes")
    STANDINS[key].model(width=64, ffn_width=128).save_pretrained(tmp_path)
    family = family_of(model_of(key))
    options = (
        {"load_in_8bit": True}
        if bits == "8bit"
        else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.float32}
    )
    config = BitsAndBytesConfig(llm_int8_skip_modules=list(family.unquantized), **options)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path, quantization_config=config, dtype=torch.float32)
    kinds = {name: type(part).__name__ for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
    decoder = {name for name in kinds if name.startswith("model.language_model.layers.")}
    assert len(decoder) == 4 * 7
    assert {kinds[name] for name in decoder} == {"Linear8bitLt" if bits == "8bit" else "Linear4bit"}
    assert {kinds[name] for name in kinds.keys() - decoder} == {"Linear"}
    inputs = STANDINS[key].inputs(ROWS[list(STANDINS[key].prompts)[-1]])
    with FastV(k=2)(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    # bitsandbytes rounds what goes through its layers: another order of a sum may end at the next step.
    assert_same_answer(output, masked_answer(model, inputs, 2, trace), atol=0.05, rtol=0.05)
    with torch.no_grad():
        whole = model(**inputs).logits
        with FastV(k=2, r=0)(model):
            assert torch.equal(model(**inputs).logits, whole)


class TestMultimodalPositions:
    """Qwen-VL counts pictures in three directions and goes on from there; with k = 0 it cannot count in the cache."""

    @pytest.mark.parametrize("key", QWEN)
    @pytest.mark.parametrize("k", [0, 2])
    def test_tokens_fed_by_hand_without_position_ids(self, key, k):
        model, rows = model_of(key), [(5, PICTURE, 7), (6, PICTURE, 6)]
        inputs = STANDINS[key].inputs(rows)
        del inputs["attention_mask"]
        generator = torch.Generator().manual_seed(9)
        turns = [torch.randint(3, START, (2, count), generator=generator) for count in (1, 4, 1)]

        def read():
            output = model(**inputs)
            logits, cache = [output.logits[:, -1]], cache_in(output)
            return logits + [model(input_ids=turn, **{CACHE: cache}).logits for turn in turns]

        with torch.no_grad():
            with FastV(k=k)(model) as trace:
                ours = read()
            with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"], *VISUAL)):
                expected = read()
        for a, b in zip(ours, expected, strict=True):
            torch.testing.assert_close(a, b, **CLOSE)

    @pytest.mark.parametrize("key", QWEN)
    @pytest.mark.parametrize("k", [0, 2])
    def test_a_question_that_follows_up(self, key, k):
        model, inputs = model_of(key), STANDINS[key].inputs([(5, PICTURE, 7), (3, WIDE, 19)])

        def converse():
            first = model.generate(**inputs, **OPTIONS)
            question = torch.tensor([[1, 7, 9], [1, 8, 6]])
            whole = torch.cat([first.sequences, question], dim=1)
            added = torch.ones(2, whole.shape[1] - inputs["input_ids"].shape[1], dtype=torch.long)
            mask = torch.cat([inputs["attention_mask"], added], dim=1)
            new = whole if k else torch.cat([first.sequences[:, -1:], question], dim=1)
            return model.generate(input_ids=new, attention_mask=mask, **{CACHE: cache_in(first)}, **OPTIONS)

        with FastV(k=k)(model) as trace:
            output = converse()
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"], *VISUAL)):
            expected = converse()
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("k", [0, 2])
    @pytest.mark.parametrize("mode", [dict(num_beams=2), dict(prompt_lookup_num_tokens=3)], ids=["beams", "lookup"])
    def test_other_ways_to_generate(self, k, mode):
        model, inputs = model_of("qwen2_5_vl"), STANDINS["qwen2_5_vl"].inputs(ROWS["picture"])
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **OPTIONS, **mode)
        rows = len(trace.kept)  # one of each beam
        dropped = dropped_of(trace, inputs["input_ids"].expand(rows, -1).clone(), *VISUAL)
        with dropped_by_masking(model, k, dropped):  # which the candidates of a lookup do not change
            expected = model.generate(**inputs, **OPTIONS, num_beams=rows)
        assert torch.equal(output.sequences, expected.sequences)

    @pytest.mark.parametrize("k", [0, 2])
    def test_kernels_with_flat_masks(self, k, monkeypatch):
        model, inputs = model_of("qwen2_vl"), STANDINS["qwen2_vl"].inputs(ROWS["three rows"])
        monkeypatch.setattr(model.config.text_config, "_attn_implementation", "flash_stand_in")
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **OPTIONS)
        monkeypatch.undo()
        assert_same_answer(output, masked_answer(model, inputs, k, trace), **CLOSE)

    @pytest.mark.parametrize("key", QWEN)
    @pytest.mark.parametrize("rows", [[(5, PICTURE, 7)], [(5, PICTURE, 7), (3, WIDE, 19)]], ids=["one", "padded"])
    def test_a_whole_conversation_with_k_0_is_refused(self, key, rows):
        model, inputs = model_of(key), STANDINS[key].inputs(rows)
        with FastV(k=0)(model):
            first = model.generate(**inputs, **OPTIONS)
            whole = torch.cat([first.sequences, first.sequences[:, -3:]], dim=1)
            added = torch.ones(len(rows), whole.shape[1] - inputs["input_ids"].shape[1], dtype=torch.long)
            mask = torch.cat([inputs["attention_mask"], added], dim=1)
            for mode in ({}, {"num_return_sequences": 2, "do_sample": True}) if len(rows) == 1 else ({},):
                with pytest.raises(InvalidInputError, match="new tokens alone|does not fit"):
                    model.generate(input_ids=whole, attention_mask=mask, **{CACHE: cache_in(first)}, **OPTIONS | mode)

    @pytest.mark.parametrize("k", [1, 3])
    def test_a_decoder_that_slides_in_some_layers(self, k):
        windows = dict(use_sliding_window=True, sliding_window=8, max_window_layers=2)
        model, inputs = STANDINS["qwen2_vl"].model(**windows), STANDINS["qwen2_vl"].inputs(ROWS["three rows"])
        assert set(model.config.text_config.layer_types) == {"full_attention", "sliding_attention"}
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **OPTIONS)
        assert_same_answer(output, masked_answer(model, inputs, k, trace), **CLOSE)

    def test_a_window_that_is_not_in_use_does_no_harm(self):
        model = STANDINS["qwen2_vl"].model(use_sliding_window=False, sliding_window=8, max_window_layers=2)
        inputs = STANDINS["qwen2_vl"].inputs(ROWS["picture"])
        with FastV()(model) as trace:
            output = model.generate(**inputs, **OPTIONS)
        assert_same_answer(output, masked_answer(model, inputs, 2, trace), **CLOSE)
