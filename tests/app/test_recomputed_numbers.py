"""Numbers that the page shows are computed again here, from the records' files and from the paper's formula alone."""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from html import unescape
from math import sqrt
from statistics import median

import pytest

from fastv.app.attention.averages_html import averages
from fastv.app.blind_test.rounds import rounds
from fastv.app.compare.chart_controls import chart
from fastv.app.compare.scrubber.recorded import recorded_scene
from fastv.app.explore import panes
from fastv.app.explore.state import Choices
from fastv.app.shared.example_scenes import GALLERY_SEEDS
from fastv.families.catalogue import find
from fastv.paths import ASSETS
from fastv.pruning.config import PruningConfig
from fastv.pruning.methods.registry import METHODS as METHOD_CLASSES

MINIS = ("mini-7", "mini-13")
METHODS = {"last_token": "fastv", "mean": "fastv_mean"}  # as the files name them -> as the page does
# Layers, hidden size and feed-forward size, as in the models' configs.
SIZES = {"llava-1.5-13b": (40, 5120, 13824), "llava-1.5-7b": (32, 4096, 11008)}
START = Choices(
    "llava-1.5-13b", "", 2, 50, "float16", 36, 64, 1, 1, "prefill-paper", "itself", "a100-80g", 1, "total", "average"
)


def paper_flops(model: str, k: int | None = None, r: float = 0.0, text: int = 36, visual: int = 576) -> float:
    """4nd² + 2n²d + 2ndm for each layer, where n has (1 - R) of the visual tokens from K on, not rounded."""
    layers, d, m = SIZES[model]
    counts = [text + visual * (1 if k is None or layer < k else 1 - r) for layer in range(layers)]
    return sum(4 * n * d * d + 2 * n * n * d + 2 * n * d * m for n in counts)


@lru_cache
def grid(model: str) -> tuple[dict, dict]:
    """The file's head, and its rows by (K, R, method)."""
    head, *rows = map(json.loads, (ASSETS / "measured" / f"{model}.jsonl").read_text().splitlines())
    return head, {(row["k"], row["r"], METHODS.get(row["rank"], row["rank"])): row for row in rows}


def marks(model: str, key: tuple) -> list[bool]:
    head, rows = grid(model)
    digits = rows[key]["right"]
    return [bit == "1" for digit in digits for bit in f"{int(digit, 16):04b}"][: len(head["tasks"])]


def share(model: str, key: tuple, task: str | None = None) -> float:
    """Of right answers, in percent."""
    head, _ = grid(model)
    wanted = [task is None or head["task_names"][int(digit, 36)] == task for digit in head["tasks"]]
    found = [mark for mark, its in zip(marks(model, key), wanted, strict=True) if its]
    return 100 * sum(found) / len(found)


def wilson(model: str, key: tuple) -> tuple[float, float]:
    found, z = marks(model, key), 1.959964
    n, p = len(found), sum(found) / len(found)
    middle, reach = (p + z * z / (2 * n)), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return 100 * (middle - reach) / (1 + z * z / n), 100 * (middle + reach) / (1 + z * z / n)


def rows_of(name: str) -> list[dict[str, str]]:
    with (ASSETS / "published" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_1() -> dict[tuple[str, str, float], float]:
    return {(row["model"], row["k"], float(row["r"])): float(row["average"]) for row in rows_of("fastv_table1.csv")}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html))).strip()


def dots(html: str) -> list[dict[str, str]]:
    found = re.findall(r'<button type="button" class="dot ([^"]*)" style="[^"]*"(.*?)></button>', html)
    return [{"kind": kind, **dict(re.findall(r'([\w-]+)="([^"]*)"', rest))} for kind, rest in found]


def close(text: str, value: float) -> bool:
    """Whether a number as it is printed is the value, to its last digit."""
    number = text.replace(",", "").replace("−", "-")
    decimals = len(number.partition(".")[2])
    return abs(float(number) - value) <= 0.5001 * 10**-decimals


def near(text: str, value: float) -> None:
    assert close(text, value), f"the page says {text}, and it is {value}"


@lru_cache
def pane(name: str, **changes) -> str:
    return panes.panes(START.__class__(**{**START.__dict__, **changes}))[name]


