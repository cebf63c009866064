"""Readiness: one look at whether a target is ready for load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gitslo.model import (
    Readiness,
    Seconds,
    Target,
)
from gitslo.ports.syncer import Address

__all__ = ["Readied", "ReadinessProbe"]


@dataclass(frozen=True, slots=True)
class Readied:
    """One look at one readiness check: `reason` says why not, and is empty when `ready`."""

    ready: bool
    reason: str = ""


class ReadinessProbe(Protocol):
    """Looks once at one readiness check; the run repeats it until its deadline."""

    def look(self, check: Readiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One look, over before `timeout` seconds; network errors are reasons, not exceptions.

        Raises:
            Refused, Retry: what the target's settings ask for is not given, or not now: no fault of the target's.
        """
