"""Latency histograms: HDR, 1 us to the longest time that can occur, 3 significant digits. The only file with hdrh.

Workers count into plain dicts of already rounded values (`Samples`), which costs little beside the load; at the end
each dict becomes one `Histogram`. Histograms of one job have one shape, so merging adds counters and loses nothing.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from gitslo.load.record.ranks import rank_interval
from gitslo.model import Percentiles, Seconds

__all__ = [
    "Distribution",
    "Histogram",
    "Samples",
    "add",
    "exactly",
    "microseconds",
    "needed",
    "pack",
    "quantile",
    "unpack",
]

MICROSECONDS = 1e6
_EXACT_BITS = 11
"""Values below 2**11 us keep every microsecond; above, 11 significant bits: that is what 3 digits mean in HDR."""

_BUCKET_BITS = 7
"""Seven significant bits: buckets of at most 1.6 %, below 64 us of one microsecond."""


def _rounded(value: int, bits: int) -> int:
    """`value` with only its `bits` highest bits kept."""
    shift = value.bit_length() - bits
    return value if shift <= 0 else value >> shift << shift


def microseconds(samples: Iterable[float]) -> Iterator[int]:
    """Seconds as whole microseconds."""
    return map(int, map(MICROSECONDS.__mul__, samples))


class Samples:
    """The samples of one kind, in seconds: counted by the microsecond as they come, rounded a second later.

    Counting is a few C calls for a whole list; rounding is a step of Python per distinct value, done a few values at a
    time between requests, so that neither ever delays a release by more than its slice.

    Attributes:
        exact: microseconds, as exactly as a histogram keeps them -> samples; nothing of the last second yet.
    """

    __slots__ = ("_before", "_keeps", "_now", "_waiting", "exact")

    def __init__(self, *, keeps: bool = True) -> None:
        """Start empty; where it does not keep, samples are for `turn` only."""
        self.exact: dict[int, int] = {}
        self._keeps = keeps
        self._now: Counter[int] = Counter()
        self._waiting: list[tuple[int, int]] = []
        self._before: dict[int, int] = {}

    def add(self, samples: Iterable[float]) -> None:
        """Count; negative noise counts as 0."""
        self._now.update(microseconds(samples))

    def add_zeros(self, number: int) -> None:
        """Count so many zeros."""
        self._now[0] += number

    def round(self, most: int) -> int:
        """Round up to `most` distinct values of the second before; says how many it could have done beyond them."""
        waiting, exact, before = self._waiting, self.exact, self._before
        for _ in range(min(most, len(waiting))):
            value, number = waiting.pop()
            key = _rounded(value, _EXACT_BITS) if value > 0 else 0
            if self._keeps:
                exact[key] = exact.get(key, 0) + number
            before[key] = before.get(key, 0) + number
            most -= 1
        return most

    def turn(self) -> dict[int, int]:
        """A second is over: what the one before it had, as `exact` has it."""
        self.round(len(self._waiting))
        before, self._before = self._before, {}
        self._waiting, self._now = list(self._now.items()), Counter()
        return before


def exactly(samples: Iterable[float]) -> list[int]:
    """Seconds as microseconds, as exactly as a histogram keeps them; negative noise is 0."""
    return [_rounded(value, _EXACT_BITS) if value > 0 else 0 for value in microseconds(samples)]


def add(whole: dict[int, int], part: Mapping[int, int]) -> None:
    """Add samples to others of their kind."""
    for value, number in part.items():
        whole[value] = whole.get(value, 0) + number


def pack(counts: Mapping[int, int]) -> bytes:
    """A dict of microseconds as few bytes, in a fraction of a millisecond: workers do it between requests."""
    return zlib.compress(array("Q", [*counts, *counts.values()]).tobytes(), 1) if counts else b""


def unpack(packed: bytes) -> dict[int, int]:
    """What `pack` was given.

    Raises:
        ValueError: it is nothing of the kind.
    """
    if not packed:
        return {}
    words = array("Q")
    try:
        words.frombytes(zlib.decompress(packed))
    except zlib.error as error:
        raise ValueError(f"no packed counts: {error}") from error
    half = len(words) // 2
    return dict(zip(words[:half], words[half:], strict=True))


def needed(p: float) -> int:
    """How many samples a printed quantile needs: 10 / (1 - p)."""
    return math.ceil(round(10.0 / (1.0 - p), 6))


def quantile(counts: Mapping[int, int], p: float) -> Seconds | None:
    """The value of rank ceil(p * n), in seconds, of a dict of microseconds; None where it is empty."""
    total = sum(counts.values())
    return _at_rank(counts, max(1, math.ceil(round(p * total, 9)))) if total else None


def _at_rank(counts: Mapping[int, int], rank: int) -> Seconds | None:
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return Seconds(value / MICROSECONDS)
    return None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Printed quantiles with what they are worth.

    Attributes:
        percentiles: the value of rank ceil(p * n); None where n < 10 / (1 - p).
        low, high: the 95 % rank interval of each: the values between which the quantile of the population that these
            requests are a sample of lies with 95 % confidence, whatever its distribution, if they are independent.
            None where there is no value, and for `max`, which says nothing of any population.
    """

    percentiles: Percentiles
    low: Percentiles
    high: Percentiles


