"""The prober and the engine, written apart, keep the same tokens and give the same answers."""

from dataclasses import replace
from unittest import mock

import pytest
import torch
from transformers import CLIPVisionModel

from fastv import FastV
from fastv.loading.load import load
from fastv.measurement.prompt import prompt_of
from fastv.miniature.model.checkpoint import save
from fastv.miniature.next.evaluation.dataset import benchmark
from fastv.miniature.next.evaluation.exhibit import Exhibit, measure
from fastv.miniature.next.evaluation.lattice import lattice_scores
from fastv.miniature.next.evaluation.probe import Prober, Pruning
from fastv.miniature.next.model.architecture import DECODERS, tower_config
from fastv.miniature.next.model.tokenizer import build_processor
from fastv.miniature.next.training.decoder_stage import new_model
from fastv.miniature.next.world.question_templates import GROUPS
from fastv.miniature.next.world.rendering import picture
from fastv.miniature.next.world.scenes import GRID

pytestmark = pytest.mark.slow  # seconds each

LAYERS = 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, next_tokenizer):
    with mock.patch("fastv.miniature.next.model.tokenizer.build_tokenizer", lambda: next_tokenizer):
        processor = build_processor()
    torch.manual_seed(0)
    with mock.patch.dict(DECODERS, {"mini-7": replace(DECODERS["mini-7"], layers=LAYERS)}):
        tower = CLIPVisionModel(tower_config(width=64, layers=2, heads=1))
        model = new_model("mini-7", tower, processor.tokenizer)
    with torch.no_grad():  # attention that tells tokens apart, or the ranking would hang on rounding
        for layer in model.model.language_model.layers:
            layer.self_attn.q_proj.weight *= 8
            layer.self_attn.k_proj.weight *= 8
    folder = tmp_path_factory.mktemp("next") / "mini-7"
    save(model, processor, folder)
    return load(str(folder))


@pytest.fixture(scope="module")
def prober(loaded):
    items = [item for group in GROUPS for item in benchmark(group, 1)]
    return Prober(loaded.model, loaded.processor.tokenizer, items, batch=4)


@pytest.mark.parametrize(("k", "r"), [(2, 0.5), (3, 0.75)])
def test_the_engine_keeps_and_says_the_same(loaded, prober, k, r):
    kept = prober.kept(Pruning(k, r))
    said = prober.generate(range(len(prober.items)), Pruning(k, r), most=3)
    for row, item in enumerate(prober.items):
        prompt = prompt_of(loaded, picture(item.scene), item.question.text, answer_tokens=3)
        with torch.inference_mode(), FastV(k=k, r=r)(loaded.model) as trace:
            out = loaded.model.generate(**prompt.inputs, max_new_tokens=3, do_sample=False)
        theirs = trace.kept[0].flatten() - int(prompt.visual.nonzero()[0])
        assert torch.equal(kept[row].nonzero()[:, 0], theirs.cpu())
        text = loaded.processor.tokenizer.decode(
            out[0, prompt.inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert said[row] == text.strip()


def test_dropping_nothing_changes_nothing(prober):
    plain = prober.run().loss
    assert torch.equal(plain, prober.run(Pruning(2, 0.0)).loss)
    assert torch.allclose(plain, prober.run(Pruning(2, 0.0, "lattice", True)).loss, atol=1e-5)


@pytest.mark.parametrize("ranking", ["last", "max", "question", "random", "lattice"])
def test_every_ranking_keeps_as_many_as_it_should(prober, ranking):
    assert (prober.kept(Pruning(2, 0.9, ranking)).sum(1) == 58).all()
    assert (prober.kept(Pruning(2, 1.0, ranking)).sum(1) == 0).all()


def test_a_lattice_is_spread_evenly():
    scores = lattice_scores()
    for keep in (288, 144, 36):
        chosen = torch.zeros(GRID * GRID).index_fill(0, scores.topk(keep).indices, 1).view(4, 6, 4, 6).sum((1, 3))
        assert chosen.max() - chosen.min() <= 4


def test_shares_of_each_layer_sum_to_one(prober):
    shares = prober.shares()
    assert len(shares) == LAYERS
    assert all(sum(layer) == pytest.approx(1, abs=1e-5) for layer in shares)


def test_what_is_kept_is_told_by_what_it_shows(loaded):
    exhibit = Exhibit(loaded.processor.tokenizer, 6, groups=("captions",))
    captions = exhibit.probers(loaded.model, 4)["captions"]
    all_kept = exhibit.kept_by_content(captions, Pruning(2, 0.0))
    assert set(all_kept) == {"large", "small", "near", "far", "fixed"} and set(all_kept.values()) == {1.0}
    drawn = exhibit.kept_by_content(captions, Pruning(2, 0.5, "random"))
    assert all(0.3 < drawn[part] < 0.7 for part in ("large", "near", "far"))
    assert exhibit.kept_by_content(captions, Pruning(2, 0.5, "lattice"))["fixed"] == 1


def test_a_record_tells_which_question_was_right(loaded):
    exhibit = Exhibit(loaded.processor.tokenizer, 2, groups=("captions", "OCR"))
    record = measure(exhibit, loaded.model, [None, Pruning(2, 0.5)], batch=4)
    assert [point["pruning"] for point in record["points"]][0] is None
    assert set(record["points"][1]["right"]) == {"captions", "OCR"}
    assert 0 <= record["points"][0]["share"]["caption F1"] < 1
    assert {len(group["task"]) for group in exhibit.questions()["groups"].values()} == {2}
