"""FastV on real model classes with random weights: its answers are those of a model that masks what it drops."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    Qwen2Config,
)

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError
from fastv.pruning.transformers_compat import cache_in
from tests.support.cut_by_cut import PICTURE_METHODS
from tests.support.masked_reference import (
    CACHE,
    CLOSE,
    EXACT,
    GREEDY,
    PROMPTS,
    assert_same_answer,
    dropped_by_attention,
    dropped_by_masking,
    dropped_of,
    model_of,
)
from tests.support.standins import IMAGE_TOKEN, llava_config, llava_inputs, tiny_llava


class TestEqualToMasking:
    @pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
    @pytest.mark.parametrize(
        "attention, kv_heads, k",
        [("sdpa", 4, 1), ("sdpa", 2, 2), ("eager", 4, 2), ("eager", 2, 1), ("sdpa", 4, 3), ("eager", 2, 3)],
    )
    def test_last_token(self, attention, kv_heads, prompts, k):
        model, inputs = model_of(attention, kv_heads=kv_heads), llava_inputs(prompts)
        dropped = dropped_by_attention(model_of("eager", kv_heads=kv_heads), inputs, k, 0.5)
        with FastV(k=k, r=0.5)(model) as trace:
            output = model.generate(**inputs, **GREEDY)
        assert torch.equal(dropped_of(trace, inputs["input_ids"]), dropped)
        with dropped_by_masking(model, k, dropped):
            expected = model.generate(**inputs, **GREEDY)
        assert_same_answer(output, expected, **CLOSE)
        assert not torch.equal(output.logits[0], model.generate(**inputs, **GREEDY).logits[0])

    @pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
    @pytest.mark.parametrize(
        "budget", [FastV(k=0), FastV(k=0, r=1), METHODS["fastv_mean"](k=2), METHODS["random"](k=1, r=0.9)], ids=str
    )
    def test_other_methods(self, budget, prompts):
        model, inputs = model_of(kv_heads=2), llava_inputs(prompts)
        with budget(model) as trace:
            output = model.generate(**inputs, **GREEDY)
        with dropped_by_masking(model, budget.k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY)
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("attention", ["sdpa", "eager", "flash_stand_in"])
    @pytest.mark.parametrize("budget", [FastV(k=0, r=0.9), FastV(k=2, r=0.9), METHODS["fastv_mean"](k=2)], ids=str)
    @pytest.mark.parametrize("prompts", [PROMPTS["one and two pictures"], PROMPTS["one and two pictures, no padding"]])
    def test_padding_may_stand_amid_a_row(self, prompts, budget, attention, monkeypatch):
        """As in the second turn of a chat in batches, whose first answers had different lengths."""
        model, inputs = model_of("sdpa"), llava_inputs(prompts)
        text = inputs["input_ids"][:, -3:]
        padding = torch.tensor([[5, 2, *[0] * 12], [*range(5, 18), 2]])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], padding, text], dim=1)
        inputs["attention_mask"] = (inputs["input_ids"] != 0).long()
        with budget(model) as trace, monkeypatch.context() as patched:
            patched.setattr(model.config.text_config, "_attn_implementation", attention)
            output = model.generate(**inputs, **GREEDY)
        with dropped_by_masking(model, budget.k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY)
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    def test_half_precision(self, dtype, attention):
        model, inputs = model_of(attention, dtype=dtype), llava_inputs(PROMPTS["left padding"], dtype=dtype)
        with FastV()(model) as trace:
            output = model.generate(**inputs, **GREEDY)
        assert trace.scores.dtype == torch.float32
        with dropped_by_masking(model, 2, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY)
        step = torch.finfo(dtype).eps
        assert_same_answer(output, expected, atol=8 * step, rtol=8 * step)

    @pytest.mark.parametrize("k", [0, 2])
    @pytest.mark.parametrize(
        "mode",
        [dict(num_beams=3, num_return_sequences=2), dict(do_sample=True, num_return_sequences=3)],
        ids=["beams", "sampling"],
    )
    @pytest.mark.parametrize("prompts", [PROMPTS["left padding"], PROMPTS["one and two pictures"]])
    def test_beams_and_sampling(self, mode, prompts, k):
        model, inputs, options = model_of(), llava_inputs(prompts), GREEDY | mode
        torch.manual_seed(5)
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **options)
        rows = len(trace.kept) // len(prompts)
        assert rows == 3  # one of each beam, alike for a prompt's beams
        assert torch.equal(trace.kept, trace.kept[::rows].repeat_interleave(rows, dim=0))
        torch.manual_seed(5)
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"].repeat_interleave(rows, dim=0))):
            expected = model.generate(**inputs, **options)
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("k", [0, 1, 3])
    @pytest.mark.parametrize("prompts", [PROMPTS["one picture"], PROMPTS["one and two pictures, no padding"]])
    def test_tokens_fed_by_hand_without_position_ids(self, k, prompts):
        """A loop of one's own: positions and masks are whatever the model works out from the cache."""
        model, inputs = model_of(), llava_inputs(prompts)
        mask = inputs.pop("attention_mask")
        generator = torch.Generator().manual_seed(9)
        turns = [torch.randint(3, IMAGE_TOKEN, (len(prompts), count), generator=generator) for count in (1, 1, 4, 1)]

        def read(**first):
            output = model(**inputs, **first)
            logits, cache = [output.logits[:, -1]], cache_in(output)
            for turn in turns:
                logits.append(model(input_ids=turn, **{CACHE: cache}).logits)
            return logits

        with torch.no_grad():
            with FastV(k=k)(model) as trace:
                ours = read()
                masked = read(attention_mask=mask)
            with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
                expected = read()
        for a, b, c in zip(ours, masked, expected):
            torch.testing.assert_close(a, c, **CLOSE)
            torch.testing.assert_close(b, c, **CLOSE)

    @pytest.mark.parametrize("k", [0, 2])
    def test_a_question_that_follows_up(self, k):
        model, inputs = model_of(), llava_inputs(PROMPTS["left padding"])

        def converse():
            first = model.generate(**inputs, **GREEDY)
            question = torch.tensor([[1, 7, 9], [1, 8, 6]])
            whole = torch.cat([first.sequences, question], dim=1)
            added = torch.ones(2, whole.shape[1] - inputs["input_ids"].shape[1], dtype=torch.long)
            mask = torch.cat([inputs["attention_mask"], added], dim=1)
            # With k = 0 generate cannot tell from the cache how much was read: it is given the new tokens alone.
            new = whole if k else torch.cat([first.sequences[:, -1:], question], dim=1)
            return model.generate(input_ids=new, attention_mask=mask, **{CACHE: cache_in(first)}, **GREEDY)

        with FastV(k=k)(model) as trace:
            output = converse()
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
            expected = converse()
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("k", [0, 2])
    def test_speculative_decoding(self, k):
        """Several tokens go into the cache at a time, and rejected ones are cropped from it."""
        model, inputs = model_of(), llava_inputs()
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **GREEDY | dict(max_new_tokens=12), prompt_lookup_num_tokens=3)
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY | dict(max_new_tokens=12))
        assert torch.equal(output.sequences, expected.sequences)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "method, k, drafted_by",
        [
            *(pytest.param(method, 1, "lookup", id=name) for name, method in PICTURE_METHODS.items()),
            *((FastV, k, drafted_by) for k in (0, 3) for drafted_by in ("lookup", "assistant")),
        ],
    )
    def test_tokens_drafted_along_with_the_prompt_are_no_part_of_it(self, method, k, drafted_by):
        """The first forward of assisted decoding reads prompt and draft together; the draft may be right or wrong."""
        for seed in range(3):
            model, inputs = model_of(), llava_inputs(PROMPTS["one picture"])
            text = (inputs["input_ids"] != IMAGE_TOKEN).nonzero()[:, 1]
            words = torch.randint(3, 90, (1, len(text)), generator=torch.Generator().manual_seed(seed))
            words[0, -2:] = words[0, :2]  # a lookup finds them, and drafts what follows
            inputs["input_ids"][0, text] = words
            drafts = dict(prompt_lookup_num_tokens=3) if drafted_by == "lookup" else dict(assistant_model=tiny_llava())
            with method(k=k, r=0.25)(model) as plain:
                expected = model.generate(**inputs, **GREEDY | dict(max_new_tokens=12))
            kept = plain.kept.clone()
            with method(k=k, r=0.25)(model) as trace:
                output = model.generate(**inputs, **GREEDY | dict(max_new_tokens=12), **drafts)
            assert torch.equal(trace.kept, kept) and trace.prompt_length == inputs["input_ids"].shape[1]
            assert torch.equal(output.sequences, expected.sequences)

    @pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
    @pytest.mark.parametrize("k", [0, 2])
    def test_kernels_with_flat_masks(self, prompts, k, monkeypatch):
        model, inputs = model_of("sdpa"), llava_inputs(prompts)
        monkeypatch.setattr(model.config.text_config, "_attn_implementation", "flash_stand_in")
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **GREEDY)
        monkeypatch.undo()
        if k:
            dropped = dropped_by_attention(model_of("eager"), inputs, k, 0.5)
            assert torch.equal(dropped_of(trace, inputs["input_ids"]), dropped)
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY)
        assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("text_config", [MistralConfig, Qwen2Config])
    @pytest.mark.parametrize("k", [0, 2])
    def test_other_decoders(self, text_config, k):
        config = llava_config(kv_heads=2)
        names = (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "max_position_embeddings",
            "pad_token_id",
        )
        config.text_config = text_config(**{name: getattr(config.text_config, name) for name in names})
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration._from_config(config, attn_implementation="sdpa").eval()
        inputs = llava_inputs(PROMPTS["one and two pictures"])
        with FastV(k=k)(model) as trace:
            output = model.generate(**inputs, **GREEDY)
        with dropped_by_masking(model, k, dropped_of(trace, inputs["input_ids"])):
            expected = model.generate(**inputs, **GREEDY)
        assert_same_answer(output, expected, **CLOSE)


