"""Questions and pictures from outside, checked before they reach a model. No torch.

Every refusal is an ``InvalidInputError`` of one sentence that says what to do instead.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from fastv.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np

MAX_QUESTION_CHARACTERS = 2_000
MAX_PICTURE_BYTES = 20_000_000
MAX_PICTURE_PIXELS = 50_000_000
MAX_SIDE_PIXELS = 2_048
# A vision tower scales the short side to its input size, so a ribbon would grow to a huge picture again.
MAX_ASPECT_RATIO = 20
# Decoders for raster pictures only: Pillow would otherwise also try formats that start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


# Pillow refuses PNG files whose notes or colour profile unpack to more than 1 MB; nothing here reads them.
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_NOTES = (b"iCCP", b"iTXt", b"tEXt", b"zTXt")
_GDAL_NODATA = 42113  # a TIFF tag: the sample that stands for "nothing was measured here"
_NO_DATA = (-999.0, -9999.0, -99999.0, -32768.0, 65535.0)  # the same where no tag tells; beyond 1e30 any is


def check_question(text: Any, tokenizer: Any = None, *, most_characters: int = MAX_QUESTION_CHARACTERS) -> str:
    """Check a question.

    Parameters
    ----------
    text
        The question.
    tokenizer
        A transformers tokenizer. The question may then not hold any of its special tokens, which the model would read
        as something other than text. ``<image>`` is refused in any case.
    most_characters
        The longest question.

    Returns
    -------
    str
        The question without surrounding space.

    Raises
    ------
    InvalidInputError
        Where it is empty, too long, or holds such a token.
    """
    if not isinstance(text, str):
        raise InvalidInputError("The question must be text: please type one.")
    question = text.strip()
    if not question:
        raise InvalidInputError("The question is empty: please type one about the image.")
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


def _special_tokens(tokenizer: Any) -> set[str]:
    """The texts a tokenizer turns into control tokens wherever they occur."""
    if tokenizer is None:
        return set()
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return {token.strip() for token in [*tokenizer.all_special_tokens, *added] if token.strip()}


def open_picture(
    source: Any,
    *,
    most_pixels: int = MAX_PICTURE_PIXELS,
    most_bytes: int = MAX_PICTURE_BYTES,
) -> Image.Image:
    """Open a picture as the models take it.

    Parameters
    ----------
    source
        A path, the bytes of a file, or a PIL image. Of an animation the first frame is taken.
    most_pixels, most_bytes
        The largest picture and the largest file, checked before anything is decoded.

    Returns
    -------
    PIL.Image.Image
        RGB, upright, opaque on white, without metadata, at most 2,048 px on its long side.

    Raises
    ------
    InvalidInputError
        For a file or a picture that is too large, one longer than 20 times its width, and a file that is no picture or
        an incomplete one.
    """
    data = b"" if isinstance(source, Image.Image) else _bytes_of(source, most_bytes)
    picture = source if isinstance(source, Image.Image) else _opened(data, most_pixels)
    width, height = picture.size
    if width * height > most_pixels:
        raise _too_many_pixels(f"{width * height / 1e6:.3g}", most_pixels)
    if not width or not height or max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise InvalidInputError(f"The image is {width} x {height} pixels, too narrow for the model: please crop it.")
    try:
        picture = _decoded(picture, data)
        rgb = opaque(_with_samples_of_8_bits(_upright(picture), _tagged_no_data(picture)))
        rgb.thumbnail((MAX_SIDE_PIXELS, MAX_SIDE_PIXELS), Image.Resampling.LANCZOS)
    except Exception as error:  # broken files fail inside the decoders in many ways
        raise InvalidInputError(
            "The image is damaged or incomplete: please save it again, or try another one."
        ) from error
    rgb.info = {}
    return rgb


def _bytes_of(source: Any, most_bytes: int) -> bytes:
    if isinstance(source, (str, Path)):
        source = read_file(Path(source), most_bytes, "image")
    if not isinstance(source, bytes | bytearray):
        raise InvalidInputError("There is no image: please choose one.")
    if len(source) > most_bytes:
        raise InvalidInputError(f"The image's file is over {most_bytes / 1e6:g} MB: please make it smaller.")
    return bytes(source)


def _opened(data: bytes, most_pixels: int) -> Image.Image:
    """The picture in a file's bytes, with only its header read."""
    try:
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        except ValueError:
            return Image.open(BytesIO(_without_notes(data)), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels("far too many", most_pixels) from error
    except Exception as error:
        raise InvalidInputError(
            "This file is not an image that can be read here: please use a JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from error


def _decoded(picture: Image.Image, data: bytes) -> Image.Image:
    """The picture with its pixels read. data: of its file, empty where there is none."""
    try:
        picture.load()
    except ValueError:  # notes behind the pixels
        if not data:
            raise
        picture = Image.open(BytesIO(_without_notes(data)), formats=FORMATS)
        picture.load()
    return picture


def _without_notes(data: bytes) -> bytes:
    """A PNG file without its text chunks and its colour profile; other files raise ValueError."""
    if not data.startswith(_PNG_SIGNATURE):
        raise ValueError("no PNG")
    kept, start = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")  # length, type, content, checksum
        if data[start + 4 : start + 8] not in _PNG_NOTES:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def read_file(path: Path, most_bytes: int, what: str) -> bytes:
    """Read at most ``most_bytes + 1`` bytes of a file, enough to detect one that is too large.

    what: "image" or the like, for the message. Raises InvalidInputError where there is no such file, or it cannot be
    read.
    """
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"“{path.name}” cannot be read: please choose another {what}.") from error
    raise InvalidInputError(f"There is no file “{path.name}”: please choose one.")


def _too_many_pixels(megapixels: str, most_pixels: int) -> InvalidInputError:
    return InvalidInputError(
        f"The image has {megapixels} megapixels: please make it smaller than {most_pixels / 1e6:g}."
    )


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as the camera's EXIF orientation says; a broken EXIF block is no reason to refuse the picture."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def opaque(picture: Image.Image) -> Image.Image:
    """RGB, with transparent parts on white; always a new image."""
    if not picture.has_transparency_data:
        return picture.convert("RGB") if picture.mode != "RGB" else picture.copy()
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _with_samples_of_8_bits(picture: Image.Image, no_data: float | None) -> Image.Image:
    """Grey of 8 bits from grey of more, or from floating-point samples; other pictures as they are.

    16-bit samples that reach into the upper half of their range keep it whole. All others are stretched over the range
    in use: 12 bits of an X-ray would be all but black. Samples that are not finite or stand for "no data" are no part
    of the range.
    """
    if not picture.mode.startswith(("I", "F")):
        return picture
    import numpy as np  # rarely needed, and most of the start of a process that opens one picture

    samples = np.asarray(picture, dtype=np.float64)
    valid = samples[np.isfinite(samples) & (samples != no_data)]
    low, high = _range_in_use(valid if len(valid) else samples[np.isfinite(samples)])
    if picture.mode.startswith("I;16") and (high >= 2**15 or low == high):
        low, high = 0.0, 65_535.0
    grey = np.nan_to_num(samples, nan=low, posinf=high, neginf=low).clip(low, high) - low
    return Image.fromarray((grey / max(high - low, 1e-12) * 255).round().astype(np.uint8))


def _tagged_no_data(picture: Image.Image) -> float | None:
    try:
        return float(str(getattr(picture, "tag_v2", {}).get(_GDAL_NODATA)).strip(" \0"))
    except ValueError:
        return None


def _range_in_use(samples: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest sample, without extreme values that stand far apart from all others.

    samples: float64 (n,), finite. An extreme value counts as "no data" where its distance to the next one is many times
    the range of the others, or, for values that are known to be used so, more than that range. Raises ValueError where
    there are no samples.
    """
    import numpy as np

    low, high = float(samples.min()), float(samples.max())
    for _ in range(4):  # there may be two such values at either end
        for outer in (low, high):
            rest = samples[samples != outer]
            if len(np.unique(rest[:: 1 + len(rest) // 10_000])) < 8:  # a drawing of a few shades
                continue
            least, most = float(rest.min()), float(rest.max())
            gap = least - outer if outer == low else outer - most
            known = outer in _NO_DATA or abs(outer) > 1e30
            if gap > (most - least) * (1 if known else 10):
                samples, low, high = rest, least, most
                break
        else:
            break
    return low, high
