"""Times of a sweep: of passes that share nothing, in an order that favours no cell."""

from __future__ import annotations

from collections import Counter

from fastv.measurement.timing import generate
from fastv.pruning.config import PruningConfig
from fastv.sweep import timed_pass
from fastv.sweep.cells import sample_id
from fastv.sweep.timed_pass import order_of, time_question

CELLS = [None, PruningConfig("fastv", 2, 0.75), PruningConfig("random", 1, 0.5)]


def test_over_the_questions_no_cell_comes_earlier_than_another():
    for count in (1, 2, 3, 5):
        cells = [PruningConfig("fastv", k, 0.5) for k in range(count)]
        orders = [order_of(cells, turn) for turn in range(2 * count)]
        assert all(Counter(order) == Counter(cells) for order in orders)
        assert {sum(order.index(cell) for order in orders) for cell in cells} == {count * (count - 1)}
        for even, odd in zip(orders[::2], orders[1::2]):
            assert odd == even[::-1]


def test_each_cell_is_a_whole_pass(mini, samples, monkeypatch):
    passes, layers = [], mini.family.decoder(mini.model).layers
    monkeypatch.setattr(timed_pass, "generate", lambda *a, **k: passes.append(generate(*a, **k)) or passes[-1])
    ran = []
    hook = layers[0].register_forward_hook(lambda *_: ran.append(1))
    try:
        times = time_question(mini, samples[0], sample_id(samples[0]), CELLS, answer_tokens=2, turn=1, first=True)
    finally:
        hook.remove()
    assert [time.config for time in times] == CELLS
    assert len(passes) == 2 * len(CELLS)
    assert len(ran) == sum(len(one.tokens) for one in passes)
    assert [time.total_seconds for time in times] == [one.total_seconds for one in reversed(passes[3:])]
    assert times[0].method_seconds is None
    assert all(0 < time.method_seconds < time.prefill_seconds for time in times[1:])
    assert times[0].kv_cache_bytes > times[2].kv_cache_bytes > times[1].kv_cache_bytes
    assert times[0].peak_bytes > times[1].peak_bytes
    again = time_question(mini, samples[0], sample_id(samples[0]), CELLS[:1], answer_tokens=1)
    assert again[0].peak_bytes is None
