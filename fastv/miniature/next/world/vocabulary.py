"""The closed world of the miniatures: kinds of things, what is known about them, colours, places,
    and their words.

Every name is one word, so that one token names one kind. The facts (where a kind is found, what it weighs, its call,
its young, its price) are never visible in a picture: a question about them needs knowledge beside sight.
"""

from __future__ import annotations

import colorsys
import random
from functools import cache
from types import MappingProxyType

# category -> kind -> (emoji, where it is found, weight class). Weight classes are far apart: 1 is an ant, 8 is a ship.
_TABLE: dict[str, str] = {
    "animal": """dog 🐕 house 4, poodle 🐩 house 4, cat 🐈 house 3, horse 🐎 farm 6, zebra 🦓 savanna 6,
        cow 🐄 farm 6,
        ox 🐂 farm 6, pig 🐖 farm 5, boar 🐗 forest 5, sheep 🐑 farm 5, goat 🐐 farm 5, ram 🐏 farm 5,
        camel 🐪 desert 6,
        elephant 🐘 savanna 7, rabbit 🐇 forest 3, mouse 🐁 house 2, rat 🐀 street 2, tiger 🐅 jungle 6,
        leopard 🐆 jungle 5, giraffe 🦒 savanna 6, deer 🦌 forest 5, monkey 🐒 jungle 4""",
    "bird": """penguin 🐧 ice 4, duck 🦆 lake 3, swan 🦢 lake 4, eagle 🦅 mountain 3, owl 🦉 forest 3,
        rooster 🐓 farm 3,
        turkey 🦃 farm 4, peacock 🦚 jungle 4, parrot 🦜 jungle 3, flamingo 🦩 lake 4, dove 🕊 street 2""",
    "swimmer": """fish 🐟 lake 2, dolphin 🐬 sea 6, whale 🐳 sea 8, shark 🦈 sea 6, octopus 🐙 sea 4,
        squid 🦑 sea 4,
        crab 🦀 beach 2, lobster 🦞 sea 3, shrimp 🦐 sea 1, turtle 🐢 beach 4""",
    "insect": """bee 🐝 garden 1, ladybug 🐞 garden 1, butterfly 🦋 garden 1, ant 🐜 forest 1,
        cricket 🦗 garden 1,
        mosquito 🦟 lake 1""",
    "fruit": """apple 🍎 kitchen 2, banana 🍌 jungle 2, grape 🍇 farm 2, peach 🍑 kitchen 2, lemon 🍋 kitchen 2,
        pear 🍐 kitchen 2, strawberry 🍓 garden 1, cherry 🍒 garden 1, pineapple 🍍 jungle 3, kiwi 🥝 kitchen 2,
        mango 🥭 jungle 2, coconut 🥥 beach 3""",
    "vegetable": """carrot 🥕 farm 2, corn 🌽 farm 2, eggplant 🍆 kitchen 2, potato 🥔 farm 2,
        onion 🧅 kitchen 2,
        broccoli 🥦 kitchen 2, cucumber 🥒 farm 2, tomato 🍅 garden 2, mushroom 🍄 forest 1""",
    "food": """bread 🍞 kitchen 2, cheese 🧀 kitchen 2, pizza 🍕 kitchen 2, burger 🍔 kitchen 2,
        donut 🍩 kitchen 1,
        cookie 🍪 kitchen 1, cake 🎂 kitchen 3, cupcake 🧁 kitchen 1, croissant 🥐 kitchen 1""",
    "vehicle": """car 🚗 street 7, taxi 🚕 street 7, bus 🚌 street 8, truck 🚚 street 8, ambulance 🚑 street 7,
        bicycle 🚲 street 4, scooter 🛵 street 5, tractor 🚜 farm 7, train 🚂 station 8, sailboat ⛵ lake 7,
        ship 🚢 sea 8, helicopter 🚁 sky 7, rocket 🚀 sky 8""",
    "ball": """football ⚽ park 2, basketball 🏀 park 2, baseball ⚾ park 1, volleyball 🏐 beach 2,
        softball 🥎 park 1,
        eightball 🎱 bar 1""",
    "plant": """tree 🌳 forest 7, pine 🌲 mountain 7, palm 🌴 beach 7, cactus 🌵 desert 5, rose 🌹 garden 1,
        tulip 🌷 garden 1, sunflower 🌻 garden 2, hibiscus 🌺 jungle 1, daisy 🌼 garden 1, clover 🍀 park 1""",
    "tool": """hammer 🔨 workshop 3, axe 🪓 forest 3, wrench 🔧 workshop 3, saw 🪚 workshop 3,
        scissors ✂ kitchen 1,
        key 🔑 house 1, magnet 🧲 workshop 2, broom 🧹 house 3""",
    "instrument": """guitar 🎸 stage 3, violin 🎻 stage 3, trumpet 🎺 stage 3, saxophone 🎷 bar 3,
        drum 🥁 stage 4,
        accordion 🪗 stage 4, bell 🔔 church 4""",
    "clothing": """shirt 👕 closet 2, dress 👗 closet 2, jeans 👖 closet 2, sneaker 👟 park 2, boot 👢 closet 2,
        tophat 🎩 stage 2, cap 🧢 park 1, crown 👑 castle 2, scarf 🧣 closet 1""",
    "furnishing": """chair 🪑 house 4, clock ⏰ house 2, bulb 💡 house 1, cup ☕ kitchen 2,
        book 📕 school 2, phone ☎ house 3,
        umbrella ☂ beach 3, candle 🕯 church 1, sofa 🛋 house 6, teapot 🫖 kitchen 3""",
}
_ROWS = [
    (category, *entry.split())
    for category, entries in _TABLE.items()
    for entry in entries.replace("\n", " ").split(",")
]
CATEGORIES = {category: tuple(row[1] for row in _ROWS if row[0] == category) for category in _TABLE}
CATEGORY_OF = {row[1]: row[0] for row in _ROWS}
EMOJI = {row[1]: row[2] for row in _ROWS}
KINDS = tuple(EMOJI)
PLATE = "plate"  # a plate with a number; a thing of its own, in no category
NAMES = (*KINDS, PLATE)

