from __future__ import annotations

import pytest
import torch
from transformers import BitsAndBytesConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from fastv import FastV
from fastv.costs.flops import cost, kept_tokens, prefill_flops
from fastv.costs.memory import DTYPES, parameter_bytes
from fastv.errors import InvalidBudgetError, UnsupportedModelError
from fastv.evidence.published import table1
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape
from fastv.families.shapes import ModelShape
from fastv.pruning.transformers_compat import cache_in
from tests.support.flop_counter import counted, counter
from tests.support.standins import IMAGE_TOKEN, VISUAL_TOKENS, llava_config, llava_inputs, tiny_llava

SMALL, BIG = REFERENCE_CONFIGS["llava-1.5-7b"], REFERENCE_CONFIGS["llava-1.5-13b"]
TEXT_TOKENS = 13  # of llava_inputs(): a first token, 5 before the picture and 7 after it
KS_AND_RS = [(0, 0.5), (1, 0.25), (2, 0.5), (3, 0.9), (2, 1.0)]


def rows_of(model):
    return [pytest.param(row, id=f"k{row.k}-r{row.r}") for row in table1() if row.model == model]


def layer_average(config, k=None, r=0.0, convention="paper"):
    prompt = dict(text_tokens=36, visual_tokens=576, answer_tokens=1)
    return cost(config, **prompt, k=k, r=r, convention=convention).layer_average_flops


def printed_and_computed(row):
    return row.flops_per_layer_b, round(layer_average(REFERENCE_CONFIGS[row.model], row.k, row.r) / 1e9, 1)


# --- the paper's figures


@pytest.mark.parametrize("row", rows_of("llava-1.5-13b"))
def test_paper_table_1_of_the_13b_to_the_digit(row):
    printed, computed = printed_and_computed(row)
    assert computed == printed


@pytest.mark.parametrize("row", rows_of("llava-1.5-7b"))
def test_paper_table_1_of_the_7b_within_its_own_spread(row):
    printed, computed = printed_and_computed(row)
    if (row.k, row.r) == (0, 0.9):  # the one cell the formula does not explain
        assert (printed, computed) == (18.9, 14.8)
    else:
        assert round(abs(computed - printed), 1) <= 0.4


def test_totals_tell_another_story_than_layer_averages():
    small, big, pruned = prefill_flops(SMALL, k=None), prefill_flops(BIG, k=None), prefill_flops(BIG, k=2, r=0.5)
    assert [f"{flops / 1e12:.2f}" for flops in (small, big, pruned)] == ["3.18", "6.19", "3.38"]
    assert f"{100 * pruned / small:.1f}" == "106.5"
    assert layer_average(BIG, 2, 0.5) < layer_average(SMALL)


def test_exact_counts_two_per_multiply_add_and_three_ffn_matrices():
    assert f"{prefill_flops(SMALL, k=None, convention='exact') / 1e12:.1f}" == "8.1"
    n, d, m = 612, 4096, 11008
    assert layer_average(SMALL, convention="exact") == 2 * (4 * n * d * d + 2 * n * n * d + 3 * n * d * m)


# --- against what torch counts while the model runs


def computed(model, k=None, r=0.0, **lengths):
    lengths = {"text_tokens": TEXT_TOKENS, "visual_tokens": VISUAL_TOKENS, "answer_tokens": 1} | lengths
    return cost(model.config, k=k, r=r, convention="exact", **lengths)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("shape", [{}, {"kv_heads": 2}, {"width": 48, "layers": 3}], ids=["plain", "grouped", "other"])
def test_exact_is_what_torch_counts_part_by_part(attention, shape):
    model = tiny_llava(attention=attention, **shape)
    flops, expected = counted(model, llava_inputs()), computed(model)
    name = "LlavaForConditionalGeneration"
    parts = {
        f"{name}.model.vision_tower": expected.vision_tower_flops,
        f"{name}.model.multi_modal_projector": expected.projector_flops,
        f"{name}.model.language_model": expected.decoder_prefill_flops,
        f"{name}.lm_head": expected.lm_head_flops,
        "Global": expected.prefill_flops,
    }
    parts |= {f"{name}.model.language_model.layers.{i}": layer for i, layer in enumerate(expected.layer_flops)}
    for part, figure in parts.items():
        assert flops[part] == pytest.approx(figure, rel=0.002), part


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("k, r", KS_AND_RS)
def test_exact_is_what_torch_counts_with_fastv(attention, k, r):
    model = tiny_llava(attention=attention, width=64, kv_heads=2)
    with FastV(k=k, r=r)(model):
        flops = counted(model, llava_inputs())
    expected = computed(model, k, r)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.01)
    assert expected.prefill_flops < 0.99 * computed(model).prefill_flops


def test_several_pictures_in_one_prompt():
    model = tiny_llava()
    flops = counted(model, llava_inputs([(5, 0, 3, 0, 4)]))
    expected = computed(model, visual_tokens=2 * VISUAL_TOKENS, pictures=2)
    assert flops["Global"] == pytest.approx(expected.prefill_flops, rel=0.002)


