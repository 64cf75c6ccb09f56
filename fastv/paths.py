"""Folders of the files that come with the project: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_INSTALLED = PACKAGE / "_data"
DATA = _INSTALLED if _INSTALLED.is_dir() else PACKAGE.parent
ASSETS = DATA / "assets"
PRESETS = DATA / "presets"
