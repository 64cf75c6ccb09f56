"""The example clip: a few of the drawn things on the move, so that a question about it has to look at several frames.

``python -m fastv.miniature.world.example_clip`` writes it again.
"""

from __future__ import annotations

from math import cos, pi

from PIL import Image

from fastv.miniature.world.sprites import sprites
from fastv.miniature.world.vocabulary import shade
from fastv.paths import ASSETS

CLIP = ASSETS / "examples" / "clip.mp4"
SIDE = 336  # pixels
RATE = 12  # frames in a second
COUNT = 4 * RATE
_SKY, _GROUND = shade("blue", -8, 0.55, 1.15), shade("green", 0, 0.8, 1.05)
_HORIZON = 216  # pixels from the top


def draw_clip() -> list[Image.Image]:
    """A car drives from left to right, a helicopter comes from the right and a ball falls; tree and dog stay."""
    return [_frame(index / (COUNT - 1)) for index in range(COUNT)]


def _frame(part: float) -> Image.Image:
    """part: how much of the clip is over, 0 to 1."""
    picture = Image.new("RGB", (SIDE, SIDE), _SKY)
    picture.paste(_GROUND, (0, _HORIZON, SIDE, SIDE))
    _place(picture, "tree", 92, (64, 178))
    _place(picture, "dog", 54, (280, 236))
    _place(picture, "helicopter", 70, (400 - 300 * part, 56))
    _place(picture, "basketball", 46, (196, _fallen(part)))
    car = sprites()["car"].transpose(Image.Transpose.FLIP_LEFT_RIGHT)  # drawn on its way to the left
    _place(picture, "car", 96, (-60 + 460 * part, 286), car)
    return picture


def _fallen(part: float) -> float:
    """Pixels from the top: it comes in after a third of the time and bounces twice."""
    time = 3 * (part - 1 / 3)
    if time < 1:
        return -30 + 256 * max(0.0, time) ** 2
    return 226 - 60 / time**2 * abs(cos(pi * (time - 0.5)))


def _place(
    picture: Image.Image, kind: str, size: int, centre: tuple[float, float], sprite: Image.Image | None = None
) -> None:
    sprite = sprite or sprites()[kind]
    scale = size / max(sprite.size)
    sprite = sprite.resize((round(sprite.width * scale), round(sprite.height * scale)), Image.Resampling.LANCZOS)
    picture.paste(sprite, (round(centre[0] - sprite.width / 2), round(centre[1] - sprite.height / 2)), sprite)


def main() -> None:
    import av  # the extra "video"

    with av.open(str(CLIP), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for picture in draw_clip():
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
