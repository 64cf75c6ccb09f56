"""Training's forward passes give what transformers' models give."""

import pytest
import torch
from transformers import CLIPVisionModel

from fastv.miniature.next.model.architecture import tower_config
from fastv.miniature.next.model.tokenizer import IMAGE, OPENING
from fastv.miniature.next.training.decoder_stage import Auxiliary, DecoderTrainer, new_model, pooled, see
from fastv.miniature.next.training.fast_forward import Kernels, tower_layer, tower_states
from fastv.miniature.next.training.packing import NO_TARGET, Questioner
from fastv.miniature.next.world.rendering import normalised, parameters, render
from fastv.miniature.next.world.scenes import GRID, scene


@pytest.fixture(scope="module")
def tokenizer(next_tokenizer):
    return next_tokenizer


@pytest.fixture(scope="module")
def trainer(tokenizer):
    torch.manual_seed(0)
    tower = CLIPVisionModel(tower_config()).eval()
    return DecoderTrainer(new_model("mini-7", tower, tokenizer), tokenizer, Kernels.plain(), Auxiliary()).eval()


@pytest.fixture(scope="module")
def batch(tokenizer):
    return Questioner(tokenizer)([scene(1), scene(5)]).to("cpu")


@pytest.fixture
def caught(monkeypatch):
    """The vocabulary's logits at every text token, caught on their way into the figures."""
    found = {}
    monkeypatch.setattr(
        "fastv.miniature.next.training.decoder_stage._right", lambda logits, _: found.update(logits=logits) or {}
    )
    return found


@torch.no_grad()
def test_the_towers_states_are_those_of_transformers():
    tower = CLIPVisionModel(tower_config()).eval()
    pixels = normalised(render(parameters([scene(2)]).to("cpu"))[0])
    theirs = tower(pixel_values=pixels, output_hidden_states=True).hidden_states
    for ours, other in zip(tower_states(tower, pixels, tower_layer), theirs, strict=True):
        assert torch.allclose(ours, other, atol=1e-5)


@torch.no_grad()
def test_a_packed_question_is_answered_as_if_asked_alone(trainer, tokenizer, batch, caught):
    model = trainer.model
    seen = see(model.model.vision_tower, batch.scenes, torch.float32, Kernels.plain())
    trainer(batch, seen, answers=True)
    ours = caught["logits"]
    pixels = normalised(render(batch.scenes)[0])
    prefix = tokenizer(OPENING.replace(IMAGE, IMAGE * GRID * GRID)).input_ids
    for row, number in ((0, 1), (0, 7), (1, int(batch.block[1].max()))):
        at = torch.nonzero(batch.block[row] == number)[:, 0]
        ids = torch.cat([torch.tensor(prefix), batch.ids[row, at]])[None]
        theirs = model(input_ids=ids, pixel_values=pixels[row : row + 1]).logits[0, -len(at) :]
        assert torch.allclose(ours[row, at], theirs, atol=1e-4)


@torch.no_grad()
def test_half_resolution_leaves_a_quarter_of_the_tokens(trainer, batch):
    seen = see(trainer.model.model.vision_tower, batch.scenes, torch.float32, Kernels.plain())
    half = pooled(seen)
    assert half.features.shape[1] == seen.features.shape[1] // 4
    assert torch.allclose(half.features[0, 0], seen.features[0, [0, 1, GRID, GRID + 1]].mean(0), atol=1e-6)
    loss, figures = trainer(batch, half)
    assert loss.isfinite() and {"naming", "keeping", "grounding"} <= set(figures)


def test_helping_losses_are_gone_in_the_end(trainer, batch):
    seen = see(trainer.model.model.vision_tower, batch.scenes, torch.float32, Kernels.plain())
    with torch.no_grad():
        loss, figures = trainer(batch, seen, progress=0.99)
    assert set(figures) == {"loss"} and torch.equal(loss, figures["loss"])


def test_targets_are_the_next_tokens(batch):
    asked = batch.target != NO_TARGET
    inside = asked[:, :-1] & asked[:, 1:] & (batch.block[:, :-1] == batch.block[:, 1:])
    assert inside.any() and torch.equal(batch.target[:, :-1][inside], batch.ids[:, 1:][inside])
    assert (batch.weight[asked] > 0).all() and (batch.weight[~asked] == 0).all()
