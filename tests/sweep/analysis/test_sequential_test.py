"""The sequential test: rarely wrong however often one looks, and right in the end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fastv.sweep.analysis.sequential_test import LossTest


def drawn(rng, mean, differ, count):
    """Losses of 1, -1 and 0 with this mean, of which ``differ`` are not 0."""
    u, down = rng.random(count), (differ + mean) / 2
    return np.where(u < down, 1.0, np.where(u < differ, -1.0, 0.0))


@pytest.mark.parametrize("tolerance, differ", [(0.01, 0.03), (0.05, 0.2), (0.2, 0.2)])
def test_at_the_tolerance_both_sides_are_found_in_at_most_a_twentieth_of_the_streams(tolerance, differ):
    rng, wrong = np.random.default_rng(1), np.zeros(2)
    for _ in range(400):
        test = LossTest(tolerance)
        test.add(drawn(rng, tolerance, differ, 600))
        wrong += [test.p_below <= 0.05, test.p_above <= 0.05]  # at any moment: the smallest p so far is what counts
    assert (wrong / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5).all()


def test_p_values_only_fall_and_do_not_depend_on_how_losses_arrive():
    losses = drawn(np.random.default_rng(2), 0.0, 0.1, 300)
    one, whole, seen = LossTest(0.05), LossTest(0.05), []
    for loss in losses:
        one.add([loss])
        seen.append((one.p_below, one.p_above))
    whole.add(losses)
    assert (whole.p_below, whole.p_above) == pytest.approx(seen[-1], rel=1e-9)
    assert all(late <= early for values in zip(*seen) for early, late in pairwise(values))
    assert whole.seen == 300


def test_what_is_clear_is_found_and_the_number_still_needed_is_about_right():
    test = LossTest(0.02)
    test.add(np.zeros(50))
    more = test.more_needed(0.05)
    assert 100 < more < 250
    test.add(np.zeros(more // 2))
    assert test.p_below > 0.05
    test.add(np.zeros(more - more // 2 + 1))
    assert test.p_below <= 0.05
    lost = LossTest(0.02)
    lost.add(drawn(np.random.default_rng(3), 0.1, 0.1, 200))
    assert lost.p_above <= 0.05 < lost.p_below
    assert lost.more_needed(0.05) is None
    assert LossTest(0.02).more_needed(0.05) is None


def test_what_is_no_tolerance_or_no_loss_is_refused():
    for tolerance in (-0.1, 1.0):
        with pytest.raises(ValueError):
            LossTest(tolerance)
    with pytest.raises(ValueError):
        LossTest(0.1).add([1.5])
