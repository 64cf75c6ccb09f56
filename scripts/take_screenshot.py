"""Takes README's pictures anew: the page as it opens with its recorded result, and its slider over R as a GIF.

    python scripts/take_screenshot.py            # writes assets/screenshot.png and assets/scrubber.gif

Needs the extra ``dev`` and Chromium or Chrome.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.served_page import ROOT, served_page

WIDTH, HEIGHT = 1280, 800
_GIF_WIDTH = 760
_STEP_MILLISECONDS, _END_MILLISECONDS = 350, 1_800
#: What the GIF shows: the picture with its mask, the slider, both answers and the savings.
_PARTS = ("#kept", "#answers", "#tiles")
_MOVE = """percent => {
  const slider = document.getElementById("scrub-r");
  slider.value = percent;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "assets" / "screenshot.png")
    parser.add_argument("--gif", type=Path, default=ROOT / "assets" / "scrubber.gif")
    arguments = parser.parse_args()
    with served_page(WIDTH, HEIGHT) as page:
        page.screenshot(path=arguments.output)
        save_gif(list(scrubbed(page)), arguments.gif)


def scrubbed(page: Page) -> Iterator[Image.Image]:
    """The result while the slider goes from nothing dropped to 95%."""
    boxes = [page.locator(part).bounding_box() for part in _PARTS]
    there = [box for box in boxes if box]
    left, top = min(box["x"] for box in there), min(box["y"] for box in there)
    right = max(box["x"] + box["width"] for box in there)
    bottom = max(box["y"] + box["height"] for box in there)
    area: FloatRect = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    for percent in range(0, 100, 5):
        page.evaluate(_MOVE, percent)
        page.wait_for_timeout(400)  # meters slide
        data = page.screenshot(clip=area, full_page=True)
        frame = Image.open(io.BytesIO(data)).convert("RGB")
        yield frame.resize((_GIF_WIDTH, round(frame.height * _GIF_WIDTH / frame.width)), Image.Resampling.LANCZOS)


def save_gif(frames: list[Image.Image], output: Path) -> None:
    """Frames with one palette, the last one shown longer."""
    colours = frames[0].quantize(96)
    durations = [_STEP_MILLISECONDS] * (len(frames) - 1) + [_END_MILLISECONDS]
    reduced = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    reduced[0].save(output, save_all=True, append_images=reduced[1:], duration=durations, loop=0, optimize=True)


if __name__ == "__main__":
    main()
