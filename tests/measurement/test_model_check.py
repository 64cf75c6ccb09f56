"""The check of a model on the spot: exact models pass, and what is not exact does not."""

from __future__ import annotations

import contextlib
import json

import pytest
import torch

from fastv.cli.main import run
from fastv.measurement import model_check
from fastv.measurement.model_check import check
from tests.support.masked_reference import dropped_by_masking
from tests.support.standins import PICTURE, STANDINS, save_llava_checkpoint


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_exact_model_is_found_exact(dtype):
    standin = STANDINS["llava"]
    model, inputs = standin.model(dtype=dtype), standin.inputs([(5, PICTURE, 7)], dtype=dtype)
    found = check(model, inputs)
    assert found.exact and found.worst <= found.tolerance and found.geometry and found.ranks_by_attention
    assert [one.k for one in found.layers] == [0, 1, 2, 3] and found.visual_tokens == 16
    assert {one.method for one in found.layers} == {"random", "fastv"}
    assert json.loads(json.dumps(found.to_dict()))["exact"]


def test_the_reference_is_the_one_of_the_tests():
    """Two references, written apart, mask alike."""
    standin = STANDINS["llava"]
    model, inputs = standin.model(), standin.inputs([(5, PICTURE, 7), (2, PICTURE, 3, PICTURE, 4)])
    dropped = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    dropped[:, -12:-8] = True
    with torch.no_grad():
        with dropped_by_masking(model, 1, dropped):
            expected = model(**inputs).logits
        with model_check.dropped_by_masking(model.model.language_model, 1, dropped):
            ours = model(**inputs).logits
    assert torch.equal(ours, expected)


def test_pruning_at_another_layer_is_not_exact(monkeypatch):
    reference = model_check.dropped_by_masking
    monkeypatch.setattr(
        model_check, "dropped_by_masking", lambda decoder, k, dropped: reference(decoder, min(k + 1, 3), dropped)
    )
    standin = STANDINS["llava"]
    found = check(standin.model(), standin.inputs([(5, PICTURE, 7)]), ks=[0, 2])
    assert not found.exact and found.worst > found.tolerance


def test_a_check_that_drops_nothing_proves_nothing(monkeypatch):
    monkeypatch.setattr(model_check, "dropped_by_masking", lambda *_: contextlib.nullcontext())
    standin = STANDINS["llava"]
    assert not check(standin.model(), standin.inputs([(5, 7)]), ks=[2]).exact


def test_the_command_checks_a_folder(tmp_path, capsys):
    save_llava_checkpoint(tmp_path)
    assert run(["models", "--check", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["exact"] and told["family"] == "LLaVA" and told["decoder_layers"] == 4
    assert run(["models", "--check", str(tmp_path)]) == 0
