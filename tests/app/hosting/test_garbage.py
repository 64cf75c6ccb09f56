"""What is there when the app starts is left alone by the collector; what comes later is collected."""

from __future__ import annotations

import gc
import weakref

from fastv.app.hosting import garbage


class Node:
    pass


def test_later_cycles_are_still_collected():
    try:
        garbage.exempt_what_is_there()
        assert gc.get_freeze_count() > 1_000
        node = Node()
        node.itself, gone = node, weakref.ref(node)
        del node
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()
