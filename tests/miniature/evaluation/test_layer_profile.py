"""Attention and withdrawal are read from the model as it is, and leave it so."""

import numpy as np
import pytest
import torch

from fastv.loading.load import load
from fastv.measurement.attention_map import PARTS, attention_map
from fastv.measurement.prompt import prompt_of
from fastv.miniature.evaluation.attention_profile import CELLS, attention_profile, unrotated_scores
from fastv.miniature.evaluation.batched_generation import BatchedEvaluator
from fastv.miniature.evaluation.dataset import benchmark
from fastv.miniature.evaluation.layer_profile import earlier, withdrawal, write
from fastv.pruning.attention_tap import observing


@pytest.fixture(scope="module")
def mini():
    return load("mini-7")


@pytest.fixture(scope="module")
def items():
    return benchmark(3, 1)


def test_a_profile_is_of_all_layers_and_leaves_the_model_alone(mini, items):
    layers = mini.model.model.language_model.layers
    configs = [layer.self_attn.config for layer in layers]
    record = attention_profile(mini, items).record()
    for shares in (record["attention"], record["answer_attention"]):
        assert len(shares) == len(layers) and all(tuple(layer) == PARTS for layer in shares)
        assert all(sum(layer.values()) == pytest.approx(1, abs=3e-4) for layer in shares)
    for cells in (record["kept_cells"], record["kept_cells_unrotated"]):
        assert np.shape(cells) == (len(layers), CELLS, CELLS)
        np.testing.assert_allclose(np.mean(cells, (1, 2)), 500, atol=1)
    patches = np.mean([item.scene.owners >= 0 for item in items])
    assert np.mean(record["thing_cells"]) / 1000 == pytest.approx(patches, abs=1e-3)
    assert [layer.self_attn.config for layer in layers] == configs
    assert not any(layer.self_attn._forward_pre_hooks for layer in layers)


def test_shares_follow_the_attention_of_the_layer(mini, items):
    """With a query of zeros a layer attends to all tokens alike: the picture's share is its share of the tokens."""
    query = mini.model.model.language_model.layers[1].self_attn.q_proj.weight
    kept = query.detach().clone()
    with torch.no_grad():
        query.zero_()
    try:
        record = attention_profile(mini, items[:1]).record()
    finally:
        with torch.no_grad():
            query.copy_(kept)
    assert 0.9 < record["attention"][1]["image"] < 0.99  # 576 of some 600 tokens


def test_unrotated_scores_are_those_of_the_projections(mini, items):
    """In layer 0 queries and keys without their rotation are the projections of the embeddings."""
    prompt = prompt_of(mini, items[0].scene.picture, items[0].question.text, answer_tokens=1)
    layer, seen = mini.model.model.language_model.layers[0], {}
    hook = layer.self_attn.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.update(states=kwargs["hidden_states"]), with_kwargs=True
    )
    with torch.inference_mode(), observing(layer.self_attn, lambda *shown: seen.update(scaling=shown[3])):
        mini.model(**prompt.inputs, use_cache=False)
        hook.remove()
        width = layer.self_attn.head_dim
        query, key = (
            part(seen["states"])[0].unflatten(-1, (-1, width)).transpose(0, 1)
            for part in (layer.self_attn.q_proj, layer.self_attn.k_proj)
        )
        key = key.repeat_interleave(len(query) // len(key), 0)
        row = (query[:, -1:] @ key.transpose(1, 2) * seen["scaling"]).softmax(-1).mean(0)[0]
    found = unrotated_scores(mini, prompt)
    torch.testing.assert_close(found[0], row[prompt.visual], atol=1e-5, rtol=1e-3)
    rotated = attention_map(mini, prompt).image(prompt.tokens - 1)
    assert not torch.allclose(found, rotated, atol=1e-3)


@pytest.mark.slow
def test_withdrawing_the_picture_from_the_last_layer_on_keeps_more_than_from_the_second(mini):
    evaluator = BatchedEvaluator(mini, benchmark(8, 1))
    unpruned, early, late = (withdrawal(evaluator, k) for k in (None, 1, 7))
    assert [len(point["right"]) for point in (unpruned, early, late)] == [2, 2, 2]  # a bit for each of eight

    def right(point):
        return int(point["right"], 16).bit_count()

    assert right(unpruned) >= right(late) > right(early)


def test_only_what_was_asked_alike_goes_on(tmp_path):
    record = {"model": "m", "weights": "w", "task_names": ["where"], "tasks": [0, 0]}
    path = tmp_path / "layers" / "m.json"
    assert earlier(path, record) == {}
    write({**record, "withdrawn": [1]}, path)
    assert earlier(path, record)["withdrawn"] == [1]
    assert earlier(path, {**record, "tasks": [0]}) == {} == earlier(path, {**record, "weights": "x"})
