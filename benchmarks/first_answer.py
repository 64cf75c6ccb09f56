"""How long a Space's visitor waits for the first pair of answers after the app was started.

    python benchmarks/first_answer.py                           # with this Python and its packages
    python benchmarks/first_answer.py --python /elsewhere/bin/python --record first_answer.json

The files that git knows, alone in a folder, are started as a Space on CPU Basic starts them, and asked one question.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

from load import ROOT, Asked, Client, started

SPACE = {"SYSTEM": "spaces", "SPACE_ID": "somebody/fastv", "HF_HUB_OFFLINE": "1"}
_VERSIONS = "import platform, torch; print(platform.python_version(), torch.__version__)"


def files(folder: Path) -> None:
    """What git has of the last commit."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def measured(python: str) -> dict:
    """seconds: from the start to the page, and to the first pair of answers. Raises SystemExit where there is none."""
    with tempfile.TemporaryDirectory() as temporary:
        files(Path(temporary))
        begun = time.monotonic()
        with started(python, Path(temporary), **SPACE) as (address, _):
            open_after = time.monotonic() - begun
            told = Client(address, "first", 8).ask(Asked("plain", None, 2, 0.5, 0, "How many animals are there?"))
            answered_after = time.monotonic() - begun
    if told.outcome != "answer":
        raise SystemExit(told.words)
    versions = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True).stdout.split()
    return {"python": versions[0], "torch": versions[1], "open_seconds": round(open_after, 1),
            "first_answer_seconds": round(answered_after, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="of an environment with the packages (default: this one)")
    parser.add_argument("--record", type=Path, help="writes the result to this JSON file")
    settings = parser.parse_args()
    found = measured(settings.python)
    print(f"Python {found['python']}, torch {found['torch']}: the page after {found['open_seconds']} s, the first pair of "
          f"answers after {found['first_answer_seconds']} s")
    if settings.record:
        settings.record.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
