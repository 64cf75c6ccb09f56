"""Fair use: who somebody is, without knowing who they are, and how often they may ask."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastv.errors import FastVError

_FULL = 10_000  # remembered visitors; beyond it those who have been quiet for a minute are forgotten
_MINUTE = 60.0


class RateLimitError(FastVError):
    """Somebody has asked too often, or too much."""


@dataclass(frozen=True)
class Visitor:
    """session: of one open page or script, None where there is none. address: where the request came from."""

    session: str | None
    address: str


def client_address(peer: str | None, headers: Mapping[str, str], proxies: int) -> str:
    """Where a request came from.

    peer: who the connection is from. proxies: how many reverse proxies of the operator's stand before the app. Each
    adds the one it heard from to X-Forwarded-For, so the last of these entries are true and those before are whatever
    the visitor wrote.
    """
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return hops[-proxies][:100] if 0 < proxies <= len(hops) else peer or "unknown"


@dataclass
class SlidingWindow:
    """How many times something was done in the last minute, by key. most: of each key; 0 is no limit."""

    most: int
    _times: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_seconds(self, key: str) -> float:
        """0 when it may be done now."""
        with self._lock:
            return self._wait(key, time.monotonic())

    def take(self, key: str) -> float:
        """Notes that it is done now and returns 0; or how long to wait, and then nothing is noted."""
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
    """Counts runs: a session may begin so many in a minute, an address so many."""

    def __init__(self, of_session: int, of_address: int):
        self._sessions, self._addresses = SlidingWindow(of_session), SlidingWindow(of_address)
        self._salt = secrets.token_bytes(16)

    def admit(self, visitor: Visitor) -> None:
        """Counts a run. Raises RateLimitError, which says when to try again."""
        session = visitor.session or visitor.address
        wait, most, whose = self._addresses.wait_seconds(visitor.address), self._addresses.most, "from one address"
        if not wait:
            wait, most, whose = self._sessions.take(session), self._sessions.most, "of one visitor"
        if wait:
            raise RateLimitError(
                f"This page is shared: {most} runs a minute {whose} are the most. Please try again in "
                f"{max(1, round(wait))} s."
            )
        self._addresses.take(visitor.address)

    def pseudonym(self, visitor: Visitor) -> str:
        """A name for a visitor that leads back to nobody and changes when the app is started again."""
        told = f"{visitor.session}\n{visitor.address}".encode("utf-8", "replace")
        return hashlib.blake2b(told, key=self._salt, digest_size=6).hexdigest()
