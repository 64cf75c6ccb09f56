"""Tables and findings of the page are computed again here, from the models' sizes, devices' peaks and records alone."""

from __future__ import annotations

import json
import re
from math import comb, sqrt

import pytest

from fastv.app.explore.equivalence_html import _BASES
from fastv.app.sweep.result_html import recorded
from fastv.paths import ASSETS
from tests.app.test_recomputed_numbers import MINIS, SIZES, grid, marks, near, pane, paper_flops, rows_of, words

BIG, SMALL = "llava-1.5-13b", "llava-1.5-7b"
VOCABULARY, VISUAL, TEXT = 32064, 576, 36
Z = 1.959964


def exact_flops(model: str, k: int | None = None, r: float = 0.0, kept: int | None = None) -> float:
    """2 FLOPs per multiply-add of all decoder layers: q, k, v, o; the two n x n products; the FFN's three matrices."""
    layers, d, m = SIZES[model]
    left = VISUAL * (1 - r) if kept is None else kept
    counts = [TEXT + (VISUAL if k is None or layer < k else left) for layer in range(layers)]
    return sum(8 * n * d * d + 4 * n * n * d + 6 * n * d * m for n in counts)


def layer_mean(model: str, k: int | None = None, r: float = 0.0) -> float:
    return paper_flops(model, k, r) / SIZES[model][0]


def r_of_equal_cost(flops, k: int) -> float | None:
    """By bisection; None where dropping everything is not enough."""
    target, low, high = flops(SMALL), 0.0, 1.0
    if flops(BIG, k, 1.0) > target:
        return None
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if flops(BIG, k, middle) > target else (low, middle)
    return high


def test_every_r_of_equal_cost_is_the_formulas():
    html = pane("equivalence")
    rows = re.findall(r'<tr><th scope="row">(\d+)</th>(.*?)</tr>', html, re.DOTALL)
    assert len(rows) > 10 and list(_BASES) == ["total", "exact", "per-layer"]
    for k, cells in rows:
        for cell, flops in zip(re.findall("<td>.*?</td>", cells), (paper_flops, exact_flops, layer_mean), strict=True):
            expected = r_of_equal_cost(flops, int(k))
            if expected is None:
                assert "not reachable" in cell
            else:
                near(words(cell).removesuffix("%"), 100 * expected)


@pytest.mark.parametrize("k", [2, 5])
def test_the_cards_of_equal_cost_are_the_formulas_and_the_published_times(k):
    html = pane("equivalence", k=k)
    cards = re.findall(r'<section class="card ([\w-]+)">(.*?)</section>', html, re.DOTALL)
    assert [kind for kind, _ in cards] == ["total", "per-layer", "time"]
    for (_, card), flops in zip(cards, (paper_flops, layer_mean)):
        kept, r, share = re.search(r"(\d+) of 576 .* at R=([\d.]+)%. In total ([\d.]+)%", words(card)).groups()
        expected = r_of_equal_cost(flops, k)
        near(r, 100 * expected)
        assert int(kept) == int(VISUAL * (1 - expected))
        near(share, 100 * paper_flops(BIG, k, 1 - int(kept) / VISUAL) / paper_flops(SMALL))
    times = [
        row for row in rows_of("fastv_latency.csv") if (row["precision"], row["source"]) == ("fp16", "official README")
    ]
    seconds = {(row["model"], row["k"], float(row["r"] or 0)): float(row["first_token_seconds"]) for row in times}
    timed, shown = re.search(r"K=(\d+), R=([\d.]+)%", words(cards[2][1])).groups()
    known = sorted((r, its) for (model, at, r), its in seconds.items() if (model, at) == (BIG, timed))
    target = seconds[SMALL, "", 0.0]
    known = [(0.0, seconds[BIG, "", 0.0]), *known]
    (r, slow), (more, fast) = next(pair for pair in zip(known, known[1:]) if pair[0][1] >= target >= pair[1][1])
    near(shown, 100 * (r + (more - r) * (slow - target) / (slow - fast)))


