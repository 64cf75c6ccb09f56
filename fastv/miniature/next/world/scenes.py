"""Scenes of the miniatures' world: what is where, each from a seed. ``rendering`` draws them.

A scene has one to three large things, which captions are about, and up to eight small ones. It knows what is where, so
that every question about it has an answer that can be checked.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fastv.miniature.next.world.vocabulary import (
    CATEGORIES,
    CATEGORY_OF,
    CELLS,
    COLOURABLE,
    COLOURS,
    KINDS,
    NAMES,
    PLATE,
    TINTS,
)

SIDE = 336  # pixels, as LLaVA-1.5 sees a picture
PATCH = 14  # pixels
GRID = SIDE // PATCH  # 24 patches a side
MOST_THINGS = 9
MOST_LARGE = 3
LARGE_FROM = 70  # pixels: things of at least this size are large; none is between this and the small ones
_CELL = SIDE / 3
_CLEAR = 9  # pixels a centre stays away from the border between two cells, so that "top left" is unambiguous
_HELD_OUT_LAYOUTS = 0.15  # share of the sets of occupied cells that training never sees
_SMALL = (40.0, 56.0)
_LARGE = {1: (84.0, 118.0), 2: (80.0, 112.0), 3: (76.0, 100.0)}  # number of large things -> sizes
_PLATE = (100.0, 116.0)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in a scene; lengths in pixels.

    ``size`` is the longer side, ``angle`` in degrees, ``light`` a factor; ``colour`` is named only for things that come
    in colours, ``number`` only on a plate.
    """

    name: str
    x: float
    y: float
    size: float
    angle: float = 0.0
    mirrored: bool = False
    light: float = 1.0
    colour: str | None = None
    number: int | None = None

    @property
    def cell(self) -> int:
        """Index in CELLS of the ninth of the picture in which the centre lies."""
        return int(self.y // _CELL) * 3 + int(self.x // _CELL)

    @property
    def category(self) -> str | None:
        return CATEGORY_OF.get(self.name)

    @property
    def large(self) -> bool:
        return self.size >= LARGE_FROM


@dataclass(frozen=True, slots=True)
class Scene:
    """The things in reading order (rows of cells, then from left to right) and the background's colour name."""

    seed: int
    colour: str
    things: tuple[Thing, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of the occupied cells."""
        return tuple(CELLS[cell] for cell in sorted({thing.cell for thing in self.things}))


def scene(seed: int, *, held_out: bool | None = None) -> Scene:
    """The scene of a seed.

    held_out: False draws only layouts that training may see, True only those it may not, None any.
    """
    rng = random.Random(f"scene {seed}")
    while True:
        large, small = _names(rng)
        spots = _place(large, small, rng)
        if spots is None or (held_out is not None and held_out != _is_held_out(spots)):
            continue
        things = [_thing(name, x, y, size, rng) for name, x, y, size in spots]
        things.sort(key=lambda thing: (thing.cell // 3, thing.x))
        return Scene(seed, rng.choice(list(COLOURS)), tuple(things))


def _thing(name: str, x: float, y: float, size: float, rng: random.Random) -> Thing:
    if name == PLATE:
        digits = rng.randint(1, 3)
        number = rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)
        return Thing(name, x, y, size, rng.uniform(-4, 4), light=rng.uniform(0.92, 1.06), number=number)
    colour = rng.choice(list(TINTS)) if name in COLOURABLE else None
    return Thing(name, x, y, size, rng.uniform(-18, 18), rng.random() < 0.5, rng.uniform(0.88, 1.1), colour)


def _names(rng: random.Random) -> tuple[list[str], list[str]]:
    """Kinds of the large and of the small things; often several of a kind or category, so that counting means
    something.
    """
    large_count = rng.choice((1, 2, 2, 3, 3))
    total = max(large_count, rng.randint(1, MOST_THINGS))
    large: list[str] = []
    names: list[str] = []
    if rng.random() < 0.35:
        large.append(PLATE)
    while len(large) + len(names) < total:
        drawn = [name for name in (*large, *names) if name != PLATE]
        draw = rng.random()
        if drawn and draw < 0.3:
            kind = rng.choice(drawn)
        elif drawn and draw < 0.55:
            kind = rng.choice(CATEGORIES[CATEGORY_OF[rng.choice(drawn)]])
        elif draw < 0.65:
            kind = rng.choice(COLOURABLE)
        else:
            kind = rng.choice(KINDS)
        (large if len(large) < large_count else names).append(kind)
    return large, names


def _place(large: list[str], small: list[str], rng: random.Random) -> list[tuple[str, float, float, float]] | None:
    """(name, x, y, size) of each, or None if they found no room."""
    uniform = rng.uniform
    spots: list[tuple[str, float, float, float]] = []
    for index, name in enumerate((*large, *small)):
        bounds = _PLATE if name == PLATE else _LARGE[len(large)] if index < len(large) else _SMALL
        for _ in range(40):
            size = uniform(*bounds)
            low, high = size / 2 + 1, SIDE - size / 2 - 1
            x, y = uniform(low, high), uniform(low, high)
            if min(abs(x - _CELL), abs(x - 2 * _CELL), abs(y - _CELL), abs(y - 2 * _CELL)) < _CLEAR:
                continue
            if all(max(abs(x - other[1]), abs(y - other[2])) > 0.5 * (size + other[3]) for other in spots):
                spots.append((name, x, y, size))
                break
        else:
            return None
    return spots


def _is_held_out(spots: list[tuple[str, float, float, float]]) -> bool:
    """Whether this set of occupied cells is one that training never sees (single things always are seen)."""
    cells = sorted({int(y // _CELL) * 3 + int(x // _CELL) for _, x, y, _ in spots})
    return len(cells) > 1 and random.Random(f"layout {cells}").random() < _HELD_OUT_LAYOUTS


NAME_INDEX = {name: index for index, name in enumerate(NAMES)}
