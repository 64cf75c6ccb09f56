"""Scenes: pictures of everyday things on coloured backgrounds, any number of them, each from a seed.

A scene knows what is where, so that every question about it has an answer that can be checked, and every patch of it
a label that can be learnt.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastv.miniature.world.sprites import sprites
from fastv.miniature.world.vocabulary import CATEGORY_OF, CELLS, COLOURS, KINDS, NAMES, SIGN, shade

SIDE = 336  # pixels, as LLaVA-1.5 sees a picture
PATCH = 14  # pixels
GRID = SIDE // PATCH  # 24 patches a side
MOST_THINGS = 6
_CELL = SIDE / 3
_CLEAR = (
    9  # pixels a centre stays away from the border between two cells, so that "top left" is never a matter of taste
)
_HELD_OUT_LAYOUTS = 0.15  # share of the sets of occupied cells that training never sees
_DIGIT_REACH = (
    10.0,
    13.0,
)  # pixels from a digit's middle, across and down, within which the middles of its patches lie
NO_LABEL = -100


@dataclass(frozen=True)
class Thing:
    """Something in a scene. ``box`` is left, top, right, bottom in pixels; ``number`` is what a sign says."""

    name: str
    box: tuple[int, int, int, int]
    number: str | None = None
    digit_centres: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def cell(self) -> str:
        """Which ninth of the picture the centre lies in."""
        x, y = self.centre
        return CELLS[int(y // _CELL) * 3 + int(x // _CELL)]

    @property
    def category(self) -> str | None:
        return CATEGORY_OF.get(self.name)


@dataclass(frozen=True)
class Scene:
    """A picture (RGB, 336 x 336), its background's colour name and the things in it, in reading order.

    owners: int8 (24, 24), which thing (its index) covers most of each patch, -1 for the background.
    """

    seed: int
    picture: Image.Image
    colour: str
    things: tuple[Thing, ...]
    owners: np.ndarray


def scene(seed: int, *, held_out: bool | None = None, names: Sequence[str] | None = None) -> Scene:
    """The scene of a seed.

    held_out: False draws only layouts that training may see, True only those it may not, None any.
    names: what is in it (at most ``MOST_THINGS``), instead of what the seed draws.
    """
    rng = random.Random(f"scene {seed}")
    while True:
        placed = _place(names or _names(rng), rng)
        if placed is not None and (held_out is None or held_out == _is_held_out(placed)):
            return _draw(seed, rng, placed)


def patch_labels(made: Scene) -> dict[str, np.ndarray]:
    """What can be known of each patch, int64 arrays of (576,), ``NO_LABEL`` where a label says nothing.

    name: 0 for the background, else 1 + the index in NAMES. cell: the ninth in which the covering thing's centre lies.
    centre: 1 in the patch at a thing's centre, else 0. colour: the background's. digit: 1 + the digit that stands here,
    and place: whether it is the first, second or third of its number, both 0 where there is none.
    """
    owners = made.owners.reshape(-1)
    name, cell = np.zeros(GRID * GRID, np.int64), np.full(GRID * GRID, NO_LABEL, np.int64)
    centre, digit, place = (np.zeros(GRID * GRID, np.int64) for _ in range(3))
    for index, thing in enumerate(made.things):
        name[owners == index] = 1 + NAMES.index(thing.name)
        cell[owners == index] = CELLS.index(thing.cell)
        centre[_patch_at(*thing.centre)] = 1
        for patch, position in _digit_patches(thing.digit_centres):
            digit[patch], place[patch] = 1 + int((thing.number or "")[position]), 1 + position
    return {
        "name": name,
        "cell": cell,
        "centre": centre,
        "digit": digit,
        "place": place,
        "colour": np.full(GRID * GRID, list(COLOURS).index(made.colour), np.int64),
    }


def _patch_at(x: float, y: float) -> int:
    return min(GRID - 1, int(y // PATCH)) * GRID + min(GRID - 1, int(x // PATCH))


def _digit_patches(centres: tuple[tuple[float, float], ...]) -> Iterator[tuple[int, int]]:
    """(patch, index of the digit) for the patches a digit fills most of: those whose middle is near its own, and
    nearest to it.
    """
    if centres:
        across, down = np.array(centres).T
        middles = (np.arange(GRID) + 0.5) * PATCH
        nearest = np.abs(middles[:, None] - across).argmin(1)
        columns = np.flatnonzero(np.abs(middles - across[nearest]) <= _DIGIT_REACH[0])
        rows = np.flatnonzero(np.abs(middles - down[0]) <= _DIGIT_REACH[1])
        yield from ((int(row * GRID + column), int(nearest[column])) for row in rows for column in columns)


@dataclass(frozen=True)
class _Placement:
    name: str
    x: float
    y: float
    size: float


def _place(names: Sequence[str], rng: random.Random) -> list[_Placement] | None:
    """Centres and sizes (pixels of the longer side) of a scene's things, or None if they found no room."""
    placed: list[_Placement] = []
    most = 132 if len(names) <= 2 else 112 if len(names) <= 4 else 92
    for name in names:
        for _ in range(40):
            size = rng.uniform(46, 62) if name == SIGN else rng.uniform(44, most)
            x, y = (rng.uniform(size / 2 + 1, SIDE - size / 2 - 1) for _ in range(2))
            if any(abs(value - border) < _CLEAR for value in (x, y) for border in (_CELL, 2 * _CELL)):
                continue
            if all(max(abs(x - other.x), abs(y - other.y)) > 0.48 * (size + other.size) for other in placed):
                placed.append(_Placement(name, x, y, size))
                break
        else:
            return None
    return placed