def test_every_point_of_the_measured_chart_is_in_the_file():
    found = dots(chart("mini-13", PruningConfig(k=2, r=0.5), "scenes"))
    found += dots(pane("frontier", model="mini-13", benchmark="scenes"))
    assert len(found) > 100
    for dot in found:
        method = dot["data-method"] or None
        key = (int(dot["data-k"]) if dot["data-k"] else None, float(dot["data-r"]), method)
        model, said = dot["data-model"], unescape(dot["aria-label"])
        flops, unit = re.search(r": ([\d.,]+) ([GM])FLOPs; ", said).groups()
        near(flops, grid(model)[1][key]["paper_prefill_flops"] / {"G": 1e9, "M": 1e6}[unit])
        score, low, high = re.search(r"([\d.]+) \(95% CI ([\d.]+) to ([\d.]+)\)$", said).groups()
        near(score, share(model, key))
        assert all(close(text, end) for text, end in zip((low, high), wilson(model, key), strict=True))


def test_every_point_and_the_verdict_of_the_published_chart_follow_from_table_1():
    table = table_1()
    for html in (chart("mini-7", PruningConfig(k=2, r=0.5), "average"), pane("frontier")):
        found = dots(html)
        assert len(found) > 5
        for dot in found:
            model, k, r = dot["data-model"], dot["data-k"], float(dot["data-r"])
            cost, unit, score = re.search(r": ([\d.,]+) ([GT])FLOPs; .*: ([\d.]+)$", dot["aria-label"]).groups()
            near(cost, paper_flops(model, int(k) if k else None, r) / {"G": 1e9, "T": 1e12}[unit])
            near(score, table[model, k, r])
        said = re.search('class="chart-verdict">(.*?)<', html)[1]
        k, r, points, cost = re.search(r"K=(\d+), R=([\d.]+)%: ([\d.]+) points above .* for ([\d.]+)%", said).groups()
        r = float(r) / 100
        small = paper_flops("llava-1.5-7b")
        within = [
            score
            for (model, at, share), score in table.items()
            if model == "llava-1.5-13b" and paper_flops(model, int(at) if at else None, share) <= small
        ]
        assert table["llava-1.5-13b", k, r] == max(within)
        near(points, max(within) - table["llava-1.5-7b", "", 0.0])
        near(cost, 100 * paper_flops("llava-1.5-13b", int(k), r) / small)


def test_the_chosen_setting_lies_between_its_known_neighbors():
    between = PruningConfig(k=2, r=0.6)
    (mine,) = [dot for dot in dots(chart("llava-1.5-13b", between, "average")) if "chosen" in dot["kind"]]
    table = {
        (row["k"], row["r"]): float(row["average"]) for row in rows_of("fastv_table1.csv") if "13b" in row["model"]
    }
    low, high = table["2", "0.50"], table["2", "0.75"]
    near(re.search(r": ([\d.]+) \(between", mine["aria-label"])[1], low + (high - low) * 0.1 / 0.25)
    assert "between" in mine["kind"]
    known = [dot for dot in dots(chart("mini-7", PruningConfig(k=2, r=0.5), "scenes")) if "chosen" in dot["kind"]]
    assert [(dot["data-model"], dot["data-k"], dot["data-method"]) for dot in known] == [("mini-7", "2", "fastv")]
    for unknown in (PruningConfig(k=7, r=0.5), PruningConfig("divprune", 2, 0.5), PruningConfig(k=2, r=0.995)):
        assert not [dot for dot in dots(chart("mini-7", unknown, "scenes")) if "chosen" in dot["kind"]]


@pytest.mark.parametrize("relative", ["itself", "small"])
def test_every_cell_of_the_cost_map_and_the_sentence_below_it_are_the_formula(relative):
    html = pane("map", relative=relative)
    whole = paper_flops("llava-1.5-13b" if relative == "itself" else "llava-1.5-7b")
    cells = re.findall(r'data-k="(\d+)" data-r="([\d.]+)".*?>([\d.]+)</button>', html)
    assert len(cells) > 100
    for k, r, text in cells:
        near(text, 100 * paper_flops("llava-1.5-13b", int(k), float(r)) / whole)
    shown = paper_flops("llava-1.5-13b", 2, 0.5)
    own, small = re.search(r"([\d.]+)% of LLaVA-1.5 13B without FastV, ([\d.]+)% of LLaVA-1.5 7B", words(html)).groups()
    near(own, 100 * shown / paper_flops("llava-1.5-13b"))
    near(small, 100 * shown / paper_flops("llava-1.5-7b"))


