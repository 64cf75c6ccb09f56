"""Plots are made of real buttons in the right places, and nobody's markup but our own."""

from __future__ import annotations

import random
from html.parser import HTMLParser

import pytest

from fastv.app.shared.heat_map import Line, Marker, heat_map
from fastv.app.shared.scatter import Curve, Dot, scatter, ticks
from fastv.app.shared.stacked_bars import stacked_bars
from fastv.costs.cost_map import Grid

GRID = Grid((0, 1, 2, 3), (0.0, 0.25, 0.5, 0.9), tuple((0.0,) * 4 for _ in range(4)))
TEXTS = [["1", "2", "3", "4"] for _ in range(4)]
HEATS = [[0.1, 0.2, 0.3, 0.4] for _ in range(4)]
HOSTILE = '"><img src=x onerror="alert(1)">'


class Tags(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def plane(**changes) -> Tags:
    settings = dict(title="cost", unit=" percent", chosen=(2, 0.5))
    return Tags(heat_map(GRID, TEXTS, HEATS, **settings | changes))


def test_every_cell_is_a_named_button_and_one_is_reached_by_tab():
    buttons = plane(markers=[Marker("preset half", 2, 0.5)]).all("button")
    assert {(button["data-k"], button["data-r"]) for button in buttons} == {
        (str(k), str(r)) for k in GRID.rows for r in GRID.columns
    }
    assert [button for button in buttons if button["tabindex"] == "0"] == [
        button for button in buttons if button["aria-pressed"] == "true"
    ]
    pressed = next(button for button in buttons if button["aria-pressed"] == "true")
    assert pressed["aria-label"] == "K=2, R=50%: 3 percent, preset half"


@pytest.mark.parametrize("chosen", [(2, 0.537), (39, 0.99), (1, 0.1), (0, 0.0)])
def test_tab_always_reaches_the_map(chosen):
    assert sum(button["tabindex"] == "0" for button in plane(chosen=chosen).all("button")) == 1


def test_unknown_cells_are_no_buttons():
    texts = [["", "2", "", ""]] * 4
    assert len(Tags(heat_map(GRID, texts, HEATS, title="", unit="", chosen=(0, 0.0))).all("button")) == 4


def test_lines_and_markers_lie_where_their_k_and_r_are():
    found = plane(lines=[Line("total", ((1, 0.25), (2, 0.7)))], markers=[Marker("a", 3, 0.5), Marker("out", 3, 0.95)])
    assert found.all("polyline")[0]["points"] == "1.500,1.500 3.000,2.500"
    assert [mark["style"] for mark in found.all("i")] == ["left:62.50%;top:87.50%"]
    edges = plane(lines=[Line("total", tuple((k, 0.5) for k in GRID.rows))]).all("polyline")[0]["points"].split()
    assert (edges[0], edges[-1]) == ("2.500,0.000", "2.500,4.000")


def dots(seed: int) -> list[Dot]:
    rng = random.Random(seed)
    return [Dot(rng.uniform(1e11, 7e12), rng.uniform(40, 80), "fastv", f"dot {i}", "m", i, 0.5) for i in range(12)]


@pytest.mark.parametrize("seed", range(5))
def test_dots_stay_inside_the_chart_and_keep_their_order(seed):
    made = dots(seed)
    html = Tags(scatter(made, [Curve("c", made[:2])], title="t", x_title="x", y_title="y", x_size=1e12, x_line=3e12))
    places = {}
    for button in html.all("button"):
        left, bottom = (float(part.split(":")[1][:-1]) for part in button["style"].split(";"))
        assert 0 <= left <= 100 and 0 <= bottom <= 100
        places[button["aria-label"]] = (left, bottom)
    for axis, key in ((0, lambda dot: dot.x), (1, lambda dot: dot.y)):
        order = [places[dot.words][axis] for dot in sorted(made, key=key)]
        assert order == sorted(order)


def test_bars_are_of_one_scale():
    html = Tags(stacked_bars([("a", 30.0, 30.0), ("b", 70.0, 20.0), ("none", 0.0, 0.0)], ("one", "other")))
    widths = [float(piece["style"].removeprefix("width:").removesuffix("%")) for piece in html.all("span")]
    assert widths == [30, 70, 30, 20]


@pytest.mark.parametrize("low, high", [(0, 6.5), (52.1, 75), (0, 0.22), (-1, 3), (0.47, 0.5), (0, 7e12), (99.99, 100)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 8 and all(low <= tick <= high for tick in found)
    steps = {round(other - one, 9) for one, other in zip(found, found[1:])}
    assert len(steps) == 1


def test_foreign_text_is_never_markup():
    dot = Dot(1, 1, "fastv", HOSTILE, HOSTILE, 1, 0.5)
    marker = Marker(HOSTILE, 0, 0.0)
    shown = [
        heat_map(GRID, TEXTS, HEATS, title=HOSTILE, unit=HOSTILE, chosen=(0, 0.0), markers=[marker]),
        scatter([dot], [], title=HOSTILE, x_title=HOSTILE, y_title=HOSTILE),
        stacked_bars([(HOSTILE, 1, 1)], (HOSTILE, HOSTILE)),
    ]
    assert not any(Tags(html).all("img") for html in shown)
