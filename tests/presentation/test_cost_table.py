"""The table: every quantity of both sides, ratios of what stands beside them, and no number for what is noise."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fastv.measurement.results import Comparison
from fastv.presentation import cost_table
from fastv.presentation.cost_table import CostRow, Relative, rows_of
from tests.support.comparisons import HOSTILE, PRUNED, Tags, comparison, duel, pruned, run, spread, words

TITLES = ["First token", "Per token", "Total", "Peak memory", "KV cache", "Visual tokens", "Prefill FLOPs"]


def lines(made: Comparison | None = None) -> dict[str, list[str]]:
    """The table's cells as text, by the title of the line: baseline, candidate, ratio."""
    html = cost_table.table(made) if made else cost_table.table()
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[1], re.DOTALL):
        title = re.search(r'<th scope="row">([^<]*)', row)[1].strip()
        found[title] = [squeezed(cell) for cell in re.findall(r"(<td.*?</td>)", row, re.DOTALL)]
    return found


def squeezed(html: str) -> str:
    return re.sub(r"\s+", " ", words(html)).strip()


def timed(first: tuple[float, ...], second: tuple[float, ...]) -> Comparison:
    """Whose sides took these times to the first token, round by round."""
    sides = [
        replace(side, timing=replace(side.timing, prefill_seconds=spread(*seconds)))
        for side, seconds in ((run(), first), (pruned(), second))
    ]
    return comparison(*sides, repeats=len(first))


def test_every_quantity_of_both_sides_with_units_and_ranges():
    found = lines(comparison())
    assert list(found) == TITLES
    assert found["First token"][:2] == ["102 100–104", "51.0 50.0–52.0"]
    assert found["First token"][2].startswith("0.50× the time")
    assert found["Peak memory"][:2] == ["30.0", "30.0"]
    assert found["KV cache"][2] == "0.50× the memory 50% less"
    assert found["Visual tokens"][:2] == ["576", "288"]
    assert found["Prefill FLOPs"] == ["8.11", "4.05", "0.50× the FLOPs 50% less"]
    units = re.findall(r'class="unit">(\w+)<', cost_table.table(comparison()))
    assert units == ["ms", "ms", "ms", "MiB", "MiB", "GFLOPs"]


def test_the_ratio_is_of_the_medians_beside_it():
    # The median of the rounds' own ratios would be 1.29: the rounds' order differs between the sides.
    made = timed((1.0, 2.8, 3.0, 2.9, 1.1), (1.29, 2.5, 2.4, 2.6, 1.42))
    (row, *_) = rows_of(made)
    before, after = row.values
    assert row.relative.value == pytest.approx(after / before)


def test_no_number_stands_for_a_ratio_that_noise_could_explain():
    made = timed((0.1, 4.0, 0.2), (2.0, 0.3, 0.15))
    cell = lines(made)["First token"][2]
    assert not re.search(r"\d", cell)
    assert rows_of(made).__next__().relative.is_decided is False
    # The interval is there for those who look for it.
    titles = [tag.get("title", "") for name, tag in Tags(cost_table.table(made)).tags if name == "td"]
    assert any("95% CI" in title for title in titles)


@pytest.mark.parametrize(
    "value, interval, rounds, decided",
    [
        (0.5, (0.4, 0.6), 3, True),
        (1.5, (1.4, 1.6), 3, True),
        (0.9, (0.8, 1.1), 3, False),
        (0.9, (0.8, 0.996), 3, False),  # which reads 0.80–1.00
        (0.7, (0.4, 0.6), 3, False),  # medians that say something else than the rounds do
        (1.2, (0.4, 0.6), 3, False),
        (0.5, None, 1, False),
        (0.5, None, 0, True),  # computed
    ],
)
def test_a_ratio_is_decided_where_interval_and_medians_agree(value, interval, rounds, decided):
    assert Relative(value, interval, rounds).is_decided == decided


def test_what_disturbs_both_sides_of_a_round_leaves_their_ratio_alone():
    cell = lines(timed((0.1, 0.2, 0.3), (0.09, 0.18, 0.27)))["First token"][2]
    assert cell.startswith("0.90×")


def test_a_single_round_is_not_compared():
    (row, *_) = rows_of(timed((0.2,), (0.1,)))
    assert not row.relative.is_decided
    assert not re.search(r"\d", lines(timed((0.2,), (0.1,)))["First token"][2])


def test_an_answer_of_one_token_has_no_time_per_token_and_different_lengths_are_told():
    assert lines(comparison(run(tokens=1), pruned(tokens=7)))["Per token"] == ["–", "5.00 4.00–6.00", "–"]
    notes = {row.title: row.note for row in rows_of(comparison(run(tokens=1), pruned(tokens=7)))}
    assert re.findall(r"\d+", notes["Total"]) == ["1", "7"]
    notes = {row.title: row.note for row in rows_of(comparison(run(tokens=1), pruned(tokens=1)))}
    assert re.findall(r"\d+", notes["Total"]) == ["1"]


def test_the_empty_table_has_the_same_lines():
    def tags(html):
        return [tag for tag, _ in Tags(html).tags if tag in ("tr", "th", "td")]

    assert tags(cost_table.table()) == tags(cost_table.table(comparison()))
    assert all(cells == ["–"] * 3 for cells in lines().values())


def test_how_it_was_measured_is_said():
    said = cost_table.how_measured(comparison())
    for piece in ("mini-7 in float32", "Some CPU", "2 threads", "3 rounds", "2.13", "5.23", "3.11"):
        assert piece in said
    on_gpu = comparison(fastv=pruned(setup=replace(PRUNED, device="cuda:0")))
    assert "threads" not in cost_table.how_measured(on_gpu)
    assert cost_table.how_measured(comparison(repeats=1)) != said
    assert "mini-13 in float32" in cost_table.how_measured(duel())


@pytest.mark.parametrize("ks, layers", [((None, None), []), ((2, None), ["2"]), ((2, 2), ["2"]), ((5, 3), ["5", "3"])])
def test_the_layers_that_see_fewer_tokens_are_those_of_the_sides(ks, layers):
    sides = [run() if k is None else pruned(setup=replace(PRUNED, k=k)) for k in ks]
    notes = {row.title: row.note for row in rows_of(comparison(*sides))}
    assert re.findall(r"\d+", notes["Visual tokens"]) == layers


def test_a_comparison_of_two_models_names_both():
    head = squeezed(cost_table.table(duel()).split("<tbody>")[0])
    assert "mini-7" in head and "mini-13" in head and "Without" not in head


def test_foreign_text_is_never_markup():
    setups = [replace(PRUNED, model=model, name=HOSTILE, dtype=HOSTILE) for model in ("x", HOSTILE)]
    html = cost_table.table(comparison(*(pruned(setup=setup) for setup in setups)))
    assert not any(tag == "img" for tag, _ in Tags(html).tags)
    assert HOSTILE in "".join(Tags(html).words)


def test_a_row_without_values_has_no_ratio():
    assert CostRow("x", "", "time", (), "").relative is None
    assert CostRow("x", "", "time", (), "", 0.0, 1.0).relative is None
