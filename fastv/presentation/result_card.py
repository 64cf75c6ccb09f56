"""A result as a picture of its own, for messages and for previews of links: 1200 x 630 pixels, PNG."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from fastv.inputs.frame_view import Grid
from fastv.presentation.overlay import count, dimmed
from fastv.presentation.palette import COLORS
from fastv.presentation.shared_result import SharedResult, SharedSide

SIZE = (1200, 630)
_INK, _MUTED, _PAPER, _LINE = "#171c22", "#4d5763", "#ffffff", "#dfe3e7"
_MARGIN, _PICTURE = 44, 440
_FOOTER = "FastV explorer"


def result_card(result: SharedResult, picture: Image.Image | None) -> bytes:
    """Draw it.

    Parameters
    ----------
    picture
        As the model sees it; None draws the kept patches alone.
    """
    card = Image.new("RGB", SIZE, _PAPER)
    pen = ImageDraw.Draw(card)
    left = _MARGIN
    if result.kept is not None or picture is not None:
        shown = _kept_picture(picture, result.kept)
        card.paste(shown, (_MARGIN, 78))
        pen.rectangle([_MARGIN, 78, _MARGIN + _PICTURE - 1, 78 + shown.height - 1], outline=_LINE)
        left += _PICTURE + 40
    width = SIZE[0] - _MARGIN - left
    pen.rectangle([0, 0, SIZE[0], 10], fill=COLORS["fastv"][0])
    y = 66
    y = _paragraph(pen, result.headline, left, y, width, 40, _INK, lines=3, bold=True) + 14
    y = _paragraph(pen, f"“{result.question}”", left, y, width, 26, _MUTED, lines=2) + 18
    for side, color in ((result.baseline, "baseline"), (result.candidate, "fastv")):
        y = _answer(pen, side, COLORS[color][0], left, y, width) + 16
    _footer(pen, result)
    file = BytesIO()
    card.save(file, "PNG", optimize=True)
    return file.getvalue()


def _kept_picture(picture: Image.Image | None, kept: Grid | None) -> Image.Image:
    """With what was dropped darkened; without a picture the kept patches as light cells."""
    if picture is None:
        cells = [[220 if cell else 40 for cell in row] for row in kept or ()]
        made = Image.new("L", (len(cells[0]), len(cells)))
        made.putdata([cell for row in cells for cell in row])
        shown = made.convert("RGB").resize((_PICTURE, _PICTURE * len(cells) // len(cells[0])), Image.Resampling.NEAREST)
    else:
        whole = dimmed(picture, kept) if kept is not None else picture.convert("RGB")
        shown = whole.resize((_PICTURE, max(1, _PICTURE * whole.height // whole.width)), Image.Resampling.LANCZOS)
    return shown.crop((0, 0, _PICTURE, min(shown.height, _PICTURE)))


def _answer(pen: ImageDraw.ImageDraw, side: SharedSide, color: str, left: int, y: int, width: int) -> int:
    top = y
    heading = f"{side.name}, {side.detail}" if side.detail else side.name
    y = _paragraph(pen, heading, left + 20, y, width - 20, 21, color, lines=1, bold=True) + 2
    y = _paragraph(pen, side.answer or "(empty answer)", left + 20, y, width - 20, 28, _INK, lines=3)
    pen.rectangle([left, top + 2, left + 5, y], fill=color)
    return y


def _footer(pen: ImageDraw.ImageDraw, result: SharedResult) -> None:
    y = SIZE[1] - 46
    pen.line([_MARGIN, y - 14, SIZE[0] - _MARGIN, y - 14], fill=_LINE, width=2)
    kept = "" if result.kept is None else "{:,} of {:,} patches kept · ".format(*count(result.kept))
    pen.text((_MARGIN, y), f"{_FOOTER} · {result.model}", font=_font(22), fill=_INK, stroke_width=0.6, stroke_fill=_INK)
    pen.text((SIZE[0] - _MARGIN, y), f"{kept}{result.date}", font=_font(22), fill=_MUTED, anchor="ra")


def _paragraph(
    pen: ImageDraw.ImageDraw,
    text: str,
    x: int,
    y: int,
    width: int,
    size: int,
    color: str,
    *,
    lines: int,
    bold: bool = False,
) -> int:
    """Writes text in at most so many lines, the last one cut with an ellipsis; returns where the next one begins."""
    font, stroke = _font(size), 0.7 if bold else 0
    for line in _broken(text, font, width, lines):
        pen.text((x, y), line, font=font, fill=color, stroke_width=stroke, stroke_fill=color)
        y += round(size * 1.32)
    return y


def _broken(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, most: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < most:
            lines.append(word)
        else:
            lines[-1] += "…"
            break
    return [_cut(line, font, width) for line in lines]


def _cut(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while len(line) > 1 and font.getlength(line) > width:
        line = line[:-2].rstrip("…") + "…"
    return line


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