def test_what_is_not_said_to_be_pictures_is_one_where_there_is_something_to_see():
    model = REFERENCE_CONFIGS["video-llava-7b"]
    clip = {"visual_tokens": 2056, "frames": 8}
    assert asked(model, **clip) == asked(model, pictures=0, **clip)
    assert asked(model, visual_tokens=0) == asked(model, visual_tokens=0, pictures=0)
    assert asked(model, visual_tokens=257) == asked(model, visual_tokens=257, pictures=1)
    assert asked(model, visual_tokens=0).vision_tower_flops == 0 < asked(model, **clip).vision_tower_flops


def asked(model, **counts):
    return cost(model, text_tokens=36, answer_tokens=8, k=2, r=0.5, **counts)


@pytest.mark.parametrize("k, r", [(None, 0.0), (2, 0.5), (0, 0.75)])
def test_decode_steps_and_cache_are_what_generate_does(k, r):
    model, inputs, answer = tiny_llava(kv_heads=2, width=64), llava_inputs(), 6

    def generate(tokens):
        with counter() as count, torch.no_grad():
            out = model.generate(
                **inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, return_dict_in_generate=True
            )
        return count.get_total_flops(), cache_in(out)

    if k is None:
        (prefill, _), (whole, cache) = generate(1), generate(answer)
    else:
        with FastV(k=k, r=r)(model):
            (prefill, _), (whole, cache) = generate(1), generate(answer)
    expected = cost(
        model.config,
        text_tokens=TEXT_TOKENS,
        visual_tokens=VISUAL_TOKENS,
        answer_tokens=answer,
        k=k,
        r=r,
        dtype="float32",
    )
    assert prefill == pytest.approx(expected.prefill_flops, rel=0.01)
    assert whole - prefill == pytest.approx(expected.decode_flops, rel=1e-4)
    assert whole == pytest.approx(expected.total_flops, rel=0.01)
    assert sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) == expected.kv_cache_bytes


# --- bytes


def test_parameters_of_the_real_models():
    for config, total in ((SMALL, 7_063_427_072), (BIG, 13_351_494_656)):
        assert read_shape(config).parameters == total


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"attention_bias": True, "mlp_bias": True},
        {"tie_word_embeddings": True},
        {"head_dim": 20, "num_key_value_heads": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "whole",
    [
        {},
        {"vision_feature_select_strategy": "full"},
        {"vision_feature_layer": [-2, -1]},
        {"multimodal_projector_bias": False},
        {"tie_word_embeddings": True},
    ],
    ids=str,
)
def test_less_usual_configs(text, whole):
    base = llava_config()
    text = LlamaConfig(**(base.text_config.to_dict() | text))
    config = LlavaConfig(text_config=text, vision_config=base.vision_config, image_token_index=IMAGE_TOKEN, **whole)
    model = LlavaForConditionalGeneration(config).eval()
    assert read_shape(config).parameters == sum(weight.numel() for weight in model.parameters())
    inputs, class_tokens = llava_inputs(), int("vision_feature_select_strategy" in whole)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.full((1, class_tokens), IMAGE_TOKEN)], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    expected = computed(model, visual_tokens=VISUAL_TOKENS + class_tokens)
    assert counted(model, inputs)["Global"] == pytest.approx(expected.prefill_flops, rel=5e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_parameter_bytes_of_plain_dtypes(dtype):
    model = tiny_llava(dtype=getattr(torch, dtype))
    assert parameter_bytes(read_shape(model.config), dtype) == sum(weight.nbytes for weight in model.parameters())


@pytest.mark.parametrize(
    "dtype, options", [("4bit", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}), ("8bit", {"load_in_8bit": True})]
)
def test_parameter_bytes_of_a_quantized_model(dtype, options, tmp_path):
    pytest.importorskip("bitsandbytes")
    # 36 is no multiple of the quantizer's block of 64: the last block of some matrices is cut short.
    tiny_llava(dtype=torch.float16, width=36, kv_heads=2, heads=6, layers=2).save_pretrained(tmp_path)
    skip = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    model = LlavaForConditionalGeneration.from_pretrained(
        tmp_path,
        dtype=torch.float16,
        device_map="cpu",
        quantization_config=BitsAndBytesConfig(llm_int8_skip_modules=skip, **options),
    )
    size = sum(weight.nbytes for weight in model.parameters())
    for weight in model.parameters():
        state = getattr(weight, "quant_state", None)
        size += state.absmax.nbytes + state.code.nbytes if state is not None else 0
        size += weight.SCB.nbytes if getattr(weight, "SCB", None) is not None else 0
    assert parameter_bytes(read_shape(model.config), dtype) == size


def test_smaller_dtypes_take_less():
    sizes = {dtype: parameter_bytes(read_shape(SMALL), dtype) for dtype in DTYPES}
    assert sizes["float32"] > sizes["float16"] == sizes["bfloat16"] > sizes["8bit"] > sizes["4bit"] > 0


