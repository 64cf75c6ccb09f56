"""What the vision tower's layer shows, token by token, against towers that are watched from outside."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fastv import METHODS
from fastv.errors import InvalidInputError, UnsupportedModelError
from fastv.families.base import Family
from fastv.families.registry import family_of
from tests.support.cutting_methods import Towering
from tests.support.masked_reference import EXACT, GREEDY, assert_same_answer, cuts_by_masking, model_of, whole_state
from tests.support.standins import (
    ALL_STANDINS,
    END,
    IMAGE_TOKEN,
    PICTURE,
    ROWS,
    STANDINS,
    START,
    VIDEO_TOKEN,
    llava_inputs,
)

VISUAL = (IMAGE_TOKEN, VIDEO_TOKEN)
OPTIONS = GREEDY | dict(max_new_tokens=3, suppress_tokens=[2, START, END, *VISUAL])
FURTHER = ("qwen3_vl", "internvl", "idefics3", "smolvlm", "llava_next", "llava_onevision")
TOWERS = {key: ALL_STANDINS[key] for key in dict.fromkeys((*STANDINS, *FURTHER))}
CASES = [
    (key, name) for key, one in TOWERS.items() for name in ("three rows", *(["video and picture"] if one.video else []))
]
OBSERVED = {
    "llava": -2,
    "video_llava": -2,
    "qwen2_vl": -1,
    "qwen2_5_vl": 1,
    "qwen3_vl": -1,
    "internvl": -1,
    "idefics3": -1,
    "smolvlm": -1,
    "llava_next": -2,
    "llava_onevision": -1,
}  # the layer whose output is used


def clip_like(tower, layer: int, pixels: torch.Tensor, class_token: bool) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token [CLS]'s attention and its key, with plain loops over pictures and heads."""
    layers = getattr(tower, "vision_model", tower).encoder.layers
    seen = []
    handle = layers[layer].self_attn.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        tower(pixels)
    handle.remove()
    attend, found = layers[layer].self_attn, []
    for states in seen[0]:
        query, key = attend.q_proj(states), attend.k_proj(states)
        total = torch.zeros(len(states))
        for head in range(attend.num_heads):
            part = slice(head * attend.head_dim, (head + 1) * attend.head_dim)
            total += (query[0, part] @ key[:, part].T * attend.head_dim**-0.5).softmax(dim=0) / attend.num_heads
        found += [(total[number].item(), key[number]) for number in range(0 if class_token else 1, len(states))]
    return found


def anyres_like(base, layer: int, inputs: dict) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token what the model's own packing makes of its tiles' attention and keys; 0 of newlines."""
    sizes, counts = inputs["image_sizes"], inputs.get("batch_num_images")
    alone = [True] * len(sizes) if counts is None else [count == 1 for count in counts.tolist() for _ in range(count)]
    tiles = [one[:3] if single else one[:1] for one, single in zip(inputs["pixel_values"], alone, strict=True)]
    has_cls = hasattr(getattr(base.vision_tower, "vision_model", base.vision_tower).embeddings, "class_embedding")
    watched = clip_like if has_cls else siglip_like
    seen = [watched(base.vision_tower, layer, one, False) for one in tiles]
    features = [
        torch.stack([torch.cat([torch.tensor([score]), key]) for score, key in one]).view(
            len(those), -1, 1 + len(one[0][1])
        )
        for one, those in zip(seen, tiles, strict=True)
    ]
    more = {"vision_feature_select_strategy": "default"} if has_cls else {"vision_aspect_ratio": "anyres_max_9"}
    packed, _ = base.pack_image_features(features, sizes, image_newline=torch.zeros(features[0].shape[-1]), **more)
    return [(token[0].item(), token[1:]) for token in torch.cat(packed)]


def mean_attention(attend, forward) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Of each picture of a forward the mean attention that each patch gets, and the patches' keys, head by head."""
    seen: list = []
    handle = attend.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        forward()
    handle.remove()
    found = []
    for states in seen[0]:
        query, key = attend.q_proj(states), attend.k_proj(states)
        total = torch.zeros(len(states))
        for head in range(attend.num_heads):
            part = slice(head * attend.head_dim, (head + 1) * attend.head_dim)
            logits = query[:, part] @ key[:, part].T * attend.head_dim**-0.5
            total += logits.softmax(dim=1).mean(dim=0) / attend.num_heads
        found.append((total, key))
    return found


