"""Ports for servers of tests."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port that no other worker of the tests tries at the same time, as each would the first free one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
