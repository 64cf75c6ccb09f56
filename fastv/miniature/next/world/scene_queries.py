"""What is true of a scene: its caption, what is in it how often, and what stands alone where."""

from __future__ import annotations

import random
from collections import Counter

from fastv.miniature.next.world.scenes import Scene, Thing
from fastv.miniature.next.world.vocabulary import (
    CATEGORIES,
    CATEGORY_OF,
    CELLS,
    KINDS,
    PLATE,
    counted,
    with_article,
)


def caption(made: Scene) -> str:
    """The large things in reading order, and the background: ``a red car and two dogs on a blue background``."""
    large = [thing for thing in made.things if thing.large]
    counts = Counter(thing.name for thing in large)
    colours = {thing.name: thing.colour for thing in large}
    parts = [
        with_article(f"{colours[name]} {name}") if number == 1 and colours[name] else counted(number, name)
        for name, number in counts.items()
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{listed} on {with_article(made.colour)} background"


def things_of(made: Scene) -> list[Thing]:
    return [thing for thing in made.things if thing.name != PLATE]


def counts_of(made: Scene) -> Counter[str]:
    return Counter(thing.name for thing in made.things if thing.name != PLATE)


def unique_things(made: Scene) -> list[Thing]:
    counts = Counter(thing.name for thing in made.things)
    return [thing for thing in made.things if counts[thing.name] == 1]


def absent_kind(made: Scene, rng: random.Random) -> str:
    """A kind that is not there; every other time one easily mistaken for what is there (of the same category)."""
    present = dict.fromkeys(thing.name for thing in made.things)  # no set: its order would differ from run to run
    known = [name for name in present if name != PLATE]
    for _ in range(20):
        pool = CATEGORIES[CATEGORY_OF[rng.choice(known)]] if known and rng.random() < 0.5 else KINDS
        kind = rng.choice(pool)
        if kind not in present:
            return kind
    return next(kind for kind in KINDS if kind not in present)


def alone_in_cell(made: Scene) -> dict[int, str]:
    """Cell -> the only name in it."""
    inside: dict[int, set[str]] = {}
    for thing in made.things:
        inside.setdefault(thing.cell, set()).add(thing.name)
    return {cell: next(iter(names)) for cell, names in inside.items() if len(names) == 1}


def in_cell(cell: int) -> str:
    return f"the thing in the {CELLS[cell]}"
