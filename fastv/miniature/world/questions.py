"""Questions whose answers follow from the scene, of twelve tasks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fastv.miniature.world.question_templates import PHRASINGS, TASKS
from fastv.miniature.world.scenes import Scene, Thing
from fastv.miniature.world.vocabulary import (
    CATEGORIES,
    CATEGORY_OF,
    CELLS,
    COLOURS,
    KINDS,
    NUMBERS,
    SIGN,
    counted,
    plural,
    with_article,
)

_APART = 34  # pixels between two centres before one is said to be left of, or above, the other


@dataclass(frozen=True)
class Question:
    """A question with its answer. ``seen``: whether training uses this phrasing."""

    text: str
    answer: str
    task: str
    seen: bool


_SIDES = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}  # side -> axis, sign


def ask(made: Scene, task: str, rng: random.Random, *, seen: bool = True) -> Question | None:
    """A question of a task about a scene, or None if the scene gives no occasion for it."""
    found = _ASKERS[task](made, rng)
    if found is None:
        return None
    slots, answer = found
    return Question(
        rng.choice(PHRASINGS[task][0 if seen else 1]).format(*slots.pop("options", ()), **slots), answer, task, seen
    )


def questions(
    made: Scene, number: int, rng: random.Random, *, seen: bool = True, emphasis: dict[str, float] | None = None
) -> list[Question]:
    """So many different questions about a scene, of tasks drawn among those it gives occasion for.

    emphasis: task -> how much more often than the others (1.0) it is drawn.
    """
    asked: dict[str, Question] = {}
    shares = [(emphasis or {}).get(task, 1.0) for task in TASKS]
    for task in rng.choices(TASKS, shares, k=8 * number):
        question = ask(made, task, rng, seen=seen)
        if question is not None:
            asked.setdefault(question.text, question)
        if len(asked) == number:
            break
    return list(asked.values())


def description(made: Scene) -> str:
    """All things of a scene in reading order, and the background: ``a dog, two cups and a sign on a red
    background``.
    """
    things = [counted(number, name) for name, number in Counter(thing.name for thing in made.things).items()]
    listed = things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
    return f"{listed} on {with_article(made.colour)} background"


def _names(made: Scene) -> Counter[str]:
    return Counter(thing.name for thing in made.things if thing.name != SIGN)


def _unique(made: Scene) -> list[Thing]:
    counts = Counter(thing.name for thing in made.things)
    return [thing for thing in made.things if counts[thing.name] == 1]


def _absent(made: Scene, rng: random.Random) -> str:
    """A kind that is not there; every other time one easily mistaken for what is there (of the same category)."""
    present = _names(made)
    missing = [kind for kind in KINDS if kind not in present]
    alike = [kind for kind in missing if CATEGORY_OF[kind] in {CATEGORY_OF[name] for name in present}]
    return rng.choice(alike if alike and rng.random() < 0.5 else missing)


def _present(made: Scene, rng: random.Random) -> str | None:
    return rng.choice(list(_names(made))) if _names(made) else None


def _exists(made: Scene, rng: random.Random):
    present = _present(made, rng)
    if present and rng.random() < 0.5:
        return {"a": with_article(present)}, "yes"
    return {"a": with_article(_absent(made, rng))}, "no"


def _count(made: Scene, rng: random.Random):
    counts = _names(made)
    several = [name for name, number in counts.items() if number > 1]
    draw = rng.random()
    name = rng.choice(several) if several and draw < 0.55 else _present(made, rng) if draw < 0.85 else None
    name = name or _absent(made, rng)
    return {"many": plural(name)}, NUMBERS[counts[name]]


def _where(made: Scene, rng: random.Random):
    unique = _unique(made)
    if not unique:
        return None
    thing = rng.choice(unique)
    return {"one": thing.name}, thing.cell


def _in_cells(made: Scene) -> dict[str, set[str]]:
    inside: dict[str, set[str]] = {}
    for thing in made.things:
        inside.setdefault(thing.cell, set()).add(thing.name)
    return inside


def _cell_of_one_name(made: Scene, rng: random.Random) -> tuple[str, str] | None:
    options = [(cell, next(iter(names))) for cell, names in _in_cells(made).items() if len(names) == 1]
    return rng.choice(options) if options else None


def _what_at(made: Scene, rng: random.Random):
    if rng.random() < 0.15:
        return {"cell": rng.choice([cell for cell in CELLS if cell not in _in_cells(made)])}, "nothing"
    found = _cell_of_one_name(made, rng)
    return found and ({"cell": found[0]}, found[1])


def _relation(made: Scene, rng: random.Random):
    unique = _unique(made)
    if len(unique) < 2:
        return None
    one, other = rng.sample(unique, 2)
    side = rng.choice(list(_SIDES))
    axis, sign = _SIDES[side]
    distance = sign * (other.centre[axis] - one.centre[axis])
    if abs(distance) < _APART:
        return None
    return {"one": one.name, "side": side, "other": other.name}, "yes" if distance > 0 else "no"


def _count_category(made: Scene, rng: random.Random):
    counts = Counter(CATEGORY_OF[thing.name] for thing in made.things if thing.name != SIGN)
    category = rng.choice(list(counts)) if counts and rng.random() < 0.8 else rng.choice(list(CATEGORIES))
    return {"many": plural(category)}, NUMBERS[counts[category]]


def _category(made: Scene, rng: random.Random):
    found = _cell_of_one_name(made, rng)
    return found and found[1] != SIGN and ({"cell": found[0]}, CATEGORY_OF[found[1]]) or None


def _colour(made: Scene, rng: random.Random):
    return {}, made.colour


def _sign(made: Scene, rng: random.Random):
    numbers = [thing.number for thing in made.things if thing.number]
    return ({}, numbers[0]) if numbers else None


def _compare(made: Scene, rng: random.Random):
    counts = _names(made)
    if rng.random() < 0.5:
        counts = Counter(CATEGORY_OF[name] for name in counts.elements())
        pool = list(CATEGORIES)
    else:
        pool = [*counts, _absent(made, rng)]
    if len(pool) < 2:
        return None
    one, other = rng.sample(pool, 2)
    if counts[one] == counts[other]:
        return None
    return {"many": plural(one), "others": plural(other)}, "yes" if counts[one] > counts[other] else "no"


def _describe(made: Scene, rng: random.Random):
    return {}, description(made)


def _choice(made: Scene, rng: random.Random):
    draw = rng.random()
    found = _cell_of_one_name(made, rng)
    if draw < 0.4 and found:
        question, right = f"What is in the {found[0]}?", found[1]
        elsewhere = sorted(set(_names(made)) - {right})
        wrong = rng.sample(elsewhere, min(len(elsewhere), 1))
    elif draw < 0.7 and _present(made, rng):
        question, right, wrong = "Which of these is in the picture?", _present(made, rng) or "", []
    else:
        question, right = "What colour is the background?", made.colour
        wrong = rng.sample([colour for colour in COLOURS if colour != right], 3)
    while len(wrong) < 3:
        absent = _absent(made, rng)
        if absent not in (right, *wrong):
            wrong.append(absent)
    options = [right, *wrong]
    rng.shuffle(options)
    return {"question": question, "options": options}, "ABCD"[options.index(right)]


_ASKERS: dict[str, Callable] = {
    "exists": _exists,
    "count": _count,
    "where": _where,
    "what at": _what_at,
    "relation": _relation,
    "count category": _count_category,
    "category": _category,
    "colour": _colour,
    "sign": _sign,
    "compare": _compare,
    "describe": _describe,
    "choice": _choice,
}
