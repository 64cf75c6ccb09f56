"""The Attention tab: where each layer of a model looks, and what a budget takes of it."""

from fastv.app.attention.events import build
from fastv.app.attention.layout import STYLE
from fastv.app.attention.link import LINK_FIELDS
from fastv.app.shared.tab import Tab

TAB = Tab("attention", "Attention", build, LINK_FIELDS, STYLE)
