"""Quantities and identifiers, with their units in their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

__all__ = ["ByteCount", "CommitId", "Instant", "ObjectId", "RatePerSecond", "Seconds", "Share"]

Seconds = NewType("Seconds", float)
"""A duration in seconds."""

RatePerSecond = NewType("RatePerSecond", float)
"""Requests per second."""

Share = NewType("Share", float)
"""A proportion from 0 to 1; `1%` in a file is 0.01 here."""

ByteCount = NewType("ByteCount", int)
"""A size in bytes."""

ObjectId = NewType("ObjectId", str)
"""The full lower-case hexadecimal id of any Git object."""

CommitId = NewType("CommitId", str)
"""The full lower-case hexadecimal id of a commit: a revision."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks.

    Attributes:
        monotonic: seconds on this process's monotonic clock; the only one that durations are measured on.
        wall: seconds since the Unix epoch; printed and written, never subtracted across machines.
    """

    monotonic: float
    wall: float
