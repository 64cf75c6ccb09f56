"""The closed world of the miniatures: the things, colours and places there are, and the words for them."""

from __future__ import annotations

import colorsys

# category -> kind -> emoji. Every name is one word, so that one token names one thing.
CATEGORIES: dict[str, dict[str, str]] = {
    "animal": {
        "dog": "🐕",
        "cat": "🐈",
        "horse": "🐎",
        "cow": "🐄",
        "pig": "🐖",
        "elephant": "🐘",
        "rabbit": "🐇",
        "frog": "🐸",
        "penguin": "🐧",
        "fish": "🐟",
        "turtle": "🐢",
    },
    "fruit": {
        "apple": "🍎",
        "banana": "🍌",
        "grape": "🍇",
        "peach": "🍑",
        "lemon": "🍋",
        "pear": "🍐",
        "strawberry": "🍓",
        "cherry": "🍒",
        "pineapple": "🍍",
    },
    "vehicle": {
        "car": "🚗",
        "bus": "🚌",
        "truck": "🚚",
        "bicycle": "🚲",
        "boat": "⛵",
        "tractor": "🚜",
        "helicopter": "🚁",
        "rocket": "🚀",
        "scooter": "🛵",
        "train": "🚂",
    },
    "ball": {
        "football": "⚽",
        "basketball": "🏀",
        "baseball": "⚾",
        "volleyball": "🏐",
        "softball": "🥎",
        "eightball": "🎱",
    },
    "plant": {
        "tree": "🌳",
        "pine": "🌲",
        "palm": "🌴",
        "cactus": "🌵",
        "rose": "🌹",
        "tulip": "🌷",
        "sunflower": "🌻",
        "clover": "🍀",
    },
    "tool": {
        "chair": "🪑",
        "clock": "⏰",
        "bulb": "💡",
        "key": "🔑",
        "cup": "☕",
        "book": "📕",
        "phone": "☎",
        "umbrella": "☂",
        "candle": "🕯",
        "bell": "🔔",
    },
}
EMOJI = {kind: emoji for members in CATEGORIES.values() for kind, emoji in members.items()}
KINDS = tuple(EMOJI)
CATEGORY_OF = {kind: category for category, members in CATEGORIES.items() for kind in members}
SIGN = "sign"  # a plate with a number; a thing of its own, in no category
NAMES = (*KINDS, SIGN)

_IRREGULAR = {
    "fish": "fish",
    "bus": "buses",
    "peach": "peaches",
    "strawberry": "strawberries",
    "cherry": "cherries",
    "cactus": "cacti",
    "fruit": "fruits",
}

# The named background colours, as (hue in degrees, saturation, value); shades vary a little around each.
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
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
CELLS = tuple(
    "middle" if (row, column) == ("middle", "centre") else f"{row} {column}" for row in ROWS for column in COLUMNS
)
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")


def plural(noun: str) -> str:
    """The plural of a kind or a category."""
    return _IRREGULAR.get(noun, noun + "s")


def with_article(noun: str) -> str:
    """``noun`` after its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def counted(number: int, noun: str) -> str:
    """``a dog``, ``two dogs``."""
    return with_article(noun) if number == 1 else f"{NUMBERS[number]} {plural(noun)}"


def shade(colour: str, hue_shift: float, saturation_scale: float, value_scale: float) -> tuple[int, int, int]:
    """An RGB shade (0-255) of a named colour, shifted by degrees of hue and scaled in saturation and value."""
    hue, saturation, value = COLOURS[colour]
    red, green, blue = colorsys.hsv_to_rgb(
        (hue + hue_shift) % 360 / 360, min(1, saturation * saturation_scale), min(1, value * value_scale)
    )
    return round(255 * red), round(255 * green), round(255 * blue)