@pytest.mark.parametrize("method", ["fastv", "fastv_mean", "random"])
@pytest.mark.parametrize("model", MINIS)
def test_every_cell_of_the_measured_map_is_in_the_file(model, method):
    html = pane("map", model=model, measure="quality", quality_method=method)
    cells = re.findall(r'data-k="(\d+)" data-r="([\d.]+)".*?>([\d.]+)</button>', html)
    assert len(cells) == 20
    for k, r, text in cells:
        near(text, share(model, (int(k), float(r), method if int(k) else "random")))


@pytest.mark.parametrize("method", ["fastv", "divprune", "lower_resolution"])
def test_every_point_of_a_methods_curve_is_in_the_file(method):
    head, unpruned, *rows = map(json.loads, (ASSETS / "measured/methods/mini-7.jsonl").read_text().splitlines())

    def marks_of(row):
        return [bit == "1" for digit in row["right"] for bit in f"{int(digit, 16):04b}"][: len(head["tasks"])]

    before, wanted = sum(marks_of(unpruned)), {method, "random", "lower_resolution"}
    expected = {}
    for row in rows:
        if row["method"] in wanted and "refused" not in row:
            change = 100 * (sum(marks_of(row)) - before) / len(head["tasks"])
            key = row["method"], row["k"], row["proportional"], row["kept_after_each_cut"][-1][1]
            expected[key] = 100 * row["prefill_flops"] / unpruned["prefill_flops"], change
    html = pane("map", model="mini-7", measure="quality", quality_method=method)
    said = re.findall(
        '<span role="img" [^>]*aria-label="([^":]+): '
        r"([\d.]+)% of the prefill FLOPs, (\d+) visual tokens kept; (\S+) points",
        html,
    )
    classes = {METHOD_CLASSES[name].label: METHOD_CLASSES[name] for name in wanted}
    shown = set()
    for label, flops, kept, change in said:
        name, *options = label.split(", ")
        k = next((int(one[2:]) for one in options if one.startswith("K=")), classes[name].default_k)
        shown.add((classes[name].name, k, "proportional" in options, int(kept)))
        found = expected[classes[name].name, k, "proportional" in options, int(kept)]
        near(flops, found[0])
        near(change, found[1])
    assert shown >= {key for key in expected if key[0] == method}
    assert {key[0] for key in shown} == wanted


def test_the_table_of_flops_adds_up():
    rows = re.findall(
        r'<tr><th scope="row">(.*?)</th><td .*?>([\d.,]+)</td><td .*?>([\d.,]+)</td><td>(.*?)</td>',
        pane("flops"),
    )
    *parts, (_, *total) = [(words(name), float(before), float(after), change) for name, before, after, change in rows]
    assert len(parts) > 4
    for side in (0, 1):
        assert sum(part[1 + side] for part in parts) == pytest.approx(total[side], rel=0.005)
    for _, before, after, change in [*parts, ("all", *total)]:
        expected = round(100 * (1 - after / before)) if before else 0
        said = re.match(r"(\d+)% less", change)
        assert abs((int(said[1]) if said else 0) - expected) <= 1


def test_what_is_advised_is_published_and_computed():
    said = words(pane("advice"))
    found = re.search(r"First token published −(\d+)% ([\d.]+) (ms|s) → ([\d.]+) (ms|s)", said)
    k, r = (re.search(rf"{name}=([\d.]+)", re.search(r"Use K=\d+, R=[\d.]+%", said)[0])[1] for name in "KR")
    times = {
        (row["k"], float(row["r"] or 0)): float(row["first_token_seconds"])
        for row in rows_of("fastv_latency.csv")
        if (row["model"], row["precision"], row["source"]) == ("llava-1.5-13b", "fp16", "official README")
    }
    before, after = times["", 0.0], times[k, float(r) / 100]
    near(found[2], before * (1e3 if found[3] == "ms" else 1))
    near(found[4], after * (1e3 if found[5] == "ms" else 1))
    near(found[1], 100 * (1 - after / before))
    scores = {
        (row["k"], float(row["r"])): float(row["average"])
        for row in rows_of("fastv_table1.csv")
        if "13b" in row["model"]
    }
    assert scores["", 0.0] - scores[k, float(r) / 100] <= START.may_lose
    cheaper = [key for key, score in scores.items() if key[0] and scores["", 0.0] - score <= START.may_lose]
    assert min(cheaper, key=lambda key: paper_flops("llava-1.5-13b", int(key[0]), key[1])) == (k, float(r) / 100)


