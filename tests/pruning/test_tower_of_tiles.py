"""Towers that read square tiles without a class token: each visual token has what its own patches get and show."""

from __future__ import annotations

import pytest
import torch

from tests.support.cutting_methods import Towering
from tests.support.masked_reference import GREEDY
from tests.support.standins import END, FURTHER_STANDINS, IMAGE_TOKEN, PICTURE, START, WIDE

ROWS = [(2, WIDE, 3, PICTURE, 4), (5, PICTURE, 3)]
OPTIONS = GREEDY | dict(max_new_tokens=2, suppress_tokens=[2, START, END, IMAGE_TOKEN])


def deepseek(base) -> tuple:
    return base.vision_model, base.vision_model.encoder.layers[-1].self_attn, 1


def ovis(base) -> tuple:
    return base.vision_tower, base.vision_tower.transformer.encoder.layers[-1].attention, 2


def molmo(base) -> tuple:
    return base.vision_tower, base.vision_tower.layers[2].self_attn, 0


#: The tower, the attention of the layer whose output the model reads, and patches along a visual token's side, 0 where
#: the inputs tell which patches each is made of.
OBSERVED = {"deepseek_vl": deepseek, "molmo2": molmo, "ovis2": ovis}


def squares(tiles: int, patches: int, stride: int) -> list[list[int]]:
    """The patches of each visual token, counted over all tiles."""
    side = round(patches**0.5)
    corners = [(row, column) for row in range(0, side, stride) for column in range(0, side, stride)]
    return [
        [tile * patches + (row + down) * side + column + across for down in range(stride) for across in range(stride)]
        for tile in range(tiles)
        for row, column in corners
    ]


def expected(key: str, model, inputs: dict) -> list[tuple[float, torch.Tensor]]:
    """Of each visual token the mean attention that its patches get, and their mean key, one tile, head and token after
    the other.
    """
    tower, attend, stride = OBSERVED[key](model.model)
    seen: dict = {}
    handle = attend.register_forward_pre_hook(
        lambda _, args, kwargs: seen.update(states=args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    with torch.no_grad():
        tower(inputs["pixel_values"])
        handle.remove()
        got, keys = [], []
        for states in seen["states"]:
            query, key_, heads = attend.q_proj(states), attend.k_proj(states), 0
            paid = torch.zeros(len(states))
            for start in range(0, query.shape[1], attend.head_dim):
                part, heads = slice(start, start + attend.head_dim), heads + 1
                paid += (query[:, part] @ key_[:, part].T * attend.head_dim**-0.5).softmax(dim=1).mean(dim=0)
            got.append(paid / heads)
            keys.append(key_)
        count, patches = len(got), len(got[0])
        all_got, all_keys = torch.cat(got), torch.cat(keys)
        owned = squares(count, patches, stride) if stride else inputs["image_token_pooling"].tolist()
        own = [[patch for patch in patches if patch >= 0] for patches in owned]
        return [(all_got[some].mean().item(), all_keys[some].mean(dim=0)) for some in own]


@pytest.mark.parametrize("way", ["forward", "generate"])
@pytest.mark.parametrize("key", OBSERVED)
def test_each_token_has_the_attention_and_the_key_of_its_patches(key, way):
    standin = FURTHER_STANDINS[key]
    model, inputs = standin.model(), standin.inputs(ROWS)
    tokens = expected(key, model, inputs)
    method = Towering(r=0.6, layers=(0, 2))
    with method(model), torch.no_grad():
        model(**inputs) if way == "forward" else model.generate(**inputs, **OPTIONS)
    assert len(method.seen) == 2
    counts = (inputs["input_ids"] == IMAGE_TOKEN).sum(dim=1).tolist()
    assert sum(counts) == len(tokens)
    for prompt, tower in method.seen:
        assert not tower.has_cls
        for row, start in enumerate((0, counts[0])):
            there = prompt.ordinals[row][prompt.ordinals[row] >= 0].tolist()
            attention = torch.tensor([tokens[start + ordinal][0] for ordinal in there])
            torch.testing.assert_close(tower.attention[row, : len(there)], attention)
            keys = torch.stack([tokens[start + ordinal][1] for ordinal in there])
            torch.testing.assert_close(tower.keys[row, : len(there)], keys, atol=1e-5, rtol=1e-4)