class TestSameAnswer:
    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    @pytest.mark.parametrize(
        "budget",
        [FastV(k=0, r=0), FastV(k=2, r=0), METHODS["fastv_mean"](k=3, r=0), METHODS["random"](k=1, r=0)],
        ids=str,
    )
    def test_r_0_is_bit_identical_to_no_fastv(self, attention, budget):
        model, inputs = model_of(attention), llava_inputs(PROMPTS["one and two pictures"])
        expected, whole = model.generate(**inputs, **GREEDY), model(**inputs).logits
        with budget(model) as trace:
            assert_same_answer(model.generate(**inputs, **GREEDY), expected, **EXACT)
            assert torch.equal(model(**inputs).logits, whole)
        assert torch.equal(trace.kept, trace.visual_positions) and trace.pruned_length == trace.prompt_length

    @pytest.mark.parametrize("k", [0, 1, 3])
    @pytest.mark.parametrize("mode", [{}, dict(num_beams=2)], ids=["greedy", "beams"])
    @pytest.mark.parametrize("prompts", ["one picture", "one and two pictures", "a long row without picture"])
    def test_cached_is_uncached(self, k, mode, prompts):
        model, inputs = model_of(), llava_inputs(PROMPTS[prompts])
        with FastV(k=k)(model) as trace:
            cached = model.generate(**inputs, **GREEDY, **mode)
            kept = trace.kept
            uncached = model.generate(**inputs, **GREEDY, **mode, use_cache=False)
        assert_same_answer(uncached, cached, **CLOSE)
        assert torch.equal(kept, trace.kept) and trace.prompt_length == inputs["input_ids"].shape[1]

    def test_without_a_cache_a_new_prompt_is_ranked_anew(self):
        model = model_of()
        with FastV(k=2)(model) as trace:
            for seed in (0, 1):
                inputs = llava_inputs(seed=seed)
                output = model.generate(**inputs, **GREEDY, use_cache=False)
                with dropped_by_masking(model_of("eager"), 2, dropped_of(trace, inputs["input_ids"])):
                    expected = model_of("eager").generate(**inputs, **GREEDY)
                assert_same_answer(output, expected, **CLOSE)

    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    @pytest.mark.parametrize(
        "budget", [FastV(k=0), FastV(k=2), METHODS["fastv_mean"](k=2), METHODS["random"](k=2)], ids=str
    )
    def test_a_batch_is_its_rows_one_by_one(self, attention, budget):
        model, prompts = model_of(attention, kv_heads=2), [(5, 0, 7), (2, 0, 3, 0, 4), (9,), (3, 0, 19)]
        inputs = llava_inputs(prompts)
        with budget(model) as trace:
            batch = model.generate(**inputs, **GREEDY)
        kept, seen = trace.kept, 0
        for row, segments in enumerate(prompts):
            padding = int((inputs["attention_mask"][row] == 0).sum())
            alone = {name: inputs[name][row : row + 1, padding:] for name in ("input_ids", "attention_mask")}
            if pictures := segments.count(0):
                alone["pixel_values"] = inputs["pixel_values"][seen : seen + pictures]
                seen += pictures
            with budget(model) as trace:
                output = model.generate(**alone, **GREEDY)
            assert (trace.kept[0] + padding).tolist() == kept[row][kept[row] >= 0].tolist()
            assert torch.equal(output.sequences[0], batch.sequences[row, padding:])
            torch.testing.assert_close(output.logits[0][0], batch.logits[0][row], **CLOSE)


