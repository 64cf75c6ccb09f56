"""For each form of question: what its phrasing is filled with, and the answer that follows from the scene and from
knowledge.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fastv.miniature.next.world.scene_queries import (
    absent_kind,
    alone_in_cell,
    caption,
    counts_of,
    in_cell,
    things_of,
    unique_things,
)
from fastv.miniature.next.world.scenes import Scene
from fastv.miniature.next.world.vocabulary import (
    CALL,
    CATEGORIES,
    CATEGORY_OF,
    CELLS,
    COLOURABLE,
    COLOURS,
    FACTS,
    KINDS,
    NUMBERS,
    PLATE,
    PRICE,
    TINTS,
    WEIGHT,
    YOUNG,
    mixture,
    plural,
    with_article,
)

_APART = 34  # pixels between two centres before one is said to be left of, or above, the other
_HELD_OUT_FACTS = 0.25  # share of (kind, fact) that training never asks about a thing in the picture, only by its name
_BY_NAME = 0.35  # share of training's questions of knowledge that name the kind, so that they can be answered unseen
_SIDES = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}  # side -> axis, sign
_ENDS = {"leftmost": (0, -1), "rightmost": (0, 1), "topmost": (1, -1), "lowest": (1, 1)}
Slots = tuple[dict[str, Any], str]


@lru_cache(maxsize=4096)
def is_held_out_fact(kind: str, fact: str) -> bool:
    """Whether training never asks for this fact about a thing of this kind in a picture."""
    return random.Random(f"fact {kind} {fact}").random() < _HELD_OUT_FACTS


def _exists(made: Scene, rng: random.Random) -> Slots | None:
    things = things_of(made)
    yes = bool(things) and rng.random() < 0.5
    thing = rng.choice(things) if things else None
    if thing and thing.colour and rng.random() < 0.5:
        shown = {other.colour for other in things if other.name == thing.name}
        wrong = [colour for colour in TINTS if colour not in shown]
        return {"a": with_article(f"{thing.colour if yes else rng.choice(wrong)} {thing.name}")}, "yes" if yes else "no"
    return {"a": with_article(thing.name if yes and thing else absent_kind(made, rng))}, "yes" if yes else "no"


def _count(made: Scene, rng: random.Random) -> Slots | None:
    counts = counts_of(made)
    several = [name for name, number in counts.items() if number > 1]
    draw = rng.random()
    name = (
        rng.choice(several) if several and draw < 0.6 else rng.choice(list(counts)) if counts and draw < 0.88 else None
    )
    name = name or absent_kind(made, rng)
    if name in COLOURABLE and counts[name] and rng.random() < 0.3:
        colour = rng.choice([thing.colour for thing in made.things if thing.name == name])
        number = sum(thing.name == name and thing.colour == colour for thing in made.things)
        return {"many": f"{colour} {plural(name)}"}, NUMBERS[number]
    return {"many": plural(name)}, NUMBERS[counts[name]]


def _count_category(made: Scene, rng: random.Random) -> Slots | None:
    counts = Counter(CATEGORY_OF[thing.name] for thing in things_of(made))
    category = rng.choice(list(counts)) if counts and rng.random() < 0.85 else rng.choice(list(CATEGORIES))
    return {"many": plural(category)}, NUMBERS[counts[category]]


def _where(made: Scene, rng: random.Random) -> Slots | None:
    unique = unique_things(made)
    if not unique:
        return None
    thing = rng.choice(unique)
    return {"one": thing.name}, CELLS[thing.cell]


def _outermost(made: Scene, rng: random.Random) -> Slots | None:
    several = [name for name, number in counts_of(made).items() if number > 1]
    if not several:
        return None
    name, end = rng.choice(several), rng.choice(list(_ENDS))
    axis, sign = _ENDS[end]
    ranked = sorted(
        (thing for thing in made.things if thing.name == name), key=lambda thing: sign * (thing.y if axis else thing.x)
    )
    last, second = ranked[-1], ranked[-2]
    distance = abs(last.y - second.y) if axis else abs(last.x - second.x)
    if distance < _APART and last.cell != second.cell:
        return None
    return {"end": end, "many": plural(name)}, CELLS[last.cell]


def _identify(made: Scene, rng: random.Random) -> Slots | None:
    if rng.random() < 0.12:
        taken = {thing.cell for thing in made.things}
        empty = [cell for cell in range(9) if cell not in taken]
        return ({"cell": CELLS[rng.choice(empty)]}, "nothing") if empty else None
    alone = alone_in_cell(made)
    if not alone:
        return None
    cell = rng.choice(list(alone))
    return {"cell": CELLS[cell]}, alone[cell]


def _category(made: Scene, rng: random.Random) -> Slots | None:
    alone = {cell: name for cell, name in alone_in_cell(made).items() if name != PLATE}
    if not alone:
        return None
    cell = rng.choice(list(alone))
    return {"cell": CELLS[cell]}, CATEGORY_OF[alone[cell]]


def _colour(made: Scene, rng: random.Random) -> Slots | None:
    coloured = [thing for thing in unique_things(made) if thing.colour]
    if not coloured:
        return None
    thing = rng.choice(coloured)
    return {"one": thing.name}, thing.colour or ""


def _background(made: Scene, rng: random.Random) -> Slots | None:
    return {}, made.colour


def _relation(made: Scene, rng: random.Random) -> Slots | None:
    unique = unique_things(made)
    if len(unique) < 2:
        return None
    one, other = rng.sample(unique, 2)
    side = rng.choice(list(_SIDES))
    axis, sign = _SIDES[side]
    distance = sign * (other.y - one.y if axis else other.x - one.x)
    if abs(distance) < _APART:
        return None
    return {"one": one.name, "side": side, "other": other.name}, "yes" if distance > 0 else "no"


def _compare(made: Scene, rng: random.Random) -> Slots | None:
    counts = counts_of(made)
    if rng.random() < 0.5:
        counts = Counter(CATEGORY_OF[name] for name in counts.elements())
        pool = [*counts, *rng.sample(list(CATEGORIES), 2)]
    else:
        pool = [*counts, absent_kind(made, rng)]
    pool = list(dict.fromkeys(pool))
    if len(pool) < 2:
        return None
    one, other = rng.sample(pool, 2)
    if counts[one] == counts[other]:
        return None
    return {"many": plural(one), "others": plural(other)}, "yes" if counts[one] > counts[other] else "no"


def fact(made: Scene, fact: str, rng: random.Random, training: bool) -> tuple[Slots | None, bool]:
    words = FACTS[fact]
    if training and rng.random() < _BY_NAME:
        kind = rng.choice(list(words))
        return ({"it": with_article(kind)}, words[kind]), True
    options = [
        (cell, name)
        for cell, name in alone_in_cell(made).items()
        if name in words and not (training and is_held_out_fact(name, fact))
    ]
    if not options:
        return None, True
    cell, name = rng.choice(options)
    return ({"it": in_cell(cell)}, words[name]), not is_held_out_fact(name, fact)


def mix(made: Scene, rng: random.Random, training: bool) -> tuple[Slots | None, bool]:
    """What the world's cook makes of two things: as ``fact``, of which training asks for some by name only."""
    if training and rng.random() < _BY_NAME:
        one, other = rng.sample(KINDS, 2)
        return ({"it": with_article(one), "that": with_article(other)}, mixture(one, other)), True
    two = _two(made, rng, CATEGORY_OF)
    if not two:
        return None, True
    (one, other), said = two
    seen = not is_held_out_fact(f"{min(one, other)} {max(one, other)}", "mix")
    if training and not seen:
        return None, True
    return ({"it": said[0], "that": said[1]}, mixture(one, other)), seen


