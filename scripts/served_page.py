"""The app's page in a browser without a screen, for scripts that take pictures of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def served_page(width: int, height: int) -> Iterator[Page]:
    """Start the app, and open its page; both end with the block. Raises SystemExit where one of them cannot start."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"No browser is installed: looked for {', '.join(BROWSERS)}.")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1,localhost"}
    command = [sys.executable, "app.py", "--log", "none"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            line = next((line for line in app.stdout if line.startswith("Open ")), "")
            if not line:
                raise SystemExit("The app did not start.")
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                page = chromium.new_page(viewport={"width": width, "height": height})
                page.set_default_timeout(120_000)
                page.goto(line.removeprefix("Open ").strip())
                page.wait_for_selector("#picture img")
                page.wait_for_timeout(3_000)  # until a model that is not there yet begins to load
                page.wait_for_function("!document.querySelector('#status progress')")
                page.wait_for_timeout(1_000)  # until nothing fades or slides any more
                page.mouse.move(width - 1, height - 1)
                yield page
                chromium.close()
        finally:
            app.terminate()
            app.communicate(timeout=60)