def weights(model: str) -> tuple[int, int]:
    """Of the whole model, and of what a decode step reads: without vision tower, projector and table of embeddings."""
    layers, d, m = SIZES[model]
    read = layers * (4 * d * d + 3 * d * m + 2 * d) + d + VOCABULARY * d
    tower = 24 * (4 * (1024**2 + 1024) + 2 * 1024 * 4096 + 4096 + 5 * 1024) + (588 + 577 + 1 + 4) * 1024
    return read + VOCABULARY * d + tower + 1024 * d + d + d * d + d, read


@pytest.mark.parametrize("key", ["a100-80g", "rtx-4090", "t4"])
@pytest.mark.parametrize("batch", [1, 8])
def test_the_floors_of_a_device_follow_from_its_peaks(key, batch):
    device = next(one for one in json.loads((ASSETS / "devices.json").read_text())["devices"] if one["key"] == key)
    peak, bandwidth = device["peak_flops"]["float16"], device["bandwidth_bytes_per_second"]
    layers, d, m = SIZES[BIG]
    tower = 2 * 576 * 588 * 1024 + 24 * (8 * 577 * 1024**2 + 4 * 577**2 * 1024 + 4 * 577 * 1024 * 4096)
    around = tower + 2 * 576 * (1024 * d + d * d) + 2 * VOCABULARY * d
    rows = re.findall(
        r'<th scope="row">(.*?)</th><td .*?>(.*?)</td><td .*?>(.*?)</td>', pane("estimate", device=key, batch=batch)
    )
    said = {name: pair for name, *pair in rows}
    for side, k in enumerate((None, 2)):
        kept = VISUAL if k is None else 288
        prefill = (
            batch * (around + exact_flops(BIG, k, kept=kept)) / peak,
            2 * (weights(BIG)[0] - VOCABULARY * d) / bandwidth,
        )
        length = lambda step: sum(TEXT + step + (VISUAL if k is None or layer < k else kept) for layer in range(layers))  # noqa: E731
        cache = [batch * 2 * 2 * d * length(step) for step in (0, 63)]  # bytes of keys and values in 16 bits
        linear = 2 * (layers * (4 * d * d + 3 * d * m) + VOCABULARY * d)
        step_flops = batch * (linear + 4 * d * length(32))
        decode = step_flops / peak, (2 * weights(BIG)[1] + cache[0]) / bandwidth
        memory = 2 * weights(BIG)[0] + cache[1] + batch * 612 * (2 * d + 3 * m) * 2
        for name, (compute, read) in (("First token, at least", prefill), ("Per token, at least", decode)):
            number, unit = said[name][side].split()
            near(number, max(compute, read) * {"ms": 1e3, "s": 1}[unit])
            limited = said["Prefill limited by" if "First" in name else "Decoding limited by"][side]
            assert limited == ("compute" if compute >= read else "memory")
        number, unit = said["Memory, at least"][side].split()
        near(number, memory / {"GiB": 2**30}[unit])
        fits = next(pair for name, pair in said.items() if name.startswith("Fits"))
        assert fits[side] == ("yes" if memory <= device["memory_bytes"] else "no")


def mcnemar(gained: int, lost: int) -> float:
    return min(1.0, 2 * sum(comb(gained + lost, i) for i in range(min(gained, lost) + 1)) / 2 ** (gained + lost))


def holm(ps: list[float]) -> list[float]:
    """Each p times the number of those that are not smaller, never below that of a smaller one."""
    order, found, most = sorted(range(len(ps)), key=ps.__getitem__), [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, (len(ps) - rank) * ps[index]))
        found[index] = most
    return found


def bonett_price(gained: int, lost: int, asked: int) -> list[float]:
    """Change and the ends of its interval, in points."""
    up, down = (gained + 1) / (asked + 2), (lost + 1) / (asked + 2)
    reach = Z * sqrt((up + down - (up - down) ** 2) / (asked + 2))
    return [100 * (gained - lost) / asked, 100 * (up - down - reach), 100 * (up - down + reach)]


def differences(model: str, key: tuple, since: tuple, task: str | None = None) -> tuple[int, int, int]:
    """Questions gained and lost, and all."""
    head, _ = grid(model)
    pairs = [
        (one, two)
        for one, two, digit in zip(marks(model, since), marks(model, key), head["tasks"], strict=True)
        if task is None or head["task_names"][int(digit, 36)] == task
    ]
    return sum(two > one for one, two in pairs), sum(one > two for one, two in pairs), len(pairs)


