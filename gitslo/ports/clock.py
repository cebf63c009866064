"""The clock: what time it is, for what must be testable."""

from __future__ import annotations

from typing import Protocol

from gitslo.model import Instant, Seconds

__all__ = ["Clock"]


class Clock(Protocol):
    """Both clocks, and waiting."""

    def now(self) -> Instant:
        """The present instant."""

    def sleep(self, seconds: Seconds) -> None:
        """Return after `seconds`."""