def siglip_like(tower, layer: int, pixels: torch.Tensor, _: bool) -> list[tuple[float, torch.Tensor]]:
    """Of each patch the mean attention that it gets in its picture, and its key."""
    attend = getattr(tower, "vision_model", tower).encoder.layers[layer].self_attn
    tiles = mean_attention(attend, lambda: tower(pixels))
    return [one for attention, key in tiles for one in zip(attention.tolist(), key)]


def qwen_like(tower, layer: int, pixels: torch.Tensor, grids: torch.Tensor) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token the mean attention that its four patches get in their frame, and the mean of their keys."""
    seen: dict = {}
    attend = tower.blocks[layer].attn
    handles = [
        attend.register_forward_pre_hook(lambda _, args, kwargs: seen.update(args=args, **kwargs), with_kwargs=True),
        tower.merger.register_forward_hook(lambda *a: seen.update(merged=a[2])),
    ]
    with torch.no_grad():
        output = tower(pixels, grid_thw=grids).pooler_output
    for handle in handles:
        handle.remove()
    states, (cos, sin) = seen["args"][0], seen["position_embeddings"]
    with torch.no_grad():
        query, key, _ = attend.qkv(states).view(len(states), 3, attend.num_heads, -1).unbind(1)

    def rotated(vectors):
        half = vectors.shape[-1] // 2
        turned = torch.cat([-vectors[..., half:], vectors[..., :half]], dim=-1)
        return vectors * cos[:, None] + turned * sin[:, None]

    query, key = rotated(query), rotated(key)
    scores, start = torch.zeros(len(states)), 0
    for frames, rows, columns in grids.tolist():
        for _ in range(frames):
            frame = slice(start, start + rows * columns)
            for head in range(attend.num_heads):
                logits = query[frame, head] @ key[frame, head].T * query.shape[-1] ** -0.5
                scores[frame] += logits.softmax(dim=1).mean(dim=0) / attend.num_heads
            start = frame.stop
    unit = [int((seen["merged"] == token).all(dim=1).nonzero()[0, 0]) for token in output]  # which four each comes from
    return [
        (scores[4 * one : 4 * one + 4].mean().item(), key[4 * one : 4 * one + 4].flatten(1).mean(dim=0)) for one in unit
    ]


def internvl_like(base, layer: int, pixels: torch.Tensor) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token the mean of [CLS]'s attention to its four patches, and of their keys."""
    attend, seen = base.vision_tower.encoder.layer[layer].attention, []
    handle = attend.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        base.vision_tower(pixels)
    handle.remove()
    found = []
    for states in seen[0]:
        query, key = attend.q_norm(attend.q_proj(states)), attend.k_norm(attend.k_proj(states))
        total = torch.zeros(len(states))
        for head in range(attend.num_heads):
            part = slice(head * attend.head_dim, (head + 1) * attend.head_dim)
            total += (query[0, part] @ key[:, part].T * attend.head_dim**-0.5).softmax(dim=0) / attend.num_heads
        side = round((len(states) - 1) ** 0.5)
        numbers = torch.arange(1, len(states)).view(1, side, side, 1)
        for four in base.pixel_shuffle(numbers).view(-1, 4):  # which patches the model itself puts side by side
            found.append((total[four].mean().item(), key[four].mean(dim=0)))
    return found


