import sys

import pytest
import torch

from fastv.miniature import train
from fastv.miniature.loop import Plan, learn
from fastv.miniature.scenes import scene
from fastv.models.loading import load


def test_the_whole_pipeline_ends_in_a_checkpoint_that_loads(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train", "mini-7", "--smoke", "--runs", str(tmp_path), "--output", str(tmp_path / "mini")])
    train.main()
    assert all(file.stat().st_size < 10_000_000 for file in (tmp_path / "mini").iterdir())
    loaded = load(str(tmp_path / "mini"))
    prompt = loaded.family.prompt(loaded.processor, "Where is the dog?")
    inputs = loaded.processor(images=scene(1).picture, text=prompt, return_tensors="pt")
    assert int((inputs["input_ids"] == loaded.model.config.image_token_id).sum()) == 576
    assert loaded.model.generate(**inputs, max_new_tokens=2).shape[1] > inputs["input_ids"].shape[1]


@pytest.mark.parametrize("half", [False, True])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, half):
    batches = [torch.randn(4, 3, generator=torch.Generator().manual_seed(step)) for step in range(6)]

    def run(folder, stop_after=None):
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 1)
        plan = Plan(6, pictures=1, warmup=2, save_every=1, half=half)

        def feed(skip):
            yield from batches[skip:stop_after]

        def loss(batch):
            value = (module(batch.to(module.weight.dtype)).float() - 1).pow(2).mean()
            return value, {"loss": value.item()}

        try:
            learn(module, loss, feed, plan, folder)
        except StopIteration:
            return None
        return module

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "broken", stop_after=3) is None
    resumed = run(tmp_path / "broken")
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)
