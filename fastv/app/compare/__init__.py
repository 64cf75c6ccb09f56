"""The Compare tab: one question, answered on two sides, and what each answer cost."""

from pathlib import Path

from fastv.app.compare.layout import build
from fastv.app.compare.link import LINK_FIELDS
from fastv.app.shared.tab import Tab

TAB = Tab("compare", "Compare", build, LINK_FIELDS, Path(__file__).with_name("compare.css"))