def idefics_like(base, layer: int, inputs: dict) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token the mean attention that its patches get in their tile, and the mean of their keys."""
    found = []
    for total, key in mean_attention(base.vision_model.encoder.layers[layer].self_attn, lambda: base(**inputs)):
        factor = base.connector.scale_factor
        numbers = torch.arange(len(total)).view(1, -1, 1)
        for square in base.connector.pixel_shuffle(numbers, factor).view(-1, factor**2):  # as the model itself has it
            found.append((total[square].mean().item(), key[square].mean(dim=0)))
    return found


def expected_of(key: str, model, inputs: dict) -> dict[int, list[tuple[float, torch.Tensor]]]:
    base, layer, found = model.model, OBSERVED[key], {}
    if key == "llava":
        return {IMAGE_TOKEN: clip_like(base.vision_tower, layer, inputs["pixel_values"], False)}
    if key in ("llava_next", "llava_onevision"):
        return {IMAGE_TOKEN: anyres_like(base, layer, inputs)}
    if key == "internvl":
        return {IMAGE_TOKEN: internvl_like(base, layer, inputs["pixel_values"])}
    if key in ("idefics3", "smolvlm"):
        return {IMAGE_TOKEN: idefics_like(base, layer, inputs)}
    if key == "video_llava":
        if "pixel_values_images" in inputs:
            found[IMAGE_TOKEN] = clip_like(base.image_tower, layer, inputs["pixel_values_images"], False)
        if "pixel_values_videos" in inputs:
            frames = inputs["pixel_values_videos"].flatten(0, 1)
            found[VIDEO_TOKEN] = clip_like(base.video_tower, layer, frames, True)
        return found
    for token, pixels, grid in (
        (IMAGE_TOKEN, "pixel_values", "image_grid_thw"),
        (VIDEO_TOKEN, "pixel_values_videos", "video_grid_thw"),
    ):
        if pixels in inputs:
            found[token] = qwen_like(base.visual, layer, inputs[pixels], inputs[grid])
    return found


@pytest.mark.parametrize("way", ["forward", "generate", "uncached", "beams"])
@pytest.mark.parametrize("key, name", CASES)
def test_each_token_has_its_own_attention_and_key(key, name, way):
    model, inputs = TOWERS[key].model(), TOWERS[key].inputs(ROWS[name])
    expected = expected_of(key, model, inputs)
    method = Towering(r=0.6, layers=(0, 2))
    with method(model), torch.no_grad():
        if way == "forward":
            model(**inputs)
        else:
            model.generate(**inputs, **OPTIONS, use_cache=way != "uncached", num_beams=2 if way == "beams" else 1)
    assert len(method.seen) == 2
    ids = inputs["input_ids"].repeat_interleave(2 if way == "beams" else 1, dim=0)
    for prompt, tower in method.seen:
        left = {token: list(those) for token, those in expected.items()}
        for row in range(len(ids)):
            if way == "beams" and row % 2:
                continue
            tokens = [token for token in ids[row].tolist() if token in VISUAL]
            rows = [left[token].pop(0) for token in tokens]
            there = prompt.ordinals[row][prompt.ordinals[row] >= 0].tolist()
            torch.testing.assert_close(
                tower.attention[row, : len(there)], torch.tensor([rows[ordinal][0] for ordinal in there])
            )
            if there:
                torch.testing.assert_close(
                    tower.keys[row, : len(there)],
                    torch.stack([rows[ordinal][1] for ordinal in there]),
                    atol=1e-5,
                    rtol=1e-4,
                )
        assert not any(left.values()) and tower.has_cls == (key in ("llava", "video_llava", "llava_next", "internvl"))
        if way == "beams":
            assert torch.equal(tower.attention[::2], tower.attention[1::2])


@pytest.mark.parametrize("key", TOWERS)
def test_answers_are_those_of_the_masked_model_and_nothing_is_left_behind(key):
    model, inputs = TOWERS[key].model(), TOWERS[key].inputs(ROWS[list(TOWERS[key].prompts)[-1]])
    model.generate(**inputs, **OPTIONS)
    before = whole_state(model)
    with Towering(r=0.6, layers=(1,))(model) as trace:
        output = model.generate(**inputs, **OPTIONS)
    assert whole_state(model) == before
    with cuts_by_masking(model, trace, inputs["input_ids"], *VISUAL):
        expected = model.generate(**inputs, **OPTIONS)
    assert torch.equal(output.sequences, expected.sequences)
    with Towering(r=0, layers=(1,))(model):
        assert_same_answer(model.generate(**inputs, **OPTIONS), model.generate(**inputs, **OPTIONS), **EXACT)


def test_a_generate_that_failed_after_the_tower_leaves_nothing_for_the_next():
    model, method = model_of(), Towering(r=0.5, layers=(0,))
    first, second = llava_inputs(seed=0), llava_inputs(seed=1)
    with method(model):
        handle = model.model.language_model.register_forward_pre_hook(lambda *_: 1 / 0)
        model_hooks = model.model._forward_pre_hooks
        kept, model.model._forward_pre_hooks = model_hooks, {}  # fails before the prompt is begun
        with pytest.raises(ZeroDivisionError):
            model.generate(**first, **GREEDY)
        handle.remove()
        model.model._forward_pre_hooks = kept
        model.generate(**second, **GREEDY)
    (_, tower), *_ = method.seen
    expected = clip_like(model.model.vision_tower, -2, second["pixel_values"], False)
    torch.testing.assert_close(tower.attention[0], torch.tensor([score for score, _ in expected]))


def test_features_made_outside_are_refused():
    model, inputs = model_of(), llava_inputs()
    with torch.no_grad():
        features = model.get_image_features(inputs.pop("pixel_values"), return_dict=True)
    with Towering(layers=(1,))(model), pytest.raises(InvalidInputError, match="did not run"), torch.no_grad():
        model(**inputs, mm_encoder_outputs={"image": features})


def test_towers_that_cannot_be_observed_are_refused(monkeypatch):
    model = model_of()
    monkeypatch.setattr(model.config, "vision_feature_layer", 0)
    with pytest.raises(UnsupportedModelError, match="no layer"), Towering()(model):
        pass
    monkeypatch.setattr(type(family_of(model)), "tower_layer", Family.tower_layer)
    with pytest.raises(UnsupportedModelError, match="LLaVA"), Towering()(model):
        pass
    with METHODS["random"]()(model):
        pass


def test_no_map_of_a_picture_is_built_where_one_row_does(monkeypatch):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Shapes(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **kwargs or {})
            if isinstance(result, torch.Tensor):
                seen.add(tuple(result.shape))
            return result

    seen: set = set()
    model, inputs = model_of(), llava_inputs()
    with Towering(layers=(1,))(model), Shapes():
        model(**inputs)
    assert (1, 2, 1, 17) in seen and not [shape for shape in seen if shape[-2:] in ((17, 17), (16, 16))]


def test_pictures_read_one_by_one_are_those_read_together():
    """As by models that call their tower for each picture."""
    model, standin, method = STANDINS["llava"].model(), STANDINS["llava"], Towering(layers=(0,))
    inputs = standin.inputs([(2, PICTURE, 3, PICTURE, 4)])
    tower = model.model.vision_tower
    with method(model), torch.no_grad():
        model(**inputs)
        forward, pixels = tower.forward, inputs["pixel_values"]

        def one_by_one(_pixels, **kwargs):
            made = [forward(one[None], **kwargs) for one in pixels]
            together = made[0]
            layers = zip(*(one.hidden_states for one in made))  # those that were not asked for are None
            together.hidden_states = tuple(None if layer[0] is None else torch.cat(layer) for layer in layers)
            return together

        monkey = pytest.MonkeyPatch()
        monkey.setattr(tower, "forward", one_by_one)
        model(**inputs)
        monkey.undo()
    (_, together), (_, apart) = method.seen
    torch.testing.assert_close(together.attention, apart.attention)
    torch.testing.assert_close(together.keys, apart.keys)


def test_threads_do_not_see_each_others_towers():
    model, barrier = model_of(), threading.Barrier(2, timeout=60)
    prompts = [llava_inputs(seed=0), llava_inputs([(2, 0, 3, 0, 4)], seed=1)]
    method = Towering(r=0.5, layers=(1,))

    def answer(inputs):
        barrier.wait()
        return [model.generate(**inputs, **GREEDY).sequences for _ in range(4)]

    alone = []
    for inputs in prompts:
        with method(model):
            alone.append(model.generate(**inputs, **GREEDY).sequences)
    with method(model), ThreadPoolExecutor(2) as pool:
        together = list(pool.map(answer, prompts))
    for expected, found in zip(alone, together):
        assert all(torch.equal(one, expected) for one in found)
