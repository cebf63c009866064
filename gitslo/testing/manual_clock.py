"""A clock that only moves when it is told to, or slept on."""

from __future__ import annotations

import threading

from gitslo.model import Instant, Seconds

__all__ = ["ManualClock"]


class ManualClock:
    """`ports.Clock` for tests: sleeping takes no time and moves both clocks.

    Attributes:
        slept: every duration slept, in order.
    """

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self.slept: list[float] = []
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()

    def now(self) -> Instant:
        """The present instant."""
        with self._lock:
            return Instant(self._monotonic, self._wall)

    def sleep(self, seconds: Seconds) -> None:
        """Move on by `seconds` and return at once."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        if seconds < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds
