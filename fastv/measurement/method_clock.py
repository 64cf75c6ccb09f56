"""The seconds that a pruning method itself takes within a timed pass."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch


class MethodClock:
    """Seconds inside a method's ``select``, without waiting for the device in the midst of a timed pass."""

    def __init__(self, device: torch.device):
        self._cuda = device.type == "cuda"
        self._spans: list[tuple[Any, Any]] = []

    def of(self, method: Any) -> Any:
        """The method, followed: whatever else is asked of it, it answers itself."""
        return _Clocked(method, self)

    def mark(self) -> Any:
        if not self._cuda:
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def add(self, begin: Any, end: Any) -> None:
        self._spans.append((begin, end))

    def seconds(self) -> float:
        """Since they were asked for last; the device has ended its work."""
        spans, self._spans = self._spans, []
        return sum(begin.elapsed_time(end) / 1000 if self._cuda else end - begin for begin, end in spans)


class _Clocked:
    def __init__(self, method: Any, clock: MethodClock):
        self._method, self._clock = method, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def select(self, prompt: Any, signals: Any) -> Any:
        begin = self._clock.mark()
        try:
            return self._method.select(prompt, signals)
        finally:
            self._clock.add(begin, self._clock.mark())
