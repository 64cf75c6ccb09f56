"""``fastv cost`` and ``fastv budget``: the figures of the arithmetic, for any config."""

from __future__ import annotations

import json

import pytest

from fastv.cli.main import run
from fastv.costs.flops import cost, prefill_flops
from fastv.costs.solver import Workload
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.pruning.methods.registry import METHODS


def answered(capsys, *arguments):
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_both_sides_are_the_computed_ones(capsys):
    told = answered(capsys, "cost", "llava-1.5-13b", "-k", "3", "-r", "0.75", "--answer-tokens", "20")
    config = REFERENCE_CONFIGS["llava-1.5-13b"]
    prompt = {"text_tokens": 36, "visual_tokens": 576, "answer_tokens": 20}
    ranking = told["pruned"]["method_flops"]
    assert ranking > 0 and told["pruned"]["total_flops"] == cost(config, **prompt, k=3, r=0.75).total_flops + ranking
    assert told["baseline"]["total_flops"] == cost(config, **prompt, k=None, r=0.0).total_flops
    assert (told["k"], told["r"], told["convention"], told["visual_tokens"]) == (3, 0.75, "exact", 576)


def test_a_config_file_and_its_folder_give_what_the_catalogue_gives(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(REFERENCE_CONFIGS["llava-1.5-7b"]))
    by_name = answered(capsys, "cost", "llava-1.5-7b")
    for path in (tmp_path, tmp_path / "config.json"):
        by_path = answered(capsys, "cost", str(path))
        assert by_path["pruned"] == by_name["pruned"]


def test_images_bring_their_visual_tokens(capsys):
    assert answered(capsys, "cost", "llava-1.5-7b", "--images", "2")["visual_tokens"] == 2 * 576
    assert answered(capsys, "cost", "llava-1.5-7b", "--visual-tokens", "100")["visual_tokens"] == 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["cost", "no-such-model"],
        ["cost", "llava-1.5-7b", "-k", "99"],
        ["cost", "llava-1.5-7b", "-r", "1.5"],
        ["cost", "llava-1.5-7b", "-r", "nan"],
        ["cost", "llava-1.5-7b", "--text-tokens", "-1"],
        ["cost", "llava-1.5-7b", "--batch", "0"],
        ["cost", "llava-1.5-7b", "--answer-tokens", "100000000"],
        ["budget", "llava-1.5-13b", "--ratio", "0"],
        ["budget", "llava-1.5-13b", "--ratio", "nan"],
        ["budget", "llava-1.5-13b", "--like", "no-such-model"],
        ["budget", "llava-1.5-13b", "-k", "99"],
    ],
)
def test_what_cannot_be_costed_is_refused(arguments, capsys):
    assert run(arguments) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.strip().splitlines()) == 1
    assert "Traceback" not in streams.err


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"model_type": "unheard-of"}', "\x00\xff"])
def test_a_config_that_cannot_be_read_is_refused(tmp_path, capsys, content):
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    assert run(["cost", str(path)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_the_text_holds_the_same_figures(capsys):
    assert run(["cost", "llava-1.5-7b"]) == 0
    told = capsys.readouterr().out
    assert "KV cache" in told
    assert "K=2, R=50%" in told


def test_the_r_of_a_budget_costs_no_more_than_the_other_model(capsys):
    told = answered(capsys, "budget", "llava-1.5-13b", "--like", "llava-1.5-7b", "-k", "2", "5")
    limit = prefill_flops(REFERENCE_CONFIGS["llava-1.5-7b"], r=0.0)
    assert told["target"]["amount"] == limit
    assert [row["k"] for row in told["rows"]] == [2, 5]
    for row in told["rows"]:
        spent = Workload().cost(REFERENCE_CONFIGS["llava-1.5-13b"], row["k"], row["r"], "paper").decoder_prefill_flops
        assert 0.99 * limit < spent <= limit


def test_a_layer_too_late_for_the_budget_is_said_so(capsys):
    (row,) = answered(capsys, "budget", "llava-1.5-13b", "-k", "39")["rows"]
    assert row["reachable"] is False
    assert run(["budget", "llava-1.5-13b", "-k", "39"]) == 0
    assert "not reachable" in capsys.readouterr().out


def test_a_ratio_scales_the_target(capsys):
    whole, half = (
        answered(capsys, "budget", "llava-1.5-13b", "--ratio", ratio, "-k", "2")["target"]["amount"]
        for ratio in ("1", "0.5")
    )
    assert half == whole / 2


def test_advice_is_the_advisers(capsys):
    told = answered(capsys, "advise", "llava-1.5-13b", "--may-lose", "1", "--batch", "16")
    assert (told["kind"], told["loss"]["k"], told["loss"]["r"], told["answer_tokens"]) == ("use", 2, 0.75, 64)
    for wrong in (["--device", "abacus"], ["--may-lose", "-1"]):
        assert run(["advise", "llava-1.5-13b", *wrong]) == 1


def test_each_method_is_costed_by_its_own_schedule(capsys):
    told = {name: answered(capsys, "cost", "llava-1.5-7b", "--method", name, "-k", "0") for name in METHODS}
    told["fastv"] = answered(capsys, "cost", "llava-1.5-7b", "-k", "2")
    flops = {name: one["pruned"]["decoder_prefill_flops"] for name, one in told.items()}
    whole = told["fastv"]["baseline"]["decoder_prefill_flops"]
    assert all(0 < spent < whole for spent in flops.values())
    assert flops["divprune"] == flops["grid"] == min(flops.values())  # before layer 0: all layers read half of them
    assert flops["pyramiddrop"] > flops["fastv"] > flops["random"]  # its first cut is a quarter of the way down
    assert told["lower_resolution"]["pruned"]["vision_tower_flops"] < told["grid"]["pruned"]["vision_tower_flops"]
