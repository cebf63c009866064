"""Counters as increases over disjoint windows, e.g. the errors and the requests of each scraped minute.

Called through `gitslo.core.stats`. Overlapping windows of a rate look like many samples and are few (a five-minute rate
read every 10 s has a memory of .97 a step), so windows are disjoint, and each increase is counted in exactly one.

What must stay true: what is not known is never zero. A sample that is not a number, infinite or negative makes the
windows unknown that would count from it or to it; so does a hole. A drop is a reset: the counter began again at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Increase", "increases"]

Sample = tuple[float, float | None]
"""(seconds since any origin, the counter's value or None where the scrape failed)."""


@dataclass(frozen=True, slots=True)
class Increase:
    """What a counter gained in the window (start, end].

    Attributes:
        start: seconds, in the samples' time.
        end: likewise; a sample exactly there is in this window and begins the next.
        value: None where it is not known.
        resets: drops of the counter in the window.
    """

    start: float
    end: float
    value: float | None
    resets: int = 0


def increases(samples: Sequence[Sample], *, start: float, window: float, count: int) -> tuple[Increase, ...]:
    """The increase in each of `count` windows that follow each other without overlap.

    Each step from a sample to the next one counts in the window in which it ends, so a step across an edge is neither
    lost nor counted twice. A window begins with the last sample at or before its start, which may be at most one
    window older: with edges on the scrapes it is the sample at the edge.

    Args:
        samples: ordered by time, no time twice.
        start: of the first window, in the samples' time.
        window: length in seconds, at least one scrape interval.
        count: of windows, 0 or more.

    Returns:
        One per window, in order; unknown without two samples.

    Raises:
        ValueError: the samples are not ordered, or the window has no length.
    """
    if not 0.0 < window < math.inf:
        raise ValueError(f"a window has a length, not {window}")
    if any(not one[0] < two[0] for one, two in pairwise(samples)):
        raise ValueError("samples are ordered by time, and none has the time of another")
    found: list[Increase] = []
    position = 0
    for index in range(count):
        begin, end = start + index * window, start + (index + 1) * window
        while position < len(samples) and samples[position][0] <= begin:
            position += 1
        last = position
        while last < len(samples) and samples[last][0] <= end:
            last += 1
        found.append(_increase(begin, end, samples[max(0, position - 1) : last]))
        position = last
    return tuple(found)


def _increase(begin: float, end: float, samples: Sequence[Sample]) -> Increase:
    """From the sample that the window begins with, where there is one, and those in it."""
    stale = bool(samples) and samples[0][0] < begin - (end - begin)
    begins = bool(samples) and samples[0][0] <= begin
    values = [value for _, value in samples if value is not None and 0.0 <= value < math.inf]
    if stale or not begins or len(samples) <= 1 or len(values) < len(samples):
        return Increase(begin, end, None)
    steps = list(pairwise(values))
    gained = math.fsum(new if new < old else new - old for old, new in steps)
    return Increase(begin, end, gained, sum(new < old for old, new in steps))