def _two(made: Scene, rng: random.Random, known: dict[str, Any]) -> tuple[list[str], list[str]] | None:
    """Two kinds of those ``known``, each alone in its cell, and how they are referred to: mostly by where they are."""
    alone = [(cell, name) for cell, name in alone_in_cell(made).items() if name in known]
    if len(alone) < 2:
        return None
    two = rng.sample(alone, 2)
    if two[0][1] == two[1][1]:
        return None
    return [name for _, name in two], [in_cell(cell) for cell, _ in two]


def _heavier(made: Scene, rng: random.Random) -> Slots | None:
    two = _two(made, rng, WEIGHT)
    if not two:
        return None
    names, said = two
    weights = [WEIGHT[name] for name in names]
    if weights[0] == weights[1]:
        return None
    return {"it": said[0], "that": said[1]}, names[weights.index(max(weights))]


def _sum(made: Scene, rng: random.Random) -> Slots | None:
    two = _two(made, rng, PRICE)
    if not two:
        return None
    names, said = two
    return {"it": said[0], "that": said[1]}, NUMBERS[sum(PRICE[name] for name in names)]


def _which(facts: dict[str, str], slot: str) -> Callable[[Scene, random.Random], Slots | None]:
    def asker(made: Scene, rng: random.Random) -> Slots | None:
        unique = [thing for thing in unique_things(made) if thing.name in facts]
        if not unique:
            return None
        thing = rng.choice(unique)
        return {slot: facts[thing.name]}, CELLS[thing.cell]

    return asker


def _plate(made: Scene, rng: random.Random) -> Slots | None:
    numbers = [thing.number for thing in made.things if thing.number is not None]
    return ({}, str(numbers[0])) if len(numbers) == 1 else None


def _caption(made: Scene, rng: random.Random) -> Slots | None:
    return {}, caption(made)


def _choice(made: Scene, rng: random.Random) -> Slots | None:
    draw = rng.random()
    alone = {cell: name for cell, name in alone_in_cell(made).items() if name != PLATE}
    names = list(counts_of(made))
    wrong: list[str]
    if draw < 0.4 and alone:
        cell = rng.choice(list(alone))
        question, right = f"What is in the {CELLS[cell]}?", alone[cell]
        elsewhere = [name for name in names if name != right]
        wrong = [rng.choice(elsewhere)] if elsewhere else []
    elif draw < 0.7 and names:
        question, right, wrong = "Which of these is in the picture?", rng.choice(names), []
    else:
        question, right = "What colour is the background?", made.colour
        wrong = rng.sample([colour for colour in COLOURS if colour != right], 3)
    while len(wrong) < 3:
        absent = absent_kind(made, rng)
        if absent not in (right, *wrong):
            wrong.append(absent)
    options = [right, *wrong]
    rng.shuffle(options)
    return {"question": question, "options": options}, "ABCD"[options.index(right)]


ASKERS: dict[str, Callable[[Scene, random.Random], Slots | None]] = {
    "exists": _exists,
    "identify": _identify,
    "category": _category,
    "colour": _colour,
    "background": _background,
    "relation": _relation,
    "compare": _compare,
    "heavier": _heavier,
    "sum": _sum,
    "which call": _which(CALL, "call"),
    "which young": _which(YOUNG, "young"),
    "choice": _choice,
    "caption": _caption,
    "plate": _plate,
    "count": _count,
    "count category": _count_category,
    "where": _where,
    "outermost": _outermost,
}