def _names(rng: random.Random) -> list[str]:
    """One to six things; often several of one kind, or of one category, so that counting and comparing mean
    something.
    """
    names: list[str] = []
    total = rng.randint(1, MOST_THINGS)
    if rng.random() < 0.4:
        names.append(SIGN)
    while len(names) < total:
        kinds = [name for name in names if name != SIGN]
        draw = rng.random()
        if kinds and draw < 0.35:
            names.append(rng.choice(kinds))
        elif kinds and draw < 0.6:
            category = CATEGORY_OF[rng.choice(kinds)]
            names.append(rng.choice([kind for kind in KINDS if CATEGORY_OF[kind] == category]))
        else:
            names.append(rng.choice(KINDS))
    rng.shuffle(names)
    return names


def _is_held_out(placed: list[_Placement]) -> bool:
    """Whether this set of occupied cells is one that training never sees (single things never are)."""
    cells = sorted({int(place.y // _CELL) * 3 + int(place.x // _CELL) for place in placed})
    return len(cells) > 1 and random.Random(f"layout {cells}").random() < _HELD_OUT_LAYOUTS


def _draw(seed: int, rng: random.Random, placed: list[_Placement]) -> Scene:
    colour = rng.choice(list(COLOURS))
    picture = _background(colour, rng)
    placed = sorted(placed, key=lambda place: (int(place.y // _CELL), place.x))
    things, cover = [], np.zeros((len(placed), GRID, GRID))
    for index, place in enumerate(placed):
        sprite, number, digits = _sign(rng, place.size) if place.name == SIGN else (_turned(place, rng), None, ())
        left, top = round(place.x - sprite.width / 2), round(place.y - sprite.height / 2)
        picture.paste(sprite, (left, top), sprite)
        box = (max(0, left), max(0, top), min(SIDE, left + sprite.width), min(SIDE, top + sprite.height))
        things.append(Thing(place.name, box, number, tuple((left + x, top + y) for x, y in digits)))
        alpha = Image.new("L", (SIDE, SIDE))
        alpha.paste(sprite.getchannel("A"), (left, top))
        cover[index] = np.asarray(alpha.reduce(PATCH)) / 255
    cover[cover < 0.3] = 0
    owners = np.where(cover.max(0) > 0, cover.argmax(0), -1).astype(np.int8)
    return Scene(seed, picture, colour, tuple(things), owners)


def _background(colour: str, rng: random.Random) -> Image.Image:
    """A slightly varied shade of the colour with a soft texture: a gradient, blotches, stripes or dots."""
    hue, saturation = rng.uniform(-6, 6), rng.uniform(0.85, 1.12)
    light = rng.uniform(0.92, 1.04)
    first = shade(colour, hue, saturation, light)
    second = shade(
        colour, hue + rng.uniform(-5, 5), saturation * rng.uniform(0.85, 1.0), light * rng.uniform(0.84, 0.94)
    )
    coarse = np.random.default_rng(rng.getrandbits(32))
    style = rng.choice(("gradient", "blotches", "stripes", "dots"))
    if style == "gradient":
        corners = coarse.uniform(0, 255, (2, 2))
        mix = Image.fromarray(corners.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    elif style == "blotches":
        cells = int(coarse.integers(4, 12))
        mix = Image.fromarray(coarse.uniform(0, 255, (cells, cells)).astype(np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
    else:
        mix = Image.new("L", (SIDE, SIDE))
        draw, step, slant = ImageDraw.Draw(mix), rng.randint(18, 44), rng.choice((-SIDE, 0, SIDE // 2, SIDE))
        for start in range(-SIDE, 2 * SIDE, step):
            if style == "stripes":
                draw.line([(start, 0), (start + slant, SIDE)], fill=200, width=step // 3)
            else:
                for row in range(0, SIDE + step, step):
                    draw.ellipse([start, row, start + step // 3, row + step // 3], fill=220)
    return Image.composite(Image.new("RGB", (SIDE, SIDE), second), Image.new("RGB", (SIDE, SIDE), first), mix)


def _turned(place: _Placement, rng: random.Random) -> Image.Image:
    """The kind's sprite at its size, perhaps mirrored, slightly turned and slightly lighter or darker."""
    sprite = sprites()[place.name]
    scale = place.size / max(sprite.size)
    sprite = sprite.resize(
        (max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale))), Image.Resampling.BILINEAR
    )
    if rng.random() < 0.5:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sprite = sprite.rotate(rng.uniform(-18, 18), Image.Resampling.BILINEAR, expand=True)
    light = rng.uniform(0.88, 1.1)
    red, green, blue, alpha = sprite.split()
    return Image.merge(
        "RGBA",
        [channel.point(lambda value: min(255, round(value * light))) for channel in (red, green, blue)] + [alpha],
    )


def _sign(rng: random.Random, size: float) -> tuple[Image.Image, str, tuple[tuple[float, float], ...]]:
    """A plate with one to three digits -> RGBA picture, number, centre of each digit in the picture's pixels."""
    digits = rng.randint(1, 3)
    number = str(rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1))
    height = round(size * 0.58)
    width = round(size)
    plate, ink = rng.choice(
        (((250, 250, 245), (20, 20, 30)), ((250, 214, 70), (20, 20, 20)), ((28, 60, 140), (250, 250, 250)))
    )
    sign = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(sign)
    draw.rounded_rectangle([0, 0, width - 1, height - 1], radius=5, fill=(*plate, 255), outline=(*ink, 255), width=2)
    font = ImageFont.load_default(height * 0.74)
    advances = [font.getlength(digit) for digit in number]
    x, centres = (width - sum(advances)) / 2, []
    for digit, advance in zip(number, advances):
        draw.text((x, height / 2), digit, font=font, fill=(*ink, 255), anchor="lm")
        centres.append((x + advance / 2, height / 2))
        x += advance
    return sign, number, tuple(centres)
