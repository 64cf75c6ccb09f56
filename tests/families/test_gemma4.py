"""Gemma 4 on small models of its kinds, with pixels through the real picture processor: pruned is masked.

Kinds: inputs of each layer's own and layers that share keys, as in E2B; picture tokens that see each other both ways
and keys that are values, as in 31B, and with experts, as in 26B-A4B.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from transformers import Gemma4Config, Gemma4ForConditionalGeneration, Gemma4ImageProcessorPil
from transformers.models.gemma4.image_processing_pil_gemma4 import convert_image_to_patches

from fastv import METHODS, FastV
from fastv.errors import InvalidBudgetError
from fastv.families.reduced_pictures import lattice
from fastv.families.registry import family_of
from fastv.families.visual_groups import VisualGroup
from fastv.measurement.masked_reference import dropped_by_masking
from fastv.measurement.model_check import check
from fastv.pruning.attention_tap import observing
from fastv.pruning.transformers_compat import cache_in
from tests.support.cutting_methods import Watching
from tests.support.masked_reference import CACHE, CLOSE, GREEDY, assert_same_answer

IMAGE, VIDEO, AUDIO, START, END, WINDOW, PATCH = 98, 97, 94, 95, 96, 12, 4
SHARED = dict(num_hidden_layers=6, num_kv_shared_layers=2, hidden_size_per_layer_input=8, use_double_wide_mlp=True)
BOTH_WAYS = dict(
    num_hidden_layers=4,
    hidden_size_per_layer_input=0,
    use_bidirectional_attention="vision",
    attention_k_eq_v=True,
    num_global_key_value_heads=1,
)
EXPERTS = BOTH_WAYS | dict(enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=16)
KINDS = {"shared": SHARED, "both ways": BOTH_WAYS, "experts": EXPERTS}
OPTIONS = GREEDY | dict(max_new_tokens=5, suppress_tokens=[2, START, END, IMAGE, VIDEO, AUDIO])
CASES = [(kind, k) for kind in KINDS for k in range(3 if kind == "shared" else 4)]
_MODELS: dict = {}


def model_of(kind: str):
    if kind not in _MODELS:
        text = dict(
            vocab_size=99,
            vocab_size_per_layer_input=99,
            hidden_size=32,
            intermediate_size=48,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            global_head_dim=16,
            sliding_window=WINDOW,
            layer_types=["sliding_attention", "full_attention"] * (KINDS[kind]["num_hidden_layers"] // 2),
            pad_token_id=0,
            eos_token_id=2,
            **KINDS[kind],
        )
        tower = dict(
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            patch_size=PATCH,
            position_embedding_size=64,
        )
        config = Gemma4Config(
            text_config=text,
            vision_config=tower,
            image_token_id=IMAGE,
            video_token_id=VIDEO,
            audio_token_id=AUDIO,
            boi_token_id=START,
            eoi_token_id=END,
        )
        torch.manual_seed(0)
        model = Gemma4ForConditionalGeneration._from_config(config, attn_implementation="sdpa")
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() > 1:
                    weight.normal_(0, 2.0 / weight[0].numel() ** 0.5 if "embed_tokens" not in name else 1.0)
        _MODELS[kind] = model.eval()
    return _MODELS[kind]


def inputs_of(rows) -> dict:
    """Rows of numbers of text tokens and sizes of pictures, left-padded."""
    noise, words = np.random.default_rng(0), torch.Generator().manual_seed(0)
    pictures = [
        noise.integers(0, 256, (*part, 3), dtype=np.uint8) for row in rows for part in row if isinstance(part, tuple)
    ]
    processor = Gemma4ImageProcessorPil(patch_size=PATCH, max_soft_tokens=70)
    made = processor(pictures, return_tensors="pt")
    counts = iter(made.pop("num_soft_tokens_per_image"))
    built = []
    for row in rows:
        tokens = [1]
        for part in row:
            if isinstance(part, tuple):
                tokens += [START, *[IMAGE] * int(next(counts)), END]
            else:
                tokens += torch.randint(3, AUDIO, (part,), generator=words).tolist()
        built.append(tokens)
    longest = max(map(len, built))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in built])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "mm_token_type_ids": (ids == IMAGE).long(),
        **made,
    }


ROWS = [(5, (40, 24), 7), (2, (24, 60), 3, (32, 32), 4), (9,)]


def dropped_of(model, trace, inputs):
    dropped = family_of(model).visual_mask(model, inputs["input_ids"])
    for row, kept in zip(dropped, trace.kept):
        row[kept[kept >= 0]] = False
    return dropped


@pytest.mark.parametrize("kind, k", CASES)
@pytest.mark.parametrize("rows", [ROWS[:1], ROWS], ids=["picture", "three rows"])
def test_equal_to_masking_with_and_without_a_cache(kind, k, rows):
    model, inputs = model_of(kind), inputs_of(rows)
    with (FastV(k=k) if k else METHODS["random"](k=0, r=0.5))(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
        uncached = model.generate(**inputs, **OPTIONS | dict(max_new_tokens=2), use_cache=False)
    with dropped_by_masking(model.model.language_model, k, dropped_of(model, trace, inputs)):
        assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)
        expected = model.generate(**inputs, **OPTIONS | dict(max_new_tokens=2), use_cache=False)
        assert_same_answer(uncached, expected, **CLOSE)
    assert not torch.equal(output.logits[0], model.generate(**inputs, **OPTIONS | dict(max_new_tokens=1)).logits[0])


@pytest.mark.parametrize("k", [3, 5])
def test_no_cut_after_a_layer_whose_keys_are_read_again(k):
    """Layers 4 and 5 read the keys of 2 and 3: on entering 3, one kind would still see what was dropped."""
    with pytest.raises(InvalidBudgetError, match="choose 2 or less"), FastV(k=k)(model_of("shared")):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_places_and_the_check_on_the_spot(kind):
    model, inputs = model_of(kind), inputs_of(ROWS[:2])
    family = family_of(model)
    counts = family.visual_mask(model, inputs["input_ids"]).sum(dim=1).tolist()
    groups, frames = (
        family.visual_groups(model, inputs["input_ids"], counts, inputs),
        family.frames(model.config, inputs),
    )
    assert sum(group.tokens for group in groups) == sum(counts)
    assert [(1, *frame.grid) for frame in frames] == [group.grid for group in groups]
    assert all(frame.pixels.shape[1] == 3 * PATCH * frame.grid[0] for frame in frames)
    found = check(model, inputs_of(ROWS[:1]))
    assert found.exact and found.family == "Gemma 4"


def test_tokens_read_without_positions_after_a_cut_before_all_layers():
    model, inputs = model_of("shared"), inputs_of(ROWS[:1])
    more = torch.tensor([[7, 8, 9]])
    whole = torch.cat([inputs["input_ids"], more], dim=1)
    mask = torch.ones_like(whole)
    with METHODS["random"](k=0, r=0.5)(model) as trace, torch.no_grad():
        cache = cache_in(model(**inputs, use_cache=True))
        found = model(input_ids=more, attention_mask=mask, **{CACHE: cache}).logits
    inputs |= {"input_ids": whole, "attention_mask": mask, "mm_token_type_ids": (whole == IMAGE).long()}
    dropped = dropped_of(model, trace, inputs)
    with dropped_by_masking(model.model.language_model, 0, dropped), torch.no_grad():
        torch.testing.assert_close(found, model(**inputs).logits[:, -3:], **CLOSE)


@dataclass(frozen=True)
class Entering(Watching):
    signals = ("own_attention",)


def test_queries_and_keys_are_shown_without_their_rotation():
    """Of a sliding and of a full layer, whose heads differ: as the norms of both leave them."""
    model, inputs, normed = model_of("shared"), inputs_of(ROWS[:1]), {}
    method = Watching(r=0.5, layers=(1, 2))
    with ExitStack() as hooks, method(model), torch.no_grad():
        for number in (0, 1):
            attention = model.model.language_model.layers[number].self_attn
            for name in ("q_norm", "k_norm"):
                hook = getattr(attention, name).register_forward_hook(
                    lambda _, __, output, at=(number, name): normed.setdefault(at, output)
                )
                hooks.callback(hook.remove)
        model(**inputs)
    assert len(method.seen) == 2
    for number, (_, signals) in enumerate(method.seen):
        for name, found in (("q_norm", signals.unrotated.query), ("k_norm", signals.unrotated.key)):
            expected = normed[number, name][:, -found.shape[2] :]  # of queries the last alone
            torch.testing.assert_close(found.transpose(1, 2), expected, **CLOSE)


@pytest.mark.parametrize("layer", [1, 2])
def test_keys_of_a_layer_that_is_entered_are_those_it_makes(layer):
    """The kept ones of them; in its full layers keys are values too."""
    model, inputs, made = model_of("both ways"), inputs_of(ROWS[:1]), []
    method, attention = Entering(r=0.5, layers=(layer,)), model.model.language_model.layers[layer].self_attn
    with method(model) as trace, observing(attention, lambda *made_of: made.append(made_of)), torch.no_grad():
        model(**inputs)
    (query, key, *_), own = made[0], method.seen[0][1].own_attention
    stays = torch.ones(inputs["input_ids"].shape[1], dtype=torch.bool)
    stays[dropped_of(model, trace, inputs)[0]] = False
    assert 0 < stays.sum() < len(stays)
    torch.testing.assert_close(own.key[:, :, stays], key, **CLOSE)
    torch.testing.assert_close(own.query, query[:, :, -1:], **CLOSE)


def features(model, patches, places):
    with torch.no_grad():
        return model.model.get_image_features(patches, places).pooler_output


def test_a_smaller_picture_is_read_as_its_processor_would_cut_it():
    """With the patches of transformers' own function, and the places of the processor's own, unpadded."""
    model, inputs = model_of("both ways"), inputs_of([(2, (40, 24), 3, (24, 60), 4)])
    family, size = family_of(model), (3, 2)
    pictures = [frame.pixels for frame in family.frames(model.config, inputs)]
    grids = [frame.grid for frame in family.frames(model.config, inputs)]
    with family.reduced_pictures(model, lambda token, groups: [size, (groups[1].rows, groups[1].columns)]):
        reduced, as_it_is = features(model, inputs["pixel_values"], inputs["image_position_ids"])
    high, wide = (3 * PATCH * count for count in size)
    small = interpolate(pictures[0][None], size=(high, wide), mode="bicubic", antialias=True)[0]
    patches = torch.from_numpy(np.ascontiguousarray(convert_image_to_patches(small.numpy(), PATCH)))
    places = torch.tensor([[[column, row] for row in range(3 * size[0]) for column in range(3 * size[1])]])
    (expected,) = features(model, patches[None], places)
    there = lattice(grids[0], size)
    torch.testing.assert_close(reduced[there], expected, **CLOSE)
    between = [cell for cell in range(len(reduced)) if cell not in there]
    assert between and not reduced[between].any()
    whole = features(model, inputs["pixel_values"], inputs["image_position_ids"])
    torch.testing.assert_close(as_it_is, whole[1], **CLOSE)
    assert not torch.equal(reduced, whole[0])


def test_lower_resolution_answers_by_the_smaller_pictures_alone():
    model, inputs = model_of("shared"), inputs_of(ROWS)
    method = METHODS["lower_resolution"](keep_ratio=0.3)
    with method(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    dropped = dropped_of(model, trace, inputs)
    assert dropped.sum() >= 0.7 * family_of(model).visual_mask(model, inputs["input_ids"]).sum()
    sizes = [method.reduced(VisualGroup(1, *frame.grid), total) for frame, total in framed(model, inputs)]
    with family_of(model).reduced_pictures(model, lambda token, groups: sizes):
        with dropped_by_masking(model.model.language_model, 0, dropped):
            assert_same_answer(output, model.generate(**inputs, **OPTIONS), **CLOSE)


def framed(model, inputs):
    """Each picture, and the visual tokens of the row that it stands in."""
    frames = family_of(model).frames(model.config, inputs)
    totals = family_of(model).visual_mask(model, inputs["input_ids"]).sum(dim=1).tolist()
    rows = [0, 1, 1]  # of ``ROWS``
    return [(frame, totals[row]) for frame, row in zip(frames, rows, strict=True)]
