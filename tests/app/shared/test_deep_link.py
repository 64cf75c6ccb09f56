"""A link says what was chosen, survives the way through an address bar, and believes nothing it is told."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from fastv.app.shared.deep_link import Link, link_of

FULL = Link(
    "mini-7",
    3,
    53.7,
    "7B-equivalent (total)",
    "what's in Ünder & “this”?\n+ 100% #1",
    42,
    "fastv_mean",
    "mini-13",
    2,
    12.5,
)


@pytest.mark.parametrize(
    "link",
    [
        FULL,
        Link(),
        Link(k=0, r=0.0, scene=0),
        Link(r=100.0),
        Link(r=75.0, method="random"),
        Link(options="per,proportional"),
    ],
)
def test_there_and_back(link):
    assert link_of(dict(parse_qsl(link.query))) == link


@pytest.mark.parametrize("rank, method", [("last_token", "fastv"), ("mean", "fastv_mean"), ("random", "random")])
def test_links_of_older_pages_are_read(rank, method):
    assert link_of({"k": "3", "rank": rank}) == Link(k=3, method=method)
    assert link_of({"rank": "best"}) == Link() and link_of({"rank": "mean", "method": "random"}).method == "random"


def test_what_is_not_said_is_not_in_the_query():
    assert Link().query == "" and Link(k=2, r=50.0).query == "k=2&r=50"


@pytest.mark.parametrize(
    "nonsense",
    [
        {"k": "two"},
        {"k": "-1"},
        {"k": "2.5"},
        {"k": "99999999999"},
        {"k": "²"},
        {"k": " 2"},
        {"k": "2\n"},
        {"r": "nan"},
        {"r": "101"},
        {"r": "-5"},
        {"r": "1e1"},
        {"r": "inf"},
        {"scene": "1000000"},
        {"scene": "٣"},
        {"method": "best"},
        {"options": "all"},
        {"model": ""},
        {"model": "x" * 101},
        {"model": "a\x00b"},
        {"preset": "p" * 1000},
        {"question": "  "},
        {"question": "w" * 2001},
        {"question": "\x00\x01"},
        {"baseline": "a\x00b"},
        {"baseline_k": "-1"},
        {"baseline_r": "101"},
        {"k": ["2"]},
        {"k": {}},
        {"other": "1"},
    ],
)
def test_nonsense_is_not_said_and_takes_nothing_with_it(nonsense):
    assert link_of(nonsense) == Link()
    good = dict(parse_qsl(FULL.query))
    (field,) = nonsense
    expected = {**vars(FULL), **({field: None} if field in vars(FULL) else {})}
    assert link_of(good | nonsense) == Link(**expected)


def test_r_is_in_tenths_as_on_the_slider():
    assert link_of({"r": "53.749"}).r == 53.7 and link_of({"r": 53.7, "k": 2}) == Link(k=2, r=53.7)


@pytest.mark.parametrize("page", [None, "", "javascript:alert(1)", "file:///etc", "https://", "//x", "http://[", "x"])
def test_only_pages_have_an_address(page):
    assert FULL.address(page) is None


def test_the_address_is_that_of_the_page_with_this_query():
    assert Link(k=2).address("https://a.b:1/c/?k=7&__theme=dark#x") == "https://a.b:1/c/?k=2"
