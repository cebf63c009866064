"""Latency histograms: HDR, 1 us to the longest time that can occur, 3 significant digits. The only file with hdrh.

Workers count into plain dicts of already rounded values (`fold`), which costs little beside the load; at the end each
dict becomes one `Histogram`. Histograms of one job have one shape, so merging adds counters and loses nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from hdrh.histogram import HdrHistogram

from gitslo.model import Percentiles, Seconds

__all__ = ["Histogram", "fold", "needed", "quantile"]

MICROSECONDS = 1e6
_EXACT_BITS = 11
"""Values below 2**11 us keep every microsecond; above, 11 significant bits: that is what 3 digits mean in HDR."""

_LIVE_BITS = 7


def _rounded(value: int, bits: int) -> int:
    """`value` with only its `bits` highest bits kept."""
    shift = value.bit_length() - bits
    return value if shift <= 0 else value >> shift << shift


def fold(samples: Iterable[float], live: dict[int, int] | None, exact: dict[int, int] | None) -> None:
    """Count samples (seconds) as rounded microseconds; negative noise counts as 0.

    Args:
        samples: seconds.
        live: counts by value, rounded to about 1 %: enough for a live view.
        exact: the same, as exactly as the histogram keeps them.
    """
    for value, number in Counter(map(int, map(MICROSECONDS.__mul__, samples))).items():
        if exact is not None:
            key = _rounded(value, _EXACT_BITS) if value > 0 else 0
            exact[key] = exact.get(key, 0) + number
        if live is not None:
            key = _rounded(value, _LIVE_BITS) if value > 0 else 0
            live[key] = live.get(key, 0) + number


def needed(p: float) -> int:
    """How many samples a printed quantile needs: 10 / (1 - p)."""
    return math.ceil(round(10.0 / (1.0 - p), 6))


def quantile(counts: Mapping[int, int], p: float) -> Seconds | None:
    """The value of rank ceil(p * n), in seconds, of a dict of microseconds; None where it is empty."""
    total = sum(counts.values())
    if not total:
        return None
    rank, seen = max(1, math.ceil(round(p * total, 9))), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return Seconds(value / MICROSECONDS)
    return None


class Histogram:
    """One mergeable histogram of seconds."""

    def __init__(self, longest: Seconds) -> None:
        """Make an empty one; every value above `longest` (at least 60 s) counts as the highest that it can hold."""
        self._highest = int(max(60.0, longest) * MICROSECONDS)
        self._hdr = HdrHistogram(1, self._highest, 3)

    @classmethod
    def of(cls, counts: Mapping[int, int], longest: Seconds) -> Histogram:
        """The histogram of a dict that `fold` filled."""
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

    def percentiles(self) -> Percentiles:
        """The printed quantiles, in seconds; None where there are too few samples, `max` wherever there is one."""
        counts, total = self.counts(), self.total

        def at(p: float) -> float | None:
            return quantile(counts, p) if total >= needed(p) else None

        return Percentiles(
            p50=at(0.5), p90=at(0.9), p95=at(0.95), p99=at(0.99), p999=at(0.999), max=quantile(counts, 1.0)
        )

    def quantile(self, p: float) -> Seconds | None:
        """The value of rank ceil(p * n) in seconds, however few samples there are; None without any."""
        return quantile(self.counts(), p)
