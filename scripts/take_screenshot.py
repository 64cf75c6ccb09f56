"""Takes README's picture anew: the page as it opens, with its recorded result.

    python scripts/take_screenshot.py            # writes assets/screenshot.png

Needs the extra ``dev`` and Chromium or Chrome.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH, HEIGHT = 1280, 800


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "assets" / "screenshot.png")
    output = parser.parse_args().output
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"No browser is installed: looked for {', '.join(BROWSERS)}.", file=sys.stderr)
        return 1
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1,localhost"}
    command = [sys.executable, "app.py", "--log", "none"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            line = next((line for line in app.stdout if line.startswith("Open ")), "")
            if not line:
                print("The app did not start.", file=sys.stderr)
                return 1
            take(browser, line.removeprefix("Open ").strip(), output)
        finally:
            app.terminate()
            app.communicate(timeout=60)
    return 0


def take(browser: str, address: str, output: Path) -> None:
    """Saves what the page shows on arrival."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.wait_for_selector("#picture img")
        page.get_by_text("is loaded.").wait_for()
        page.wait_for_timeout(1_000)  # until nothing fades or slides any more
        page.mouse.move(WIDTH - 1, HEIGHT - 1)
        page.screenshot(path=output)
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