_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


class Histogram:
    """One mergeable histogram of seconds."""

    def __init__(self, longest: Seconds) -> None:
        """Make an empty one; every value above `longest` (at least 60 s) counts as the highest that it can hold."""
        self._highest = int(max(60.0, longest) * MICROSECONDS)
        self._hdr = HdrHistogram(1, self._highest, 3)

    @classmethod
    def of(cls, counts: Mapping[int, int], longest: Seconds) -> Histogram:
        """The histogram of a dict that `Samples` filled."""
        made = cls(longest)
        for value, number in counts.items():
            made._hdr.record_value(min(value, made._highest), number)
        return made

    def add(self, encoded: str) -> None:
        """Merge what `encoded` gave elsewhere: counts add up exactly.

        Raises:
            ValueError: it is no histogram.
        """
        try:
            self._hdr.decode_and_add(encoded)
        except Exception as error:  # the library raises its own kinds, zlib's and ctypes'
            raise ValueError(f"no HDR histogram: {error}") from error

    def encoded(self) -> str:
        """Base64 of the V2 compressed encoding; other HDR tools open it."""
        return str(self._hdr.encode(), "ascii")

    @property
    def total(self) -> int:
        """How many samples it holds."""
        return int(self._hdr.total_count)

    def counts(self) -> dict[int, int]:
        """Microseconds (the lowest equivalent value) -> samples, in order."""
        hdr = self._hdr
        return {
            int(hdr.get_value_from_index(index)): int(number)
            for index, number in enumerate(hdr.counts[: hdr.counts_len])
            if number
        }

    def distribution(self) -> Distribution:
        """The printed quantiles with their intervals, in seconds."""
        counts = self.counts()
        total = sum(counts.values())
        values: dict[str, float | None] = {"max": quantile(counts, 1.0)}
        low: dict[str, float | None] = {}
        high: dict[str, float | None] = {}
        for name, p in _QUANTILES.items():
            if total >= needed(p):
                first, last = rank_interval(total, p)
                values[name] = quantile(counts, p)
                low[name], high[name] = _at_rank(counts, first), _at_rank(counts, last)
        return Distribution(Percentiles(**values), Percentiles(**low), Percentiles(**high))

    def quantile(self, p: float) -> Seconds | None:
        """The value of rank ceil(p * n) in seconds, however few samples there are; None without any."""
        return quantile(self.counts(), p)

    def buckets(self, failed: Histogram) -> tuple[tuple[float, int], ...]:
        """Few wide ranges, (upper edge in seconds, samples), ascending, empty ones left out.

        Args:
            failed: of the same samples those that are not wanted.
        """
        without, wide = failed.counts(), dict[int, int]()
        for value, number in self.counts().items():
            lowest = _rounded(value, _BUCKET_BITS)
            edge = lowest + (1 << max(0, lowest.bit_length() - _BUCKET_BITS))
            wide[edge] = wide.get(edge, 0) + max(0, number - without.get(value, 0))
        return tuple((edge / MICROSECONDS, number) for edge, number in sorted(wide.items()) if number)