def test_kv_cache_of_the_7b():
    position = 2 * 32 * 4096 * 2
    whole = cost(SMALL, text_tokens=36, visual_tokens=576, answer_tokens=1, k=None, r=0)
    assert whole.kv_cache_bytes == 612 * position
    pruned = cost(SMALL, text_tokens=36, visual_tokens=576, answer_tokens=11, k=8, r=0.5, dtype="4bit")
    assert pruned.kv_cache_bytes == (622 * 8 + 334 * 24) * position // 32


# --- what holds for every config and budget


@pytest.mark.parametrize("convention", ["paper", "exact"])
@pytest.mark.parametrize("k, r", [(None, 0.0), *KS_AND_RS])
def test_parts_add_up(convention, k, r):
    one = cost(BIG, text_tokens=40, visual_tokens=576, answer_tokens=20, k=k, r=r, convention=convention)
    assert sum(one.layer_flops) == pytest.approx(one.decoder_prefill_flops)
    assert one.attention_flops + one.ffn_flops == pytest.approx(one.decoder_prefill_flops)
    around = one.vision_tower_flops + one.projector_flops + one.lm_head_flops
    assert one.prefill_flops == pytest.approx(one.decoder_prefill_flops + around)
    assert (around == 0) == (convention == "paper")
    assert one.decode_flops == pytest.approx(19 * one.decode_flops_per_token)
    assert one.total_flops == pytest.approx(one.prefill_flops + one.decode_flops)
    assert len(one.layer_flops) == 40 and one.convention == convention


@pytest.mark.parametrize("convention", ["paper", "exact"])
def test_no_fastv_is_r_zero(convention):
    lengths = {"text_tokens": 36, "visual_tokens": 576, "answer_tokens": 8, "convention": convention}
    plain = cost(SMALL, k=None, r=0.0, **lengths)
    assert cost(SMALL, k=None, r=0.5, **lengths) == plain
    assert all(cost(SMALL, k=k, r=0.0, **lengths) == plain for k in (0, 2, 31))


def test_a_short_answer_takes_no_decode_step():
    one = cost(SMALL, text_tokens=36, visual_tokens=576, answer_tokens=1, k=2, r=0.5)
    none = cost(SMALL, text_tokens=36, visual_tokens=576, answer_tokens=0, k=2, r=0.5)
    assert one == none and one.decode_flops == 0 < one.decode_flops_per_token


@pytest.mark.parametrize(
    "visual, r, kept", [(576, 0.5, 288), (576, 0.9, 58), (5, 0.5, 2), (7, 0.5, 4), (16, 1.0, 0), (0, 0.5, 0)]
)
def test_kept_tokens_rounds_half_to_even(visual, r, kept):
    assert kept_tokens(visual, r) == kept


def test_every_way_to_write_a_config_reads_the_same():
    config = llava_config(kv_heads=2)
    assert read_shape(config) == read_shape(config.to_dict()) == read_shape(read_shape(config))
    text = config.text_config
    assert read_shape(text) == read_shape(text.to_dict()) == ModelShape(read_shape(config).decoder)
    hub = {
        "model_type": "llava",
        "text_config": {"model_type": "llama", "vocab_size": 32064},
        "vision_config": SMALL["vision_config"] | {"projection_dim": 768},
    }
    assert read_shape(hub) == read_shape(LlavaConfig(**hub)) == read_shape(SMALL)
    assert read_shape({"model_type": "llava"}) == read_shape(LlavaConfig())
    short = {"model_type": "llava", "vision_config": {"model_type": "clip_vision_model", "patch_size": 16}}
    assert read_shape(short) == read_shape(LlavaConfig(vision_config=short["vision_config"]))
    sizes = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
    assert prefill_flops(sizes) == prefill_flops(SMALL)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({}, "no model_type"),
        ({"model_type": "llava", "text_config": {"model_type": "mixtral"}}, "mixtral"),
        ({"model_type": "llava", "vision_config": {"model_type": "pixtral"}}, "pixtral"),
        ({"model_type": "llama", "hidden_size": "wide"}, "hidden_size"),
        ({"model_type": "llama", "num_hidden_layers": 0}, "num_hidden_layers"),
        ("llava-1.5-7b", "str"),
    ],
)
def test_configs_that_cannot_be_costed(config, message):
    with pytest.raises(UnsupportedModelError, match=message):
        prefill_flops(config)


@pytest.mark.parametrize(
    "name, value",
    [
        ("k", -1),
        ("k", 32),
        ("k", 1.5),
        ("k", True),
        ("r", -0.1),
        ("r", 1.1),
        ("r", float("nan")),
        ("r", "half"),
        ("text_tokens", -1),
        ("visual_tokens", 0.5),
        ("answer_tokens", -3),
        ("pictures", 1.5),
        ("frames", -1),
        ("convention", "mine"),
        ("dtype", "float8"),
    ],
)
def test_budgets_that_make_no_sense(name, value):
    usual = {"text_tokens": 36, "visual_tokens": 576, "answer_tokens": 8, "k": 2, "r": 0.5}
    with pytest.raises(InvalidBudgetError, match=f"(?i){name} "):
        cost(SMALL, **(usual | {name: value}))