HOME = {row[1]: row[3] for row in _ROWS}
WEIGHT = {row[1]: int(row[4]) for row in _ROWS}
_CALLS = """dog barks, poodle yaps, cat meows, horse neighs, cow moos, pig oinks, sheep bleats, goat maas,
    elephant trumpets, mouse squeaks, tiger roars, monkey chatters, duck quacks, rooster crows, turkey gobbles,
    owl hoots, parrot talks, dove coos, eagle screams, bee buzzes, cricket chirps, mosquito hums, dolphin clicks,
    whale sings"""
_YOUNGS = """dog puppy, cat kitten, horse foal, cow calf, pig piglet, sheep lamb, goat kid, rabbit bunny, tiger cub,
    deer fawn, swan cygnet, duck duckling, eagle eaglet, owl owlet, rooster chick, turkey poult, butterfly caterpillar,
    fish fry, turtle hatchling, bee larva"""


def _pairs(text: str) -> dict[str, str]:
    pairs = (entry.split() for entry in text.split(","))
    return dict(pairs)


CALL, YOUNG = _pairs(_CALLS), _pairs(_YOUNGS)
# What the world's shop asks, in coins: true nowhere else, so it can only be learnt.
PRICE = {
    kind: random.Random(f"price {kind}").randint(1, 9)
    for category in ("fruit", "vegetable", "food")
    for kind in CATEGORIES[category]
}
FACTS: MappingProxyType[str, dict[str, str]]  # name of a fact -> kind -> the word that answers

# Named colours as (hue in degrees, saturation, value): of backgrounds, and of the things that come in colours.
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0, 0.62, 0.80),
    "orange": (28, 0.75, 0.95),
    "yellow": (52, 0.62, 0.96),
    "green": (120, 0.48, 0.66),
    "blue": (214, 0.62, 0.80),
    "purple": (276, 0.46, 0.68),
    "pink": (335, 0.30, 0.97),
    "brown": (24, 0.52, 0.48),
    "grey": (0, 0, 0.58),
    "white": (0, 0, 0.97),
    "black": (0, 0, 0.13),
}
TINTS: dict[str, tuple[float, float, float]] = {
    "red": (0, 0.85, 1.0),
    "orange": (30, 0.9, 1.0),
    "yellow": (55, 0.85, 1.0),
    "green": (125, 0.75, 0.85),
    "blue": (218, 0.8, 1.0),
    "purple": (280, 0.65, 0.95),
    "white": (0, 0.0, 1.15),
}
COLOURABLE = (
    "car",
    "bus",
    "truck",
    "scooter",
    "sailboat",
    "helicopter",
    "shirt",
    "dress",
    "sneaker",
    "boot",
    "cap",
    "scarf",
    "book",
    "cup",
    "chair",
    "umbrella",
    "key",
    "guitar",
    "butterfly",
    "fish",
    "phone",
    "sofa",
    "teapot",
    "rose",
    "tulip",
    "parrot",
)
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
CELLS = tuple(
    "middle" if (row, column) == ("middle", "centre") else f"{row} {column}" for row in ROWS for column in COLUMNS
)
NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
)
FACTS = MappingProxyType(
    {
        "home": HOME,
        "call": CALL,
        "young": YOUNG,
        "price": {kind: NUMBERS[price] for kind, price in PRICE.items()},
    }
)

_IRREGULAR = {
    "ox": "oxen",
    "sheep": "sheep",
    "mouse": "mice",
    "deer": "deer",
    "fish": "fish",
    "octopus": "octopuses",
    "shrimp": "shrimp",
    "squid": "squid",
    "ladybug": "ladybugs",
    "butterfly": "butterflies",
    "mosquito": "mosquitoes",
    "peach": "peaches",
    "strawberry": "strawberries",
    "cherry": "cherries",
    "mango": "mangoes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "broccoli": "broccoli",
    "corn": "corn",
    "bread": "breads",
    "bus": "buses",
    "cactus": "cacti",
    "daisy": "daisies",
    "wrench": "wrenches",
    "scissors": "scissors",
    "dress": "dresses",
    "jeans": "jeans",
    "scarf": "scarves",
    "clothing": "clothes",
}


@cache
def mixture(one: str, other: str) -> str:
    """What the world's cook makes of two kinds,
        in either order: one of ten thousand facts that follow from nothing.

    Knowledge of this amount is what a larger decoder should have more of.
    """
    return random.Random(f"mix {min(one, other)} {max(one, other)}").choice(KINDS)


def plural(noun: str) -> str:
    """The plural of a kind or a category."""
    return _IRREGULAR.get(noun, noun + "s")


def with_article(noun: str) -> str:
    """``noun`` after its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def counted(number: int, noun: str) -> str:
    """``a dog``, ``two dogs``."""
    return with_article(noun) if number == 1 else f"{NUMBERS[number]} {plural(noun)}"


def rgb(
    colour: tuple[float, float, float], hue_shift: float = 0.0, saturation_scale: float = 1.0, value_scale: float = 1.0
) -> tuple[float, float, float]:
    """A (hue, saturation, value) as RGB (0-1),
    shifted by degrees of hue and scaled in saturation and value."""
    hue, saturation, value = colour
    return colorsys.hsv_to_rgb(
        (hue + hue_shift) % 360 / 360, min(1.0, saturation * saturation_scale), min(1.0, value * value_scale)
    )
