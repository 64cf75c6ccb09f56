"""How long a Space's visitor waits: for the page and the first pair of answers after a start, then for further pairs.

    python benchmarks/waiting.py                           # with this Python and its packages
    python benchmarks/waiting.py --python /elsewhere/bin/python --record waiting.json

The files that git knows, alone in a folder, are started as a Space on CPU Basic starts them. Asked are short questions
about a new scene each, first once, then several times of each miniature, whose models are loaded by then.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

from load import ROOT, Asked, Client, started

MINIATURES = ("mini-7", "mini-13")
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "somebody/fastv", "HF_HUB_OFFLINE": "1"}
_VERSIONS = "import platform, torch; print(platform.python_version(), torch.__version__)"


def files(folder: Path) -> None:
    """What git has of the last commit."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def measured(python: str, repeats: int) -> dict:
    """seconds: from the start to the page and to the first pair of answers, and of further pairs the median and the
    longest. Raises SystemExit where there is no answer."""
    with tempfile.TemporaryDirectory() as temporary:
        files(Path(temporary))
        begun = time.monotonic()
        with started(python, Path(temporary), **SPACE) as (address, _):
            open_after = time.monotonic() - begun
            visitor = Client(address, "visitor", 8)
            _pair(visitor, None, 0)
            answered_after = time.monotonic() - begun
            pairs = {}
            for model in MINIATURES:
                _pair(visitor, model, 0)
                pairs[model] = [_pair(visitor, model, seed) for seed in range(1, repeats + 1)]
    versions = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True).stdout.split()
    return {
        "python": versions[0],
        "torch": versions[1],
        "open_seconds": round(open_after, 1),
        "first_answer_seconds": round(answered_after, 1),
        "pairs": {
            model: {
                "runs": repeats,
                "median_seconds": round(statistics.median(taken), 2),
                "longest_seconds": round(max(taken), 2),
            }
            for model, taken in pairs.items()
        },
    }


def _pair(visitor: Client, model: str | None, seed: int) -> float:
    """seconds from the request to both answers; the picture is there by then."""
    visitor.picture(str(seed))
    told = visitor.ask(Asked("plain", model, 2, 0.5, seed, "How many animals are there?"))
    if told.outcome != "answer":
        raise SystemExit(told.words)
    return told.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", default=sys.executable, help="of an environment with the packages (default: this one)"
    )
    parser.add_argument("--record", type=Path, help="writes the result to this JSON file")
    parser.add_argument("--repeats", type=int, default=9, help="further pairs of each miniature")
    settings = parser.parse_args()
    found = measured(settings.python, settings.repeats)
    print(
        f"Python {found['python']}, torch {found['torch']}: the page after {found['open_seconds']} s, the first pair "
        f"of answers after {found['first_answer_seconds']} s"
    )
    for model, pair in found["pairs"].items():
        print(
            f"{model}: {pair['runs']} further pairs, {pair['median_seconds']} s median, {pair['longest_seconds']} s "
            "longest"
        )
    if settings.record:
        settings.record.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
