"""The loop ends when it should, recovers from divergence, and what it keeps can be taken up again."""

from dataclasses import replace

import pytest
import torch
from transformers import CLIPVisionModel

from fastv.miniature.next.model.architecture import DECODERS, tower_config
from fastv.miniature.next.training import runs
from fastv.miniature.next.training.fast_forward import Kernels
from fastv.miniature.next.training.optimizer import Muon, orthogonalized
from fastv.miniature.next.training.runs import (
    TrainingMachine,
    Variant,
    kept_model,
    kept_tower,
    train_decoders,
    train_tower,
)
from fastv.miniature.next.training.tower_stage import HEADS, TowerTrainer
from fastv.miniature.next.training.trainer import Learner, Schedule, train
from fastv.miniature.next.world.rendering import parameters, render
from fastv.miniature.next.world.scenes import scene

pytestmark = pytest.mark.slow  # seconds each


def test_orthogonalized_matrices_have_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((3, 20, 50), (3, 50, 20)):
        values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)))
        assert values.min() > 0.6 and values.max() < 1.25


def test_muon_finds_a_matrix():
    torch.manual_seed(0)
    target = torch.randn(2, 12, 8)
    weights = [torch.zeros(12, 8, requires_grad=True) for _ in range(2)]
    optimizer = Muon(weights, 0.1)
    for step in range(150):
        optimizer.zero_grad()
        loss = sum((weight - goal).square().sum() for weight, goal in zip(weights, target, strict=True))
        loss.backward()
        optimizer.step(1 - step / 150)
    assert loss < 0.05 * target.square().sum()


class Layers(torch.nn.Module):
    """A line to learn; its matrix has the name that hidden layers have."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4)])

    def loss(self, inputs):
        return (self.layers[0](inputs) - 2 * inputs).square().mean()


def run(folder, schedule, poison=None, muon=0.02):
    torch.manual_seed(0)
    module = Layers()
    learner = Learner("line", module, 1e-2, muon)
    seen = []

    def losses(inputs, progress, report):
        seen.append(progress)
        loss = module.loss(inputs)
        if poison and len(seen) == poison:
            loss = loss * float("nan")
        yield learner, loss, {"loss": loss.detach()}

    def feed():
        while True:
            yield torch.randn(32, 4)

    steps = train([learner], losses, feed(), schedule, folder)
    with torch.no_grad():
        return module.loss(torch.randn(256, 4)), steps, seen, learner


def test_a_schedule_by_steps_learns_and_ends(tmp_path):
    loss, steps, seen, _ = run(tmp_path, Schedule(steps=300, warmup=10))
    assert steps == len(seen) == 300 and loss < 1  # it begins above 4
    assert len((tmp_path / "curve-line.jsonl").read_text().splitlines()) == 5


def test_a_schedule_by_the_clock_ends(tmp_path):
    _, steps, seen, _ = run(tmp_path, Schedule(seconds=0.3, warmup=10))
    assert steps > 10 and seen == sorted(seen) and seen[-1] < 1


@pytest.mark.parametrize("muon", [0.0, 0.02])
def test_after_a_divergence_training_goes_on_from_the_best_weights(tmp_path, muon):
    loss, _, _, learner = run(tmp_path, Schedule(steps=400, warmup=10, log_every=20), poison=130, muon=muon)
    assert loss.isfinite() and loss < 1 and learner.scale == 0.5


def test_two_steps_of_everything_and_its_weights_taken_up_again(tmp_path, monkeypatch, next_tokenizer):
    monkeypatch.setattr(runs, "tower_config", lambda: tower_config(width=64, layers=3, heads=1))
    monkeypatch.setitem(DECODERS, "mini-7", replace(DECODERS["mini-7"], layers=4))
    schedule = Schedule(steps=2, batch=1, warmup=1, log_every=1)
    tower = train_tower(schedule, TrainingMachine(workers=0), tmp_path, probe_scenes=2)
    variants = [Variant("mini-7", "mini-7", coarse=0.5)]
    model = train_decoders(variants, tower, next_tokenizer, schedule, TrainingMachine(workers=0), tmp_path)["mini-7"]
    again = kept_model("mini-7", tmp_path / "mini-7.pt", kept_tower(tmp_path / "tower.pt"), next_tokenizer)
    for (name, weight), other in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(weight.half(), other.half()), name
    assert again.model.vision_tower.config.num_hidden_layers == 3


@pytest.mark.parametrize("tell", ["class", "things", "anywhere"])
def test_patches_that_must_tell_are_of_the_kind_that_was_asked_for(tell):
    scenes = parameters([scene(seed) for seed in range(3)]).to("cpu")
    trainer = TowerTrainer(CLIPVisionModel(tower_config()), Kernels.plain(), tell)
    owners = render(scenes)[1]
    marked = torch.where(owners >= 0, 1.0, 0.0)[..., None].expand(-1, -1, 4)  # states that say whether a thing is there
    share = trainer._sampled(marked, owners).mean()
    assert share == 1 if tell == "things" else 0.02 < share < 0.5
    loss, figures = trainer(scenes, torch.float32)
    loss.backward()
    assert loss.isfinite() and (trainer.patch_bag.weight.grad is None) == (tell == "class")
    assert set(HEADS) <= set(figures)


def test_an_unknown_choice_of_telling_tokens_is_refused():
    with pytest.raises(ValueError, match="sometimes"):
        TowerTrainer(CLIPVisionModel(tower_config()), Kernels.plain(), "sometimes")
