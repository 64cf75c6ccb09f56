"""The GPU benchmark, tried on a CPU with tiny models: it agrees with masking, and one failure loses nothing else."""

from __future__ import annotations

import json

import pytest
import torch

from tests.support.benchmark_scripts import script

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gpu():
    with script("gpu") as module:
        yield module


def run(gpu, folder, *more: str) -> dict:
    file = folder / "gpu.json"
    gpu.main(["--smoke", "--device", "cpu", "--output", str(file), *more])
    return json.loads(file.read_text())


@pytest.mark.slow
def test_the_engine_agrees_with_masking_in_every_dtype(gpu, tmp_path):
    (part,) = run(gpu, tmp_path, "--only", "small models")["parts"]
    served = [one for one in part["result"] if "error_message" not in one]
    assert {(one["model"], one["dtype"]) for one in served} >= {
        (model, dtype) for model in ("llava-1.5-7b", "qwen2.5-vl-7b") for dtype in ("float32", "float16", "bfloat16")
    }
    for one in served:
        assert one["agrees"] and one["relative_difference"] < one["effect_of_dropping"] / 10
        assert one.get("kept_as_by_reference", True)


@pytest.mark.slow
def test_prefill_is_told_beside_what_the_flops_predict(gpu, tmp_path):
    record = run(gpu, tmp_path, "--only", "prefill 7B, batch 1")
    (part,) = record["parts"]
    baseline, nearly_all, half, *_ = part["result"]["sides"]
    assert baseline["speedup"] == 1 and (half["k"], half["r"]) == (2, 0.5)
    assert nearly_all["r"] == pytest.approx(1 / part["result"]["visual_tokens"])
    assert half["speedup_by_flops"] == pytest.approx(baseline["prefill_flops"] / half["prefill_flops"])
    assert half["peak_bytes"] > 0 and record["machine"]["torch"] == torch.__version__
    assert record["command"].endswith("'prefill 7B, batch 1'")


def test_a_part_that_fails_is_recorded_and_the_next_one_runs(gpu, tmp_path, monkeypatch):
    def broken(bench):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu, "parts", lambda bench: [("first", lambda: broken(bench)), ("second", lambda: {"a": 1})])
    first, second = run(gpu, tmp_path)["parts"]
    assert first["error"] == "RuntimeError: no such kernel" and second["result"] == {"a": 1}


def test_no_part_begins_when_the_time_is_over(gpu, tmp_path):
    parts = run(gpu, tmp_path, "--seconds", "-1")["parts"]
    assert len(parts) > 10 and all("skipped" in part for part in parts)
    chosen = run(gpu, tmp_path, "--seconds", "-1", "--only", "parity", "decoding")["parts"]
    names = [part["part"] for part in parts]
    assert [part["part"] for part in chosen] == [name for name in names if "parity" in name or "decoding" in name]


@pytest.mark.parametrize("padding", [0, 12])
def test_prompts_have_one_picture_and_their_padding_on_the_left(gpu, padding):
    from random_models import build, config_of, prompt

    model = build(config_of("qwen2.5-vl-7b", small=True), torch.device("cpu"), torch.float32)
    given = prompt(model, text=36, grid=4, batch=3, padding=padding)
    ids = given.inputs["input_ids"]
    visual = ids == model.config.image_token_id
    assert ids.shape == (3, 36 + 16) and visual.sum(dim=1).tolist() == [16] * 3 and not visual[:, -1].any()
    if padding:
        mask = given.inputs["attention_mask"]
        assert (mask.diff(dim=1) >= 0).all() and (mask == 0).sum(dim=1).tolist() == [0, 6, 12]