@pytest.mark.parametrize("model", MINIS)
def test_the_slider_at_every_recorded_setting(model):
    scene, head = recorded_scene(find(model), GALLERY_SEEDS[0], "Describe the picture."), grid(model)[0]
    config = json.loads((ASSETS / "models" / model / "config.json").read_text())["text_config"]
    record = json.loads((ASSETS / "measured" / "examples" / f"{model}.json").read_text())
    runs = record["scenes"][str(GALLERY_SEEDS[0])]["runs"]
    data, layers = scene.data(), config["num_hidden_layers"]
    token = 2 * 4 * config["num_key_value_heads"] * config["head_dim"]  # bytes of keys and values in one layer, float32
    full = layers * token * (record["text_tokens"] + 576)
    for name, run in data["runs"].items():
        method, k = name.split()
        for step, r in enumerate(record["rs"]):
            kept = sum(int(level, 36) > step for level in runs[name]["levels"])
            assert run["levels"] == runs[name]["levels"] and kept == round(576 * (1 - r))
            after = full - (layers - int(k)) * token * (576 - kept)
            memory = run["tiles"][step][1]
            amounts = re.findall(r"[\d.,]+", memory[3])
            unit = {"KiB": 2**10, "MiB": 2**20}[memory[3].split()[-1]]
            near(amounts[0], full / unit)
            near(amounts[1], after / unit)
            less = round(100 * (1 - after / full))
            assert memory[0] == (f"{less}% less" if less else "the same")
    for r, said in zip(record["rs"], data["runs"]["fastv 2"]["remarks"], strict=True):
        shares = [float(one) for one in re.findall(r"([\d.]+)%</b>", data["remarks"][said])]
        if len(shares) < 4:
            continue
        measured = [0.0, *(at for k, at, method in grid(model)[1] if (k, method) == (2, "fastv"))]
        at = min(measured, key=lambda one: (abs(one - r), one))
        expected = [
            share(model, key, task) for task in (None, "describe") for key in ((None, 0.0, None), (2, at, "fastv"))
        ]
        assert shares == pytest.approx(expected, abs=0.051)
    plain, half = (grid(model)[1][key] for key in ((None, 0.0, None), (2, 0.5, "fastv")))
    ratio = median(half["seconds"]) / median(half["unpruned_seconds"])
    waits = re.findall(r"[\d.]+", data["runs"]["fastv 2"]["tiles"][record["rs"].index(0.5)][2][3])
    near(waits[0], 1e3 * median(plain["seconds"]))
    near(waits[1], 1e3 * median(plain["seconds"]) * ratio)
    assert len(head["tasks"]) == len(marks(model, (None, 0.0, None)))


def test_shares_of_attention_and_places_of_kept_tokens_are_the_records():
    html = averages()
    parts = ("system", "image", "question", "answer")
    bars = re.findall(r'<div class="mean-bar".*?</div>', html)
    heights = [[float(one) for one in re.findall(r"height: ([\d.]+)%", bar)] for bar in bars]
    records = [json.loads((ASSETS / "measured" / "layers" / f"{model}.json").read_text()) for model in MINIS]
    expected = [layer for one in records for kind in ("attention", "answer_attention") for layer in one[kind]]
    expected += [{part: float(row[part]) for part in parts} for row in rows_of("fastv_attention.csv")]
    assert len(heights) == len(expected)
    for bar, layer in zip(heights, expected, strict=True):
        shares = [layer[part] for part in parts] if isinstance(layer, dict) else layer
        assert bar == pytest.approx([100 * one for one in shares], abs=0.006)
    said = words(html)
    for one in records:
        for cells in (one["kept_cells"][1], one["kept_cells_unrotated"][1], one["thing_cells"]):
            third, whole = len(cells) // 3, sum(map(sum, cells))
            shares = [100 * sum(map(sum, cells[at : at + third])) / whole for at in range(0, len(cells), third)]
            texts = [f"{round(share, 1):g}%" for share in shares]
            assert f"{texts[0]}, {texts[1]} and {texts[2]}" in said


def test_what_a_blind_round_says_was_kept_was_kept():
    for seed in (1, 2):
        for one in rounds(seed):
            record = json.loads((ASSETS / "measured" / "examples" / f"{one.model}.json").read_text())
            scene, step = record["scenes"][str(one.seed)], record["rs"].index(one.r)
            run = scene["runs"]["fastv 2"]
            assert one.kept == sum(int(level, 36) > step for level in run["levels"])
            assert one.answers[one.pruned] == scene["answers"][run["said"][step]]
            assert one.answers[1 - one.pruned] == scene["answers"][run["said"][0]]
