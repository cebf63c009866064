"""Traces: the header that joins a request to its trace, and the slowest requests that have one. Called per request.

Only what is sampled carries a `traceparent` (W3C Trace Context, version 00): its flag tells the target to record, and a
request without it leaves the target's own sampling alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappush, heapreplace

from gitslo.model import Seconds

__all__ = ["SLOWEST", "SlowTrace", "Slowest", "merged", "trace_ids"]

SLOWEST = 10
"""Traces that a result names."""
_BATCH = 128
_TRACE, _SPAN = 32, 16


@dataclass(frozen=True, slots=True, order=True)
class SlowTrace:
    """A request that can be looked up.

    Attributes:
        response: seconds from its intended time.
        trace: 32 hexadecimal digits.
        endpoint: index of the request in its section.
    """

    response: Seconds
    trace: str
    endpoint: int


class Slowest:
    """The slowest judged requests of one worker that were traced."""

    __slots__ = ("_heap", "_most")

    def __init__(self, most: int = SLOWEST) -> None:
        self._most = most
        self._heap: list[SlowTrace] = []

    def offer(self, response: float, trace: bytes, endpoint: int) -> None:
        """A traced request has ended, well or badly."""
        heap = self._heap
        if len(heap) < self._most:
            heappush(heap, SlowTrace(Seconds(response), trace.decode("ascii"), endpoint))
        elif response > heap[0].response:
            heapreplace(heap, SlowTrace(Seconds(response), trace.decode("ascii"), endpoint))

    def found(self) -> tuple[SlowTrace, ...]:
        """Slowest first."""
        return tuple(sorted(self._heap, reverse=True))


def merged(workers: Iterable[Iterable[SlowTrace]], most: int = SLOWEST) -> tuple[SlowTrace, ...]:
    """The slowest of several workers' slowest, slowest first."""
    return tuple(sorted((trace for found in workers for trace in found), reverse=True)[:most])


def trace_ids(randomness: Callable[[int], bytes] = os.urandom) -> Iterator[tuple[str, str]]:
    """Trace ids, each with the header's value, without end; neither of its ids is ever all zeros."""
    width = _TRACE + _SPAN
    while True:
        digits = randomness(_BATCH * width // 2).hex()
        for at in range(0, len(digits), width):
            trace, span = digits[at : at + _TRACE], digits[at + _TRACE : at + width]
            if trace.strip("0") and span.strip("0"):
                yield trace, f"00-{trace}-{span}-01"
