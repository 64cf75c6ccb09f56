from __future__ import annotations

import json
import re

import pytest

from fastv.costs.flops import kept_tokens
from fastv.costs.presets import load_presets
from fastv.costs.solver import NotReachable, Solution, Target, Workload, solve, solve_all
from fastv.errors import InvalidBudgetError
from fastv.families.catalogue import REFERENCE_CONFIGS
from fastv.families.config_reader import read_shape
from fastv.miniature.model.architecture import DECODERS, llava_config, tower_config

SMALL, BIG = REFERENCE_CONFIGS["llava-1.5-7b"], REFERENCE_CONFIGS["llava-1.5-13b"]
CONFIGS = REFERENCE_CONFIGS | {
    name: llava_config(sizes, tower_config(), vocabulary=1024, image_token=3, bos=1, eos=2, pad=0)
    for name, sizes in DECODERS.items()
}
PROMPT = Workload()
KS = (0, 1, 2, 3, 5, 8, 10, 20)
# R in percent at which the 13B costs what the 7B costs, 36 text and 576 visual tokens, None where no R does.
PARITY = {
    ("decoder_prefill_flops", "paper"): (51.0, 52.3, 53.7, 55.2, 58.4, 63.9, 68.3, None),
    ("decoder_prefill_flops", "exact"): (51.2, 52.6, 54.0, 55.4, 58.6, 64.2, 68.5, None),
    ("layer_average_flops", "paper"): (37.4, 38.4, 39.4, 40.5, 42.8, 46.9, 50.0, 75.5),
}


@pytest.mark.parametrize("quantity, convention", PARITY)
def test_seven_b_equivalents_to_the_digit(quantity, convention):
    target = Target.of_model(SMALL, PROMPT, quantity, convention)
    for found, percent in zip(solve_all(BIG, PROMPT, target, KS), PARITY[quantity, convention]):
        if percent is None:
            assert isinstance(found, NotReachable) and found.least > target.amount
        else:
            assert round(100 * found.continuous_r, 1) == percent, found


def test_total_parity_ends_before_layer_20():
    found = solve_all(BIG, PROMPT, Target.of_model(SMALL, PROMPT, "decoder_prefill_flops"))
    assert len(found) == 40
    assert [isinstance(one, Solution) for one in found] == [True] * 20 + [False] * 20
    assert "20 of 40 layers" in found[20].reason


TARGETS = [
    Target.of_model(SMALL, PROMPT, "decoder_prefill_flops", "paper"),
    Target.of_model(SMALL, PROMPT, "prefill_flops", "exact"),
    Target.of_model(SMALL, PROMPT, "layer_average_flops", "paper"),
    Target.of_model(BIG, PROMPT, "kv_cache_bytes", "exact", ratio=0.5),
    Target.of_model(BIG, PROMPT, "total_flops", "exact", ratio=0.6),
    Target.of_model(SMALL, PROMPT, "decoder_prefill_flops", "paper", k=1, r=0.1),
    Target("decoder_prefill_flops", 2.5e12, "paper"),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.quantity}-{target.convention}")
@pytest.mark.parametrize("workload", [PROMPT, Workload(60, 1153, answer_tokens=40, pictures=2)], ids=["one", "two"])
def test_a_solution_is_exact_to_one_visual_token(target, workload):
    def amount(k, kept):
        return getattr(workload.cost(BIG, k, 1 - kept / workload.visual_tokens, target.convention), target.quantity)

    for found in solve_all(BIG, workload, target, (0, 2, 7)):
        if isinstance(found, NotReachable):
            assert found.least == amount(found.k, 0) > target.amount
            continue
        assert kept_tokens(workload.visual_tokens, found.r) == found.kept
        assert found.amount == amount(found.k, found.kept) <= target.amount * (1 + 1e-9)
        assert amount(found.k, found.kept + 1) > target.amount
        assert found.r - 1 / workload.visual_tokens <= found.continuous_r <= found.r


def test_the_continuous_r_costs_the_target():
    target = Target.of_model(SMALL, PROMPT, "decoder_prefill_flops", "paper")
    found = solve(BIG, PROMPT, target, 2)
    reached = PROMPT.cost(BIG, 2, found.continuous_r, "paper").decoder_prefill_flops
    assert reached == pytest.approx(target.amount, rel=1e-7)


def test_a_roomy_budget_prunes_nothing():
    found = solve(SMALL, PROMPT, Target.of_model(BIG, PROMPT, "prefill_flops", "exact"), 2)
    assert (found.r, found.kept, found.continuous_r) == (0.0, 576, 0.0)
    itself = solve(SMALL, PROMPT, Target.of_model(SMALL, PROMPT, "prefill_flops", "exact"), 2)
    assert itself.kept == 576


def test_exactly_nothing_left_is_still_reached():
    target = Target.of_model(BIG, PROMPT, "kv_cache_bytes", "exact", k=2, r=1.0)
    found = solve(BIG, PROMPT, target, 2)
    assert (found.kept, found.r) == (0, 1.0)


