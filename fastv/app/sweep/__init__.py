"""The Sweep tab: many questions at several settings, and which of them to use."""

from fastv.app.shared.tab import Tab
from fastv.app.sweep.choice import LINK_FIELDS
from fastv.app.sweep.events import build
from fastv.app.sweep.layout import STYLE

TAB = Tab("sweep", "Sweep", build, LINK_FIELDS, STYLE)
