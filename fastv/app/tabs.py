"""The tabs of the page, in their order. To add one: a package that exposes ``TAB``, and its entry here."""

from __future__ import annotations

from fastv.app import attention, blind_test, compare, explore, sweep
from fastv.app.shared.tab import Tab

TABS: tuple[Tab, ...] = (compare.TAB, attention.TAB, explore.TAB, sweep.TAB, blind_test.TAB)