def test_a_prompt_without_a_picture():
    text = Workload(visual_tokens=0, pictures=0)
    own = Target.of_model(BIG, text, "prefill_flops", "exact")
    assert solve(BIG, text, own, 0) == Solution(0, 0.0, 0, 0.0, own.amount)
    less = solve(BIG, text, Target.of_model(SMALL, text, "prefill_flops", "exact"), 0)
    assert isinstance(less, NotReachable) and "no visual token" in less.reason


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target("seconds", 1.0),
        lambda: Target("prefill_flops", 0.0),
        lambda: Target("prefill_flops", float("nan")),
        lambda: Target("prefill_flops", 1.0, "mine"),
        lambda: Target.of_model(SMALL, PROMPT, "layer_flops"),
        lambda: solve(SMALL, PROMPT, Target("prefill_flops", 1e12), 32),
    ],
)
def test_targets_that_make_no_sense_are_refused(make):
    with pytest.raises(InvalidBudgetError):
        make()


def test_the_shipped_presets_load():
    presets, problems = load_presets()
    assert problems == ()
    assert [preset.name for preset in presets] == [
        "K=2, R=50%",
        "K=3, R=50%",
        "K=2, R=75%",
        "K=2, R=90%",
        "7B-equivalent (total)",
        "7B-equivalent (per-layer, as in the paper)",
        "mini-7-equivalent (total)",
        "mini-7-equivalent (per-layer, as in the paper)",
    ]
    assert all(preset.sentence.endswith(".") and preset.source for preset in presets)
    for key, name in (("llava-1.5-13b", "7B-equivalent (total)"), ("mini-13", "mini-7-equivalent (total)")):
        assert [preset.name for preset in presets if key in preset.default_for] == [name]


def test_shipped_presets_mean_what_they_say():
    for preset in load_presets()[0]:
        if preset.target is None:
            assert f"K={preset.k}, R={100 * preset.r:.0f}%" == preset.name
            assert preset.resolve(SMALL, PROMPT) == (preset.k, preset.r)
        else:
            reference, (model,) = CONFIGS[preset.target.model], preset.models
            found = solve(CONFIGS[model], PROMPT, preset.target.target(reference, PROMPT), preset.k)
            assert preset.resolve(CONFIGS[model], PROMPT, reference) == (2, found.r)
            assert re.findall(r"R = ([\d.]+)%", preset.sentence) == [f"{100 * found.continuous_r:.1f}"]
            kept = re.findall(r"of which (\d+) are kept", preset.sentence)
            assert kept == [str(found.kept)] if preset.target.basis == "total" else not kept
            layers = re.findall(r"has (\d+)", preset.sentence) or re.findall(r"over (\d+) and (\d+)", preset.source)[0]
            assert list(map(int, layers)) == [
                read_shape(CONFIGS[key]).decoder.layers for key in (model, preset.target.model)
            ]


def test_a_preset_out_of_reach_says_so():
    total = load_presets()[0][4]
    with pytest.raises(InvalidBudgetError, match="7B-equivalent .*target"):
        total.resolve(BIG, Workload(text_tokens=4000, visual_tokens=576), SMALL)


BARE = {"name": "mine", "sentence": "A point.", "source": "me", "k": 1}
GOOD = BARE | {"r": 0.3}


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "line 1"),
        ("[]", "JSON object"),
        ("[" * 100_000, ""),
        (b"\xff\xfe\x00", ""),
        (json.dumps(GOOD | {"R": 0.5}), "unknown field 'R'"),
        (json.dumps(GOOD | {"name": ""}), "'name' is missing"),
        (json.dumps(GOOD | {"sentence": 3}), "'sentence' cannot be 3"),
        (json.dumps({**GOOD, "k": True}), "'k' cannot be True"),
        (json.dumps({**GOOD, "k": -1}), "'k' must be"),
        (json.dumps({**GOOD, "r": 1.5}), "'r' from 0 to 1"),
        (json.dumps({**GOOD, "r": float("nan")}), "'r' from 0 to 1"),
        (json.dumps({**GOOD, "models": [1]}), "'models' is a list of model names"),
        (json.dumps(GOOD | {"target": {"model": "llava-1.5-7b", "basis": "total"}}), "either 'r' or 'target'"),
        (json.dumps(BARE), "either 'r' or 'target'"),
        (json.dumps(BARE | {"target": {"model": "m", "basis": "sum"}}), "'sum'"),
        (json.dumps(BARE | {"target": {"basis": "total"}}), "model"),
        (json.dumps(BARE | {"target": {"model": 7, "basis": "total"}}), "7"),
        (json.dumps(BARE | {"target": {"model": "m", "basis": []}}), "[]"),
    ],
)
def test_a_broken_preset_is_named_and_skipped(tmp_path, text, reason):
    (tmp_path / "1.json").write_text(json.dumps(GOOD))
    (tmp_path / "2.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "3.json").write_text(json.dumps({**GOOD, "name": "another"}))
    presets, (problem,) = load_presets(tmp_path)
    assert [preset.name for preset in presets] == ["mine", "another"]
    assert problem.file == "2.json" and reason in problem.reason and problem.reason


def test_a_name_may_be_used_once_and_a_missing_folder_is_a_problem(tmp_path):
    for name in ("1.json", "2.json"):
        (tmp_path / name).write_text(json.dumps(GOOD))
    (tmp_path / "3.json").mkdir()
    presets, problems = load_presets(tmp_path)
    assert len(presets) == 1 and [problem.file for problem in problems] == ["2.json", "3.json"]
    assert str(tmp_path) not in problems[1].reason
    presets, (problem,) = load_presets(tmp_path / "nowhere")
    assert presets == () and problem.file == "nowhere"
