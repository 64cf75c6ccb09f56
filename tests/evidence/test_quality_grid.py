from __future__ import annotations

from fastv.evidence.quality_grid import quality_grid


def test_published_scores_stand_where_the_paper_has_them():
    grid = quality_grid("llava-1.5-13b", "average")
    assert grid.rows == (2, 3, 5) and grid.columns == (0.5, 0.75, 0.9) and grid.values[0] == (73.6, 73.0, 65.3)
    assert quality_grid("mini-7", "average").rows == ()