@pytest.mark.parametrize("model", MINIS)
def test_what_the_findings_call_significant_is(model):
    said = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", pane("findings")))
    usual = words(said[f"What does K=2, R=50% cost {model} in accuracy?"])
    change = re.search(r"\(([−+\d.]+) points, 95% CI ([−+\d.]+) to ([−+\d.]+)\)", usual).groups()
    for text, value in zip(change, bonett_price(*differences(model, (2, 0.5, "fastv"), (None, 0.0, None)))):
        near(text, value)
    tasks = grid(model)[0]["task_names"]
    ps = holm([mcnemar(*differences(model, (2, 0.5, "fastv"), (None, 0.0, None), task)[:2]) for task in tasks])
    assert f"no significant change in {sum(p >= 0.05 for p in ps)} of {len(ps)} tasks" in usual
    listed = usual.split("By task: ")[1]
    assert {task for task, p in zip(tasks, ps, strict=True) if p < 0.05} == {
        task for task in tasks if re.search(rf"\b{task} [−+]", listed)
    }
    random = words(said[f"Does attention select better than random on {model}?"])
    for method, label in (("fastv", "FastV"), ("fastv_mean", "FastV, mean over tokens")):
        keys = [key for key in grid(model)[1] if key[2] == method and (*key[:2], "random") in grid(model)[1]]
        found = [differences(model, key, (*key[:2], "random")) for key in keys]
        ps = holm([mcnemar(gained, lost) for gained, lost, _ in found])
        better = sum(p < 0.05 and gained > lost for p, (gained, lost, _) in zip(ps, found, strict=True))
        worse = sum(p < 0.05 and gained < lost for p, (gained, lost, _) in zip(ps, found, strict=True))
        counts = f"better at {better} of {len(keys)} settings, worse at {worse}, no significant difference at"
        assert f"{label}: significantly {counts} {len(keys) - better - worse}" in random


def test_the_recorded_sweep_follows_from_its_counts():
    record = json.loads((ASSETS / "measured" / "sweeps" / "drawn-scenes-mini-7.json").read_text())
    html = str(recorded())
    table = re.findall(
        r'<tr role="row"><th [^>]*>(.*?)</th>(.*?)</tr>', html.split('<tbody role="rowgroup">')[1], re.DOTALL
    )
    plain, *others = record["rows"]
    asked, before = record["questions"], plain["right"]["right"]
    ps = iter(holm([mcnemar(row["change"]["gained"], row["change"]["lost"]) for row in others]))
    savings = {}
    for (name, cells), row in zip(table[1:], others, strict=True):
        cell = {column: words(text) for column, text in re.findall(r'data-column="(.*?)">(.*?)</td>', cells)}
        number = lambda column: re.findall(r"[−+]?[\d.]+(?:e-\d+)?", cell[column])  # noqa: E731
        gained, lost = int(number("Wrong to right")[0]), int(number("Right to wrong")[0])
        assert before + gained - lost == row["right"]["right"]
        for text, value in zip(number("Change, points"), bonett_price(gained, lost, asked), strict=True):
            near(text, value)
        for column, right in (("Score", before + gained - lost), ("Same answer", row["same_answer"]["right"])):
            share = right / asked
            middle, reach = share + Z * Z / (2 * asked), Z * sqrt(share * (1 - share) / asked + Z * Z / (4 * asked**2))
            ends = [(middle - reach) / (1 + Z * Z / asked), (middle + reach) / (1 + Z * Z / asked)]
            for text, value in zip(number(column), (share, *ends), strict=True):
                near(text, 100 * value)
        p, shown = next(ps), cell["p (Holm)"]
        assert p < 0.001 if "<" in shown else float(shown) == pytest.approx(p, rel=0.06)
        savings[name] = 100 * (1 - row["total_ratio"]["share"])
    name, lost, saved = re.search(r"Use (.*): at most ([\d.]+) points .* and ([\d.]+)% of the time", html).groups()
    near(saved, savings[name])
    chosen = next(row for (its, _), row in zip(table[1:], others, strict=True) if its == name)
    assert -100 * chosen["change"]["low"] <= float(lost)