@pytest.mark.parametrize(
    "values",
    [
        dict(k=-1),
        dict(k=1.5),
        dict(k=True),
        dict(k=None),
        dict(r=-0.1),
        dict(r=1.01),
        dict(r=float("nan")),
        dict(r="half"),
        dict(r=None),
        dict(rank="first"),
        dict(seed=None),
        dict(seed=0.5),
        dict(seed=True),
        dict(seed=2**70),
    ],
    ids=str,
)
def test_values_out_of_range(values):
    with pytest.raises(InvalidBudgetError):
        FastV(**values)


def test_what_the_model_can_show_it_still_shows():
    model, inputs = model_of("eager"), llava_inputs()
    with FastV(k=2)(model), torch.no_grad():
        output = model(**inputs, output_attentions=True, output_hidden_states=True)
    assert [attention.shape[-1] for attention in output.attentions] == [29, 29, 21, 21]
    assert [hidden.shape[1] for hidden in output.hidden_states] == [29, 29, 29, 21, 21]


@pytest.mark.slow
def test_4_bit(tmp_path):
    pytest.importorskip("bitsandbytes")
    tiny_llava(width=64, ffn_width=128).save_pretrained(tmp_path)
    skipped = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    quantized = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=skipped,
    )
    model = AutoModelForImageTextToText.from_pretrained(tmp_path, quantization_config=quantized, dtype=torch.float32)
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    assert kinds["model.language_model.layers.0.self_attn.q_proj"] == "Linear4bit"
    assert kinds["lm_head"] == kinds["model.multi_modal_projector.linear_1"] == "Linear"
    inputs = llava_inputs(PROMPTS["left padding"])
    plain = model.generate(**inputs, **GREEDY)
    with FastV(k=2)(model) as trace:
        output = model.generate(**inputs, **GREEDY)
    with dropped_by_masking(model, 2, dropped_of(trace, inputs["input_ids"])):
        expected = model.generate(**inputs, **GREEDY)
    assert_same_answer(output, expected, **CLOSE)
    assert not torch.equal(output.logits[0], plain.logits[0])
