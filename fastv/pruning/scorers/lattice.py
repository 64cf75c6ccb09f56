"""A picture cut into a given number of cells that are as even as possible, and where each cell's middle is.

Arithmetic on a picture's shape alone: the places of a uniform grid, and the groups of pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import sqrt

Grid = tuple[int, int, int]  # frames, rows, columns


@dataclass(frozen=True)
class Cells:
    """The cells of a picture or video, in reading order.

    Attributes
    ----------
    cell_of : tuple of int
        For each token of the picture, in reading order, the number of its cell.
    middles : tuple of int
        For each cell, the token that stands in its middle; of two middle ones the later. Ascending within a row of
        cells whose height is one token, and not in general.
    """

    cell_of: tuple[int, ...]
    middles: tuple[int, ...]


def shares(total: int, parts: int) -> list[int]:
    """``total`` whole things given to ``parts`` as evenly as possible, the larger shares spread over them."""
    edges = [total * part // parts for part in range(parts + 1)]
    return [after - before for before, after in zip(edges, edges[1:])]


def proportional_shares(total: int, sizes: list[int]) -> list[int]:
    """``total`` given to parts in proportion to their ``sizes``, none more than its size.

    Largest remainders get what is left after rounding down, of equal ones the earlier.

    Parameters
    ----------
    total : int
        At most the sum of sizes.
    """
    whole = sum(sizes)
    if not whole:
        return [0] * len(sizes)
    given = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda part: -(total * sizes[part] % whole))
    for part in by_remainder[: total - sum(given)]:
        given[part] += 1
    return given


@lru_cache(maxsize=256)
def cells(grid: Grid, count: int) -> Cells:
    """Cut a picture into ``count`` cells.

    Rows of cells are about ``sqrt(count * rows / columns)``, bands of whole rows of tokens. A band gets cells in
    proportion to its height and is cut evenly. A video's cells are spread evenly over its frames; where there are fewer
    cells than frames, a cell is a run of whole frames.

    Parameters
    ----------
    grid : (int, int, int)
        Frames, rows and columns of tokens, each at least 1.
    count : int
        1 to the number of tokens. A quarter of them, where rows and columns are even, makes cells of 2 x 2.
    """
    frames, rows, columns = grid
    spans = shares(frames, min(frames, count))
    cell_of = [0] * (frames * rows * columns)
    middles: list[int] = []
    first_frame = 0
    for span, wanted in zip(spans, shares(count, len(spans))):
        for top, bottom, left, right in _rectangles(rows, columns, wanted):
            for frame in range(first_frame, first_frame + span):
                for row in range(top, bottom):
                    start = (frame * rows + row) * columns
                    cell_of[start + left : start + right] = [len(middles)] * (right - left)
            frame, row = first_frame + span // 2, (top + bottom) // 2
            middles.append((frame * rows + row) * columns + (left + right) // 2)
        first_frame += span
    return Cells(tuple(cell_of), tuple(middles))


def _rectangles(rows: int, columns: int, count: int) -> list[tuple[int, int, int, int]]:
    """``count`` rectangles that cover rows x columns: top, bottom, left and right, ends excluded."""
    bands = round(sqrt(count * rows / columns))
    bands = min(max(bands, -(-count // columns), 1), rows, count)
    found, given = [], 0
    bottoms = list(accumulate(shares(rows, bands)))
    for number, (top, bottom) in enumerate(zip([0, *bottoms], bottoms), start=1):
        # In proportion to the band's height, but none without a cell, and none with more cells than columns.
        most, least = count - given - (bands - number), count - given - columns * (bands - number)
        wanted = max(1, least, min(count * bottom // rows - given, columns, most))
        given += wanted
        rights = list(accumulate(shares(columns, wanted)))
        found += [(top, bottom, left, right) for left, right in zip([0, *rights], rights)]
    return found
