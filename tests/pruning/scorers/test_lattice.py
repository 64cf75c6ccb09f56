"""Cells of a picture: a partition into even rectangles, each with a middle of its own."""

from __future__ import annotations

import pytest

from fastv.pruning.scorers.lattice import cells, proportional_shares, shares
from tests.support import selection_references as reference


@pytest.mark.parametrize("rows, columns", [(1, 1), (1, 9), (7, 1), (3, 10), (4, 4), (5, 8), (9, 4), (24, 24)])
def test_every_count_cuts_the_picture_into_rectangles(rows, columns):
    tokens = [divmod(token, columns) for token in range(rows * columns)]
    for count in range(1, rows * columns + 1):
        made = cells((1, rows, columns), count)
        members: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for token, number in zip(tokens, made.cell_of, strict=True):
            members[number].append(token)
        for number, cell in enumerate(members):
            (top, left), (bottom, right) = min(cell), max(cell)
            assert len(cell) == (bottom - top + 1) * (right - left + 1)
            assert tokens[made.middles[number]] == ((top + bottom + 1) // 2, (left + right + 1) // 2)
        assert [min(cell) for cell in members] == sorted(min(cell) for cell in members)


@pytest.mark.parametrize("rows, columns, height, width", [(6, 8, 2, 2), (6, 8, 1, 1), (12, 12, 3, 3), (24, 24, 2, 2)])
def test_a_picture_of_whole_blocks_is_cut_into_them(rows, columns, height, width):
    blocks = reference.blocks(rows, columns, height, width)
    made = cells((1, rows, columns), len(blocks))
    assert [[made.cell_of[token] for token in block] for block in blocks] == [
        [number] * (height * width) for number in range(len(blocks))
    ]


@pytest.mark.parametrize("rows, columns, count", [(24, 24, 192), (24, 24, 64), (24, 24, 10), (18, 32, 100)])
def test_cells_are_of_nearly_one_size_all_over_the_picture(rows, columns, count):
    made = cells((1, rows, columns), count)
    sizes = [made.cell_of.count(number) for number in range(count)]
    assert max(sizes) <= 2 * min(sizes) and max(sizes) <= 1.7 * rows * columns / count
    upper = sum(middle < rows * columns // 2 for middle in made.middles)
    assert abs(upper - count / 2) <= max(2, count / rows)


def test_all_tokens_are_their_own_cells():
    made = cells((2, 3, 5), 30)
    assert made.cell_of == made.middles == tuple(range(30))


def test_a_video_shares_its_cells_among_frames():
    made = cells((3, 2, 2), 7)
    per_frame = [len(set(made.cell_of[frame * 4 : frame * 4 + 4])) for frame in range(3)]
    assert sorted(per_frame) == [2, 2, 3] and len(set(made.cell_of)) == 7
    few = cells((5, 2, 2), 2)  # runs of whole frames
    assert [few.cell_of[frame * 4 : frame * 4 + 4] for frame in range(5)] == [(0,) * 4] * 2 + [(1,) * 4] * 3
    assert [few.cell_of[middle] for middle in few.middles] == [0, 1]


@pytest.mark.parametrize("total, parts", [(7, 3), (3, 7), (0, 2), (12, 4)])
def test_shares_are_even(total, parts):
    given = shares(total, parts)
    assert sum(given) == total and len(given) == parts and max(given) - min(given) <= 1


def test_shares_in_proportion():
    assert proportional_shares(8, [16, 16]) == [4, 4]
    assert proportional_shares(5, [4, 8, 0]) == [2, 3, 0]
    assert proportional_shares(3, [5, 5]) == [2, 1]
    assert proportional_shares(12, [4, 8]) == [4, 8]
    assert proportional_shares(0, []) == []
