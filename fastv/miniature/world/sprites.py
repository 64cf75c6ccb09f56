"""The sprite sheet: every kind of thing, drawn once from Noto Color Emoji and kept as one picture under assets/.

``python -m fastv.miniature.world.sprites FONT`` draws the sheet again from a font file that holds the emoji as bitmaps.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fastv.miniature.world.vocabulary import EMOJI, KINDS
from fastv.paths import ASSETS

SHEET = ASSETS / "sprites" / "things.png"
SPRITE = 112  # pixels, each sprite's square
ACROSS = 9  # sprites in a row of the sheet
_BITMAP = 109  # the one size at which the font's bitmaps can be asked for


def draw_sheet(font_path: Path) -> Image.Image:
    """RGBA sheet of all kinds, row by row, each cropped to what is drawn and fitted into its square."""
    font = ImageFont.truetype(str(font_path), _BITMAP)
    sheet = Image.new("RGBA", (ACROSS * SPRITE, -(-len(KINDS) // ACROSS) * SPRITE))
    for index, kind in enumerate(KINDS):
        canvas = Image.new("RGBA", (200, 200))
        ImageDraw.Draw(canvas).text((30, 30), EMOJI[kind], font=font, embedded_color=True)
        box = canvas.getbbox()
        if box is None:
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
def sprites() -> dict[str, Image.Image]:
    """kind -> RGBA picture, cropped to what is drawn, at most ``SPRITE`` pixels a side."""
    sheet = Image.open(SHEET).convert("RGBA")
    found = {}
    for index, kind in enumerate(KINDS):
        left, top = index % ACROSS * SPRITE, index // ACROSS * SPRITE
        square = sheet.crop((left, top, left + SPRITE, top + SPRITE))
        found[kind] = square.crop(square.getbbox())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the sprite sheet from an emoji font.")
    parser.add_argument("font", type=Path, help="a colour-bitmap emoji font file, such as NotoColorEmoji.ttf")
    SHEET.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(parser.parse_args().font).save(SHEET, optimize=True)


if __name__ == "__main__":
    main()
