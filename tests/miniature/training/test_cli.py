import sys

import pytest
import torch
from transformers import CLIPVisionModel

from fastv.loading.load import load
from fastv.miniature.model.architecture import tower_config
from fastv.miniature.training import cli, decoder_stage
from fastv.miniature.training.trainer import StageConfig, train
from fastv.miniature.world.scenes import scene

pytestmark = pytest.mark.slow


def test_the_whole_pipeline_ends_in_a_checkpoint_that_loads(tmp_path, monkeypatch, processor):
    monkeypatch.setattr(cli, "build_processor", lambda: processor)  # training its tokenizer takes seconds
    monkeypatch.setattr(
        sys, "argv", ["train", "mini-7", "--smoke", "--runs", str(tmp_path), "--output", str(tmp_path / "mini")]
    )
    cli.main()
    assert all(file.stat().st_size < 10_000_000 for file in (tmp_path / "mini").iterdir())
    assert (tmp_path / "mini" / "curves.csv").read_text() == "stage\n"  # two steps are too few for a line
    loaded = load(str(tmp_path / "mini"))
    assert all(torch.equal(weight, weight.bfloat16().float()) for weight in loaded.model.parameters())
    prompt = loaded.family.prompt(loaded.processor, "Where is the dog?")
    inputs = loaded.processor(images=scene(1).picture, text=prompt, return_tensors="pt")
    assert int((inputs["input_ids"] == loaded.model.config.image_token_id).sum()) == 576
    assert loaded.model.generate(**inputs, max_new_tokens=2).shape[1] > inputs["input_ids"].shape[1]


def test_no_decoder_gets_a_scene_twice(tmp_path, monkeypatch, processor):
    drawn = []
    monkeypatch.setattr(decoder_stage, "batches", lambda example, size, skip: drawn.append(range(skip, skip + size)))
    monkeypatch.setattr(
        decoder_stage,
        "train",
        lambda trainer, loss, feed, plan, folder: [feed(step * plan.pictures) for step in range(plan.steps)],
    )
    tokenizer = processor.tokenizer
    model = decoder_stage.new_model("mini-7", CLIPVisionModel(tower_config()), tokenizer)
    decoder_stage.train_decoder(
        model,
        tokenizer,
        [StageConfig(3, pictures=2), StageConfig(2, pictures=4), StageConfig(1, pictures=3), StageConfig(2)],
        tmp_path,
    )
    assert [number for some in drawn for number in some] == list(range(3 * 2 + 2 * 4 + 3 + 2 * 16))


def test_other_words_are_learnt_where_words_are_read_and_what_is_seen_stays(tmp_path, monkeypatch, processor):
    monkeypatch.setattr(decoder_stage, "QUESTIONS", 2)
    tokenizer = processor.tokenizer
    model = decoder_stage.new_model("mini-7", CLIPVisionModel(tower_config()), tokenizer)
    before = {name: weight.detach().bfloat16() for name, weight in model.named_parameters()}
    plans = [
        StageConfig(1),
        StageConfig(1),
        StageConfig(1),
        StageConfig(1, pictures=1, warmup=1, weight_decay=0.0, half=True),
    ]
    decoder_stage.train_decoder(model, tokenizer, plans, tmp_path, only="wording")
    assert [folder.name for folder in tmp_path.iterdir()] == ["wording"]
    changed = {
        name for name, weight in model.named_parameters() if not torch.equal(weight.float(), before[name].float())
    }
    reading = ("model.language_model.embed_tokens.", "model.language_model.layers.0.", "model.language_model.layers.1.")
    assert changed == {name for name in before if name.startswith(reading)}


def test_a_later_stage_alone_needs_weights_to_begin_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "mini-7", "--stage", "wording", "--runs", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "--start" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_run_that_began_from_other_weights_is_not_gone_on_with(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "model.safetensors").write_text(folder.name)
    cli._begin(tmp_path / "run", first)
    cli._begin(tmp_path / "run", first)  # an interrupted one goes on
    for other in (second, None):
        with pytest.raises(SystemExit, match="--runs"):
            cli._begin(tmp_path / "run", other)
    (first / "model.safetensors").write_text("what the run made of it")
    with pytest.raises(SystemExit, match="--runs"):
        cli._begin(tmp_path / "run", first)


@pytest.mark.parametrize("half", [False, True])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, half):
    batches = [torch.randn(4, 3, generator=torch.Generator().manual_seed(step)) for step in range(6)]

    def run(folder, stop_after=None):
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 1)
        plan = StageConfig(6, pictures=1, warmup=2, save_every=1, half=half)

        def feed(skip):
            yield from batches[skip:stop_after]

        def loss(batch):
            value = (module(batch.to(module.weight.dtype)).float() - 1).pow(2).mean()
            return value, {"loss": value.item()}

        try:
            train(module, loss, feed, plan, folder)
        except StopIteration:
            return None
        return module

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "broken", stop_after=3) is None
    resumed = run(tmp_path / "broken")
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)
