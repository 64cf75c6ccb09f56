"""The tab's part of the address."""

from urllib.parse import parse_qsl

import pytest

from fastv.app.attention.link import LINK_FIELDS, AttentionLink, attention_link, view_of
from fastv.app.attention.recorded import FIRST, QUESTION, SCENE


def test_a_link_comes_back():
    link = AttentionLink("mini-7", "What & where?", 35, None, 3, 7)
    query = dict(parse_qsl(link.query))
    assert attention_link(query) == link and set(query) <= set(LINK_FIELDS)


def test_the_first_example_needs_no_words():
    assert AttentionLink(FIRST, QUESTION, SCENE).query == ""
    assert AttentionLink(FIRST, QUESTION, None, "own").query == "a_picture=own"


@pytest.mark.parametrize("sent", ["-1", "x", "1.5", "9999", "", "\u0663\u0663\u0663\u0663"])
def test_invalid_values_count_as_absent(sent):
    link = attention_link({"a_word": sent, "a_layer": sent, "a_scene": "x" + sent, "a_picture": sent})
    assert link == AttentionLink()


def test_the_view_is_read_in_part():
    assert view_of("3,1") == (3, 1) and view_of("") == (None, None) and view_of("x,2,9") == (None, 2)
