"""What a person hands in, checked before it reaches a model: a question and a picture.

Every refusal is an ``InvalidInputError`` of one friendly sentence that says what to do instead. Knows no torch and no
model.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fastv.errors import InvalidInputError

MAX_QUESTION_CHARACTERS = 2_000
MAX_PICTURE_BYTES = 20_000_000
MAX_PICTURE_PIXELS = 50_000_000
MAX_SIDE_PIXELS = 2_048
# A vision tower scales the short side to its input size, so a ribbon would grow to a huge picture again.
MAX_ASPECT_RATIO = 20
# Decoders for raster pictures only: Pillow would otherwise also try formats that start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def check_question(text: str, tokenizer=None, *, most_characters: int = MAX_QUESTION_CHARACTERS) -> str:
    """The question without surrounding space.

    tokenizer: a transformers tokenizer; the question may then not hold any of its special tokens, which the model would
    read as something other than text. ``<image>`` is refused in any case.
    Raises InvalidInputError when the question is empty, longer than most_characters or holds such a token.
    """
    if not isinstance(text, str):
        raise InvalidInputError("The question must be text: please type one.")
    question = text.strip()
    if not question:
        raise InvalidInputError("The question is empty: please type one about the picture.")
    if len(question) > most_characters:
        raise InvalidInputError(
            f"The question has {len(question):,} characters: please keep it to {most_characters:,}."
        )
    for token in sorted({"<image>", *_special_tokens(tokenizer)}, key=len, reverse=True):
        if token.lower() in question.lower():
            raise InvalidInputError(
                f"“{token}” has a special meaning for the model: please leave it out of the question."
            )
    return question


def _special_tokens(tokenizer) -> set[str]:
    """The texts a tokenizer turns into control tokens wherever they occur."""
    if tokenizer is None:
        return set()
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return {token.strip() for token in [*tokenizer.all_special_tokens, *added] if token.strip()}


def open_picture(
    source: str | Path | bytes | Image.Image,
    *,
    most_pixels: int = MAX_PICTURE_PIXELS,
    most_bytes: int = MAX_PICTURE_BYTES,
) -> Image.Image:
    """A picture as the models take it: RGB, upright, opaque on white, no metadata, at most 2,048 px on its long side.

    source: a path, the bytes of a file, or a PIL image. Of an animation the first frame is taken.
    Raises InvalidInputError before decoding for files over most_bytes (20 MB), pictures over most_pixels (50
    megapixels) or longer than 20 times their width; and for what is not a picture, or not a whole one.
    """
    picture = source if isinstance(source, Image.Image) else _open_file(source, most_bytes, most_pixels)
    width, height = picture.size
    if width * height > most_pixels:
        raise _too_many_pixels(f"{width * height / 1e6:.3g}", most_pixels)
    if not width or not height or max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise InvalidInputError(f"The picture is {width} x {height} pixels, too narrow to look at: please crop it.")
    try:
        picture.load()
        rgb = opaque(_upright(picture))
        rgb.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS), Image.Resampling.LANCZOS)
    except Exception as error:  # broken files fail inside the decoders in many ways
        raise InvalidInputError(
            "The picture is damaged or incomplete: please save it again, or try another one."
        ) from error
    rgb.info = {}
    return rgb


def _open_file(source: str | Path | bytes, most_bytes: int, most_pixels: int) -> Image.Image:
    """The picture in a file or in its bytes, with only its header read."""
    if isinstance(source, (str, Path)):
        source = read_file(Path(source), most_bytes, "picture")
    if not isinstance(source, (bytes, bytearray)):
        raise InvalidInputError("There is no picture: please choose one.")
    if len(source) > most_bytes:
        raise InvalidInputError(f"The picture's file is over {most_bytes / 1e6:g} MB: please make it smaller.")
    try:
        return Image.open(BytesIO(source), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels("far too many", most_pixels) from error
    except Exception as error:
        raise InvalidInputError(
            "This file is not a picture that can be read here: please use a JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from error


def read_file(path: Path, most_bytes: int, what: str) -> bytes:
    """A file's bytes, of a file too large only so many that it is seen to be. what: "picture" or the like.

    Raises InvalidInputError where there is none, or none that can be read.
    """
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read: please choose another {what}.") from error
    raise InvalidInputError(f"There is no file “{path.name}”: please choose a {what}.")


def _too_many_pixels(megapixels: str, most_pixels: int) -> InvalidInputError:
    return InvalidInputError(
        f"The picture has {megapixels} megapixels: please make it smaller than {most_pixels / 1e6:g}."
    )


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the camera's EXIF orientation says; a broken EXIF block is no reason to refuse the picture."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def opaque(picture: Image.Image) -> Image.Image:
    """RGB, with transparent parts on white; always a new image."""
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bit(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB") if picture.mode != "RGB" else picture.copy()
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Grey of 8 bits from 16-bit samples (their whole range) or from 32-bit and floating-point ones (the range in
    use).
    """
    samples = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    low, high = (0, 65_535) if picture.mode.startswith("I;16") else (samples.min(), samples.max())
    return Image.fromarray(((samples - low) / max(high - low, 1e-12) * 255).round().clip(0, 255).astype(np.uint8))
