"""The sprite sheet of the world's kinds, drawn once from Noto Color Emoji, and the plates with their numbers.

``python -m fastv.miniature.next.world.sprites FONT`` draws the sheet again from a font file that holds the emoji as
bitmaps (Debian's package fonts-noto-color-emoji has one).
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastv.miniature.next.world.vocabulary import EMOJI, KINDS
from fastv.paths import ASSETS

SHEET = ASSETS / "next" / "sprites.png"
SPRITE = 112  # pixels, each sprite's square
ACROSS = 12  # sprites in a row of the sheet
HIGHEST = 999  # number on a plate
_BITMAP = 109  # the one size at which the font's bitmaps can be asked for
_PLATE_HEIGHT = 50  # pixels of the square's height that a plate takes


def draw_sheet(font_path: Path) -> Image.Image:
    """RGBA sheet of all kinds, row by row, each cropped to what is drawn and fitted into its square."""
    font = ImageFont.truetype(str(font_path), _BITMAP)
    sheet = Image.new("RGBA", (ACROSS * SPRITE, -(-len(KINDS) // ACROSS) * SPRITE))
    for index, kind in enumerate(KINDS):
        canvas = Image.new("RGBA", (200, 200))
        ImageDraw.Draw(canvas).text((30, 30), EMOJI[kind], font=font, embedded_color=True)
        box = canvas.getbbox()
        if box is None or box[2] - box[0] < 40:
            raise SystemExit(f"The font draws nothing for {kind}.")
        thing = canvas.crop(box)
        scale = (SPRITE - 2) / max(thing.size)
        thing = thing.resize(
            (max(1, round(thing.width * scale)), max(1, round(thing.height * scale))), Image.Resampling.LANCZOS
        )
        left = index % ACROSS * SPRITE + (SPRITE - thing.width) // 2
        top = index // ACROSS * SPRITE + (SPRITE - thing.height) // 2
        sheet.paste(thing, (left, top))
    return sheet


@lru_cache(maxsize=1)
def sprite_bank() -> np.ndarray:
    """uint8 (kinds, 112, 112, 4): each kind's sprite, RGBA, alpha straight."""
    sheet = np.asarray(Image.open(SHEET).convert("RGBA"))
    rows = sheet.shape[0] // SPRITE
    squares = sheet.reshape(rows, SPRITE, ACROSS, SPRITE, 4).transpose(0, 2, 1, 3, 4)
    return squares.reshape(-1, SPRITE, SPRITE, 4)[: len(KINDS)].copy()


@lru_cache(maxsize=1)
def plate_bank() -> np.ndarray:
    """uint8 (1 + HIGHEST, 112, 112, 2): for each number how much ink covers a pixel, and the plate's alpha."""
    font = ImageFont.load_default(46)
    top = (SPRITE - _PLATE_HEIGHT) // 2
    box = (0, top, SPRITE - 1, top + _PLATE_HEIGHT - 1)
    alpha = Image.new("L", (SPRITE, SPRITE))
    ImageDraw.Draw(alpha).rounded_rectangle(box, radius=6, fill=255)
    bank = np.empty((1 + HIGHEST, SPRITE, SPRITE, 2), np.uint8)
    bank[..., 1] = np.asarray(alpha)
    for number in range(1 + HIGHEST):
        ink = Image.new("L", (SPRITE, SPRITE))
        draw = ImageDraw.Draw(ink)
        draw.rounded_rectangle(box, radius=6, outline=255, width=3)
        for x, digit in digit_places(number):
            draw.text((SPRITE * (0.5 + x), SPRITE / 2), digit, font=font, fill=255, anchor="mm")
        bank[number, ..., 0] = np.asarray(ink)
    return bank


def digit_places(number: int) -> list[tuple[float, str]]:
    """(horizontal offset of its middle from the plate's, as a share of the plate's width; digit), from left to
    right.
    """
    digits = str(number)
    return [((index - (len(digits) - 1) / 2) * 0.29, digit) for index, digit in enumerate(digits)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the sprite sheet from an emoji font.")
    parser.add_argument("font", type=Path, help="a colour-bitmap emoji font file, such as NotoColorEmoji.ttf")
    SHEET.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(parser.parse_args().font).save(SHEET, optimize=True)


if __name__ == "__main__":
    main()
