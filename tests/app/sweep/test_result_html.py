"""What is drawn of a sweep's tables, also of incomplete ones."""

from __future__ import annotations

import pytest

from fastv.app.sweep.result_html import frontier, result


def score(share):
    return {"share": share, "low": share - 0.1, "high": share + 0.1}


def row(method, r, flops, **known):
    k = None if method is None else 2
    return {
        "method": method,
        "k": k,
        "r": r,
        "flops_ratio": flops,
        "same_answer": score(0.8),
        "right": score(0.5),
        **known,
    }


@pytest.fixture
def rows():
    return [row(None, 0.0, 1.0), row("fastv", 0.5, 0.7), row("fastv", 0.75, 0.6), row("lower_resolution", 0.5, 0.4)]


def test_every_setting_is_a_dot_and_every_method_a_line(rows):
    drawn = frontier(rows)
    assert drawn.count('class="dot ') == 4 and drawn.count("<polyline") == 2
    assert drawn.count('data-k="2"') == 2  # K is no choice of the method that reduces the picture


def test_without_known_answers_agreement_is_drawn(rows):
    assert "80%" not in frontier(rows) and "50%" in frontier(rows)
    assert "80%" in frontier([{**one, "right": None} for one in rows])


def test_without_flops_there_is_no_chart(rows):
    assert frontier([{**one, "flops_ratio": None} for one in rows]) is None
    assert frontier(rows[:1]) is None


def test_text_of_visitors_is_escaped(rows):
    bad = [{"line": 3, "reason": "<b>no</b>", "unit": "line"}]
    shown = result({"rows": rows, "recommendation": None, "problems": [], "bad_rows": bad})
    assert "<b>" not in shown and "&lt;b&gt;no" in shown
