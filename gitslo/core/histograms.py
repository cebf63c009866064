"""Prometheus' histograms -> counters of how many events are larger than a limit. Pure.

Called by `gitslo.adapters.prometheus_source`. A limit lies in some bucket. Above that bucket everything is larger than
the limit for certain; what is in it may be. So each limit has two counters, and the total makes the first:
(total, at least possibly above limit 1, ..., certainly above limit 1, ...).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.counters import Sample, together

__all__ = ["Buckets", "classic", "native"]


def classic(series: Mapping[float, Mapping[float, float | None]], limits: Sequence[float]) -> tuple[Sample, ...] | str:
    """One classic histogram.

    Args:
        series: edge (`le`) -> time -> the count at or below it.
        limits: ascending.

    Returns:
        Its counters; or why there are none.
    """
    edges = sorted(series)
    if not edges or edges[-1] != math.inf:
        return "it has no bucket `+Inf`"
    below = [max((edge for edge in edges if edge <= limit), default=None) for limit in limits]
    above = [min(edge for edge in edges if edge >= limit) for limit in limits]
    found: list[Sample] = []
    for at in sorted({at for each in series.values() for at in each}):
        row = {edge: series[edge].get(at) for edge in edges}
        counts = [row[edge] for edge in edges]
        total = row[math.inf]
        if total is None or any(count is None for count in counts) or not _ascending([c or 0.0 for c in counts]):
            found.append((at, None))
            continue
        lows = (total - (row[edge] or 0.0) if edge is not None else total for edge in below)
        highs = (total - (row[edge] or 0.0) for edge in above)
        found.append((at, (total, *lows, *highs)))
    return together(found)


@dataclass(frozen=True, slots=True)
class Buckets:
    """One sample of a native histogram.

    Attributes:
        count: of all events; NaN among them are in no bucket.
        buckets: (left edge, right edge, events), each not empty.
    """

    count: float
    buckets: tuple[tuple[float, float, float], ...]


def native(samples: Sequence[tuple[float, Buckets | None]], limits: Sequence[float]) -> tuple[Sample, ...]:
    """One native histogram, whose buckets become wider as it grows: the widest that holds a limit counts throughout.

    Args:
        samples: ascending.
        limits: ascending.
    """
    held = [(left, right) for _, each in samples if each is not None for left, right, _ in each.buckets]
    lows = [min((left for left, right in held if left < limit < right), default=limit) for limit in limits]
    highs = [max((right for left, right in held if left < limit < right), default=limit) for limit in limits]
    found: list[Sample] = []
    for at, each in samples:
        if each is None:
            found.append((at, None))
            continue
        # What is no number is in no bucket, and larger than nothing for certain.
        loose = max(0.0, each.count - math.fsum(count for _, _, count in each.buckets))
        most = (loose + _beyond(each, edge) for edge in lows)
        certain = (_beyond(each, edge) for edge in highs)
        found.append((at, (each.count, *most, *certain)))
    return together(found)


def _ascending(counts: Sequence[float]) -> bool:
    return counts[0] >= 0.0 and all(one <= two for one, two in pairwise(counts))


def _beyond(sample: Buckets, edge: float) -> float:
    return math.fsum(count for left, _, count in sample.buckets if left >= edge)
