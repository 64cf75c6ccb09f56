"""Rate limits per visitor and per address, and pseudonyms for the log."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastv.errors import FastVError

_FULL = 10_000  # remembered keys; beyond it, keys without an entry in the last minute are dropped
_MINUTE = 60.0


class RateLimitError(FastVError):
    """A visitor or an address is over its rate limit."""


@dataclass(frozen=True)
class Visitor:
    """Who a request is from.

    Attributes
    ----------
    session
        Of one open page or script; None where there is none.
    address
        The address the request came from.
    """

    session: str | None
    address: str


def client_address(peer: str | None, headers: Mapping[str, str], proxies: int) -> str:
    """The address a request came from.

    Parameters
    ----------
    peer
        The other end of the connection.
    headers
        Of the request, with lower-case names.
    proxies
        How many reverse proxies of the operator stand before the app. Each appends the address it was contacted from to
        X-Forwarded-For, so that many of the last entries can be trusted; those before are the visitor's own.
    """
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return hops[-proxies][:100] if 0 < proxies <= len(hops) else peer or "unknown"


@dataclass
class SlidingWindow:
    """Counts events per key over the last minute, of which each key has ``most``; 0 is no limit."""

    most: int
    _times: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_seconds(self, key: str) -> float:
        """How long a key has to wait; 0 if not at all."""
        with self._lock:
            return self._wait(key, time.monotonic())

    def take(self, key: str) -> float:
        """Counts an event and returns 0, or returns how long to wait and counts nothing."""
        with self._lock:
            now = time.monotonic()
            if wait := self._wait(key, now):
                return wait
            if self.most:
                self._times.setdefault(key, deque()).append(now)
            if len(self._times) > _FULL:
                self._times = {name: times for name, times in self._times.items() if times[-1] > now - _MINUTE}
            return 0.0

    def _wait(self, key: str, now: float) -> float:
        times = self._times.get(key)
        while times and times[0] <= now - _MINUTE:
            times.popleft()
        if times is not None and not times:
            del self._times[key]
        return times[0] + _MINUTE - now if self.most and times and len(times) >= self.most else 0.0


class RateLimiter:
    """Limits runs per minute, of each session and of each address."""

    def __init__(self, of_session: int, of_address: int):
        self._sessions, self._addresses = SlidingWindow(of_session), SlidingWindow(of_address)
        self._salt = secrets.token_bytes(16)

    def admit(self, visitor: Visitor) -> None:
        """Counts a run. Raises RateLimitError, whose message says when to try again."""
        session = visitor.session or visitor.address
        wait, most, whose = self._addresses.wait_seconds(visitor.address), self._addresses.most, "per address"
        if not wait:
            wait, most, whose = self._sessions.take(session), self._sessions.most, "per visitor"
        if wait:
            raise RateLimitError(
                f"This page is shared: at most {most} runs a minute {whose}. Please try again in "
                f"{max(1, round(wait))} s."
            )
        self._addresses.take(visitor.address)

    def pseudonym(self, visitor: Visitor) -> str:
        """A name for the log that identifies no person and changes at every start of the app."""
        identity = f"{visitor.session}\n{visitor.address}".encode("utf-8", "replace")
        return hashlib.blake2b(identity, key=self._salt, digest_size=6).hexdigest()
