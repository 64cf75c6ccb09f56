"""What the page says of the pair at equal cost, and of the recorded sweep's costs, computed again from the records."""

from __future__ import annotations

import json
import re
from statistics import median

import pytest

from fastv.app.sweep.result_html import recorded
from fastv.paths import ASSETS
from tests.app.test_recomputed_numbers import grid, near, pane, words
from tests.app.test_recomputed_tables import bonett_price

SMALL, BIG = "mini-7", "mini-13"
MINI_LAYERS, VISUAL = 8, 576


def duel(model: str) -> tuple[dict, dict]:
    """The file's head, and its rows by K."""
    head, *rows = map(json.loads, (ASSETS / "measured/duels" / f"{model}.jsonl").read_text().splitlines())
    return head, {row["k"]: row for row in rows}


def marks(head: dict, row: dict) -> list[bool]:
    return [bit == "1" for digit in row["right"] for bit in f"{int(digit, 16):04b}"][: len(head["tasks"])]


def change(before: list[bool], after: list[bool]) -> list[float]:
    pairs = list(zip(before, after, strict=True))
    return bonett_price(sum(b > a for a, b in pairs), sum(a > b for a, b in pairs), len(pairs))


def numbers(text: str) -> tuple[str, ...]:
    return re.search(r"([−+]\d+\.\d) points, 95% CI ([−+]\d+\.\d) to ([−+]\d+\.\d)", text).groups()


def test_the_pair_at_equal_cost_is_as_the_questions_were_answered():
    said = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", pane("findings")))
    text = words(said[f"At equal cost, does {BIG} with FastV answer better than {SMALL}?"])
    (small_head, small), (head, big) = duel(SMALL), duel(BIG)
    assert small_head["tasks"] == head["tasks"] and f"{len(head['tasks']):,} questions" in text
    unpruned, whole, main = marks(small_head, small[None]), marks(head, big[None]), marks(head, big[2])
    before, after = text.split(" At other K of the same cost ", 1)[0], text.split("Cost: ")[1]
    for shown, value in zip(numbers(before), change(unpruned, main), strict=True):
        near(shown, value)
    near(re.search(rf"{SMALL} ([\d.]+)%", before)[1], 100 * sum(unpruned) / len(unpruned))
    near(re.search(r"it answers ([\d.]+)% of", before)[1], 100 * sum(main) / len(main))
    for shown, value in zip(numbers(after.split("differs from")[1]), change(unpruned, whole), strict=True):
        near(shown, value)
    for shown, value in zip(numbers(after.split("pruning changes")[1]), change(whole, main), strict=True):
        near(shown, value)
    near(
        re.search(rf"([\d.]+)% of {SMALL}'s;", after)[1],
        100 * big[2]["paper_prefill_flops"] / small[None]["paper_prefill_flops"],
    )
    near(re.search(r"exact count, ([\d.]+)%", after)[1], 100 * big[2]["total_flops"] / small[None]["total_flops"])
    others = after.split("At other K of the same cost: ")[1].split("; ")
    assert len(others) == len(big) - 2
    for other in others:
        row = big[int(re.match(r"K=(\d+)", other)[1])]
        near(re.search(r"R=([\d.]+)%", other)[1], 100 * row["r"])
        for shown, value in zip(numbers(other), change(unpruned, marks(head, row)), strict=True):
            near(shown, value)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equal_time_of_the_pair_lies_between_measured_times(k):
    card = words(re.search(r'<section class="card time">(.*?)</section>', pane("equivalence", model=BIG, k=k), re.S)[1])
    _, rows = grid(BIG)
    unpruned = median(rows[None, 0.0, None]["seconds"])
    own = sorted((r, row) for (at, r, method), row in rows.items() if (at, method) == (k, "fastv"))
    ratios = [(r, median(row["seconds"]) / median(row["unpruned_seconds"])) for r, row in own]
    known = [(0.0, unpruned), *((r, unpruned * ratio) for r, ratio in ratios)]
    target = median(grid(SMALL)[1][None, 0.0, None]["seconds"])
    near(re.search(r"([\d.]+) ms, as", card)[1], 1e3 * target)
    (r, slow), (more, fast) = next(pair for pair in zip(known, known[1:]) if pair[0][1] >= target >= pair[1][1])
    kept = int(VISUAL * (1 - (r + (more - r) * (slow - target) / (slow - fast))))
    near(re.search(r"R=([\d.]+)%", card)[1], 100 * (1 - kept / VISUAL))  # no more tokens than that time allows


def test_the_recorded_sweeps_costs_are_those_of_the_tokens_left():
    record = json.loads((ASSETS / "measured/sweeps/drawn-scenes-mini-7.json").read_text())
    table = re.findall(
        r'<tr role="row"><th [^>]*>(.*?)</th>(.*?)</tr>', str(recorded()).split('<tbody role="rowgroup">')[1], re.DOTALL
    )
    for (_, cells), row in zip(table[1:], record["rows"][1:], strict=True):
        cell = {column: words(text) for column, text in re.findall(r'data-column="(.*?)">(.*?)</td>', cells)}
        near(cell["KV cache"].removesuffix("%"), 100 * row["kv_cache_ratio"])
        near(cell["FLOPs"].removesuffix("%"), 100 * row["flops_ratio"])
        if row["method"] == "fastv":  # from K on a share R of the visual tokens is gone, in the cache of every layer
            kept = VISUAL - round(row["r"] * VISUAL)
            visual = (row["k"] * VISUAL + (MINI_LAYERS - row["k"]) * kept) / MINI_LAYERS
            text = (row["kv_cache_ratio"] * VISUAL - visual) / (1 - row["kv_cache_ratio"])
            assert 20 < text < 80  # the rest of the prompt and the answer: all that was not computed here
