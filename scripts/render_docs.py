"""Fills the generated blocks of README.md and docs/ from the project's own data.

    python scripts/render_docs.py            # rewrites what is stale
    python scripts/render_docs.py --check    # changes nothing; exit code 1 where something is stale

A block stands between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``; ``doc_blocks.BLOCKS`` holds the function
that writes it. On one line the content replaces what is between the comments, otherwise the lines between them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.doc_blocks import BLOCKS  # noqa: E402

_BLOCK = re.compile(r"(<!-- begin: ([\w-]+) -->)(.*?)(<!-- end: \2 -->)", re.DOTALL)


def documents() -> list[Path]:
    """The files that may hold generated blocks."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def rendered(text: str, blocks: Mapping[str, Callable[[], str]] = BLOCKS) -> str:
    """A document with every block filled anew. Raises KeyError for a block that no function writes."""

    def fill(match: re.Match[str]) -> str:
        begin, name, content, end = match.groups()
        inside = blocks[name]()
        return f"{begin}\n{inside}\n{end}" if "\n" in content else f"{begin}{inside}{end}"

    return _BLOCK.sub(fill, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a block is stale")
    check = parser.parse_args().check
    stale = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if (now := rendered(text)) != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(now, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: " + ("stale; run python scripts/render_docs.py" if check else "rewritten"))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
