"""Questions and pictures: what is refused, in which words, and what becomes of the rest."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fastv.errors import InvalidInputError
from fastv.inputs.image import check_question, open_picture


class Tokenizer:
    all_special_tokens = ["<s>", "</s>", "<image>"]
    added_tokens_decoder = {}


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 99) + b"IDAT"


def stripes(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def test_a_question_loses_only_the_space_around_it():
    assert check_question("  What is\nthis? \n", Tokenizer()) == "What is\nthis?"
    assert check_question("Is 3 < 4, and <b> a tag? 猫?") == "Is 3 < 4, and <b> a tag? 猫?"
    assert len(check_question("x" * 2_000)) == 2_000


@pytest.mark.parametrize(
    "question, told",
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        (None, "must be text"),
        ("x" * 2_001, "2,001 characters"),
        ("y" * 20_000, "20,000 characters"),
        ("What is in <image>?", "<image>"),
        ("<IMAGE>", "<image>"),
        ("hello</s>", "</s>"),
        ("<s>", "<s>"),
    ],
)
def test_unusable_questions_are_refused_in_a_sentence(question, told):
    with pytest.raises(InvalidInputError, match=told) as refusal:
        check_question(question, Tokenizer())
    assert "please" in str(refusal.value)


def test_the_picture_token_is_refused_without_a_tokenizer_too():
    with pytest.raises(InvalidInputError, match="<image>"):
        check_question("<image> what?")


@pytest.mark.parametrize(
    "kind, options",
    [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("TIFF", {})],
)
def test_every_format_arrives_as_rgb_from_bytes_path_and_pil(kind, options, tmp_path):
    data = encoded(stripes(), kind, **options)
    path = tmp_path / "picture"
    path.write_bytes(data)
    for source in (data, path, str(path), Image.open(path)):
        picture = open_picture(source)
        assert (picture.mode, picture.size) == ("RGB", (40, 20))
        for column, colour in ((5, (255, 0, 0)), (35, (0, 0, 255))):
            assert np.abs(np.subtract(picture.getpixel((column, 10)), colour)).max() <= 3


def test_the_picture_handed_in_is_not_touched():
    given = stripes(4_096, 1_024)
    given.info["comment"] = "mine"
    taken = open_picture(given)
    assert taken.size == (2_048, 512) and taken.info == {}
    assert given.size == (4_096, 1_024) and given.info == {"comment": "mine"}


@pytest.mark.parametrize(
    "source, told",
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (png_header(20_000, 10_000), "megapixels"),
        (png_header(14_000, 10_000), "140 megapixels"),
        (png_header(8_000, 7_000), "56 megapixels"),
        (png_header(40, 40), "damaged"),
        (encoded(stripes())[:60], "damaged"),
        (encoded(stripes(400, 400), "JPEG")[:900], "damaged"),
        (b"\0" * 20_000_001, "over 20 MB"),
        (None, "choose one"),
        (12, "choose one"),
        ("no/such/picture.png", "picture.png"),
        ("/", "choose one"),
        ("nul\0byte", "choose"),
        (Image.new("RGB", (2_000, 10)), "too narrow"),
        (Image.new("RGB", (0, 5)), "too narrow"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_unusable_pictures_are_refused_in_a_sentence(source, told):
    with pytest.raises(InvalidInputError, match=told) as refusal:
        open_picture(source)
    assert "please" in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_huge_file_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: it takes no room
    with pytest.raises(InvalidInputError, match="over 20 MB"):
        open_picture(path)


def test_a_picture_is_turned_as_its_camera_was():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    picture = open_picture(encoded(stripes(), "PNG", exif=exif))
    assert picture.size == (20, 40)
    assert picture.getpixel((10, 5)) == (255, 0, 0) and picture.getpixel((10, 35)) == (0, 0, 255)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_does_not_cost_the_picture():
    assert open_picture(encoded(stripes(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")) == stripes()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_turn_white(mode):
    clear = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 3, 6))
    picture = open_picture(clear.convert(mode))
    assert picture.getpixel((5, 5)) == (255, 255, 255) and picture.getpixel((0, 0)) == (0, 0, 0)


def test_a_palette_with_a_clear_colour_turns_white_there():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((0, 0), 0)
    taken = open_picture(encoded(picture, "GIF", transparency=1))
    assert taken.getpixel((0, 0)) == (255, 0, 0) and taken.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_mode_keeps_light_and_dark_apart(mode):
    grey = Image.new("L", (8, 8), 0)
    grey.paste(255, (4, 0, 8, 8))
    if mode == "I;16":
        given = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "HSV":
        given = grey.convert("RGB").convert("HSV")
    else:
        given = grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else grey.convert(mode)
    picture = open_picture(given)
    assert picture.mode == "RGB"
    assert max(picture.getpixel((0, 0))) <= 2 and min(picture.getpixel((7, 7))) >= 253


def test_sixteen_bit_greys_are_not_clipped():
    ramp = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    grey = np.asarray(open_picture(encoded(Image.fromarray(ramp))))[..., 0].ravel()
    assert (np.abs(grey - ramp.ravel() / 257) <= 1).all()


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("lime", "red", "blue")]
    animation = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(animation).getpixel((3, 3)) == (0, 255, 0)


def grey_levels(values: np.ndarray, kind: str, **options) -> np.ndarray:
    return np.asarray(open_picture(encoded(Image.fromarray(values), kind, **options)))[..., 0]


RAMP = np.linspace(100, 200, 2_400).astype(np.float32).reshape(40, 60)


@pytest.mark.parametrize("count", [1, 600])
@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, -9999, -32768, -3.4e38, 1e20, 9_999_999])
def test_samples_that_are_no_measurements_do_not_cost_the_others_their_contrast(odd, count):
    values, plain = RAMP.copy(), grey_levels(RAMP, "TIFF")
    values.flat[7 : 7 + count] = odd
    levels = grey_levels(values, "TIFF")
    untouched = values == RAMP
    assert (plain.min(), plain.max()) == (0, 255)
    assert np.abs(levels[untouched].astype(int) - plain[untouched]).max() <= (1 if count == 1 else 255)
    assert levels[untouched].max() - levels[untouched].min() == 255
    assert len(np.unique(levels[~untouched])) == 1


def test_several_kinds_of_no_data_in_one_picture():
    values = RAMP.copy()
    values.flat[:4] = -9999, -3.4e38, np.inf, np.nan
    levels = grey_levels(values, "TIFF")
    assert (levels.flat[4], levels.flat[-1], len(np.unique(levels))) == (0, 255, 256)


def test_a_tagged_value_is_no_data_however_near_it_is():
    values, info = RAMP.copy(), TiffImagePlugin.ImageFileDirectory_v2()
    values[:5] = 60
    assert grey_levels(values, "TIFF")[5:].min() > 60
    info[42113] = "60"
    assert grey_levels(values, "TIFF", tiffinfo=info)[5:].min() == 0


def test_a_drawing_of_a_few_shades_keeps_them():
    values = np.full((40, 60), 10, np.float32)
    values[:20], values[0, 0] = 12, 9_000
    assert np.unique(grey_levels(values, "TIFF")).tolist() == [0, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("top", [255, 1_023, 4_095, 5_000, 16_383])
def test_16_bit_grey_of_fewer_bits_is_stretched(kind, top):
    levels = grey_levels(np.linspace(0, top, 2_400).astype(np.uint16).reshape(40, 60), kind)
    assert (levels[0, 0], levels[-1, -1]) == (0, 255)
    with_no_data = np.linspace(0, top, 2_400).astype(np.uint16).reshape(40, 60)
    with_no_data[3, 3] = 65_535
    assert grey_levels(with_no_data, kind)[-1, -1] == 255


@pytest.mark.parametrize("level", [0, 1_000, 65_535])
def test_16_bit_grey_of_one_level_keeps_it(level):
    levels = grey_levels(np.full((40, 60), level, np.uint16), "PNG")
    assert np.unique(levels).tolist() == [round(level / 257)]


def test_a_picture_without_a_single_number_is_refused():
    with pytest.raises(InvalidInputError, match="damaged"):
        open_picture(encoded(Image.fromarray(np.full((40, 60), np.nan, np.float32)), "TIFF"))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


LARGE = bytes(1_200_000)


@pytest.mark.parametrize("place", ["before the pixels", "after the pixels"])
@pytest.mark.parametrize(
    "note",
    [
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(LARGE)),
        chunk(b"zTXt", b"note\0\0" + zlib.compress(LARGE)),
        chunk(b"iTXt", b"note\0\1\0\0\0" + zlib.compress(LARGE)),
        chunk(b"tEXt", b"note\0" + b"x" * 1_200_000),
        chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(1_000_000))) * 70,  # 70 MB in all
    ],
)
def test_large_profiles_and_notes_do_not_cost_the_picture(note, place):
    plain = encoded(stripes(), "PNG", exif=b"Exif\0\0" + orientation(6))
    start = plain.index(b"IDAT" if place == "before the pixels" else b"IEND") - 4
    opened = open_picture(plain[:start] + note + plain[start:])
    assert opened == open_picture(plain)
    assert opened.size == (20, 40)


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes().removeprefix(b"Exif\0\0")
