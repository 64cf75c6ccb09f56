"""The tab "Blind test": a visitor looks for the answer that was given with fewer tokens."""

from fastv.app.blind_test.layout import STYLE, build
from fastv.app.shared.tab import Tab

TAB = Tab("blind_test", "Blind test", build, css=STYLE)
