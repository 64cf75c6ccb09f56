"""The Explore tab: what pruning saves, and costs in quality, computed from configs and recorded measurements."""

from fastv.app.explore.events import build
from fastv.app.explore.layout import STYLE
from fastv.app.explore.link import LINK_FIELDS
from fastv.app.shared.tab import Tab

TAB = Tab("explore", "Explore", build, LINK_FIELDS, STYLE)
