"""Scraped counters -> what they counted in each window, and how much of that is certain. Pure.

Called by `gitslo.adapters.prometheus_source`. The increase of one counter over one window is
`gitslo.core.stats.increases`; this module knows what a set of counters has beside it: that some begin, some end, and
that a scrape is a little early or late.

What must stay true: what is not known is never zero.

* A counter that begins within what is looked at began at zero, unless it was seen before: then scrapes were missed.
* A counter that ends is known to have ended only where something says so: its process was scraped without it, or is no
  target any more. Where scrapes of it fail, its windows are not known.
* A window is known only when something was scraped after its end; before that its last scrape may still come.
* A window without a scrape between two that are no further apart than a scrape may be late counts nothing: its events
  are in the next one. A wider gap leaves it unknown.
"""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.stats import increases
from gitslo.ports import Span

__all__ = ["Counter", "Gained", "Process", "Sample", "begun", "gains", "silent", "together"]

Process = tuple[str, str]
"""The `job` and `instance` of a target; both empty where it has none."""

Vector = tuple[float, ...]
Sample = tuple[float, Vector | None]
"""(seconds, values; None: not a number)."""

_LATE = 1.25
"""So many scrape intervals after a scrape the next one should have come."""
_WIDE = 1.5
"""So many windows between two scrapes are none that was missed."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Counters that one process counts together: one, or those of a histogram.

    Attributes:
        name: for people, and unique.
        process: what it was scraped from.
        samples: ascending; every vector has the same length.
    """

    name: str
    process: Process
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Gained:
    """What a set of counters gained in one window.

    Attributes:
        most: per component, with what new counters had at their first sample.
        certain: without that.
        unknown: why there is neither; else empty.
    """

    most: Vector = ()
    certain: Vector = ()
    unknown: str = ""


def together(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples as if the process had never begun again: where one component drops, all of them were reset."""
    offset: Vector = ()
    last: Vector = ()
    found: list[Sample] = []
    for at, values in samples:
        if values is None:
            found.append((at, None))
            continue
        offset = offset or (0.0,) * len(values)
        if any(new < old for new, old in zip(values, last, strict=False)):
            offset = tuple(base + old for base, old in zip(offset, last, strict=True))
        last = values
        found.append((at, tuple(base + value for base, value in zip(offset, values, strict=True))))
    return tuple(found)


def begun(counters: Sequence[Counter], start: float) -> tuple[Counter, ...]:
    """Those that begin after `start`: whether they were seen long before has to be asked."""
    return tuple(each for each in counters if each.samples and each.samples[0][0] > start)


def silent(counters: Sequence[Counter], windows: Sequence[Span], every: float) -> tuple[Process, ...]:
    """The processes of which something ended before a window did and nothing says why; whether they are up is to ask.

    Args:
        counters: all of them.
        windows: what is asked.
        every: the scrape interval.
    """
    seen = _seen(counters)
    last = windows[-1][1]
    return tuple(
        sorted(
            {
                each.process
                for each in counters
                if each.samples and _overdue(each, last, every) and not _went_on(each, seen)
            }
        )
    )


def gains(
    counters: Sequence[Counter],
    windows: Sequence[Span],
    *,
    every: float,
    beside: Sequence[Counter] = (),
    earlier: Mapping[str, float] | None = None,
    up: Mapping[Process, Sequence[tuple[float, float]]] | None = None,
    absent: Vector | None = None,
) -> tuple[Gained, ...]:
    """What all of them gained together in each window.

    Args:
        counters: the set.
        windows: ascending and disjoint.
        every: the scrape interval, as it is configured; where scrapes are further apart, they are.
        beside: others of the same processes, which say whether those were scraped.
        earlier: the last value (of the first component) before what is looked at, of those that were seen then.
        up: of the processes that were asked for: (seconds, 1 or 0) of their scrapes; none: nothing is known of them.
        absent: what it comes to where none of the set is there yet; None: that is not known.
    """
    known = (*counters, *beside)
    newest = max((each.samples[-1][0] for each in known if each.samples), default=float("-inf"))
    seen = _seen(known)
    found = []
    for start, end in windows:
        there = any(each.samples and each.samples[0][0] <= end for each in counters)
        if not there and absent is None:
            found.append(Gained(unknown="there is no sample of it"))
        elif newest <= end:
            found.append(Gained(unknown="nothing was scraped after the window's end"))
        elif not there and absent is not None:
            found.append(Gained(absent, absent))
        else:
            each_one = [_gain(each, (start, end), every, seen, earlier or {}, up or {}) for each in counters]
            found.append(_sum(each_one))
    return tuple(found)


def _sum(parts: Sequence[Gained]) -> Gained:
    unknown = next((each.unknown for each in parts if each.unknown), "")
    if unknown:
        return Gained(unknown=unknown)
    counted = [each for each in parts if each.most]
    most = tuple(sum(column) for column in zip(*(each.most for each in counted), strict=True))
    certain = tuple(sum(column) for column in zip(*(each.certain for each in counted), strict=True))
    return Gained(most, certain)


def _gain(
    counter: Counter,
    window: Span,
    every: float,
    seen: Mapping[Process, Collection[float]],
    earlier: Mapping[str, float],
    up: Mapping[Process, Sequence[tuple[float, float]]],
) -> Gained:
    start, end = window
    width = end - start
    times = [at for at, _ in counter.samples]
    if not times or times[0] > end:
        return Gained()
    first, last = bisect_right(times, start), bisect_right(times, end)
    inside = counter.samples[first:last]
    nothing = (0.0,) * len(next((values for _, values in counter.samples if values is not None), ()))
    if not nothing:
        return Gained(unknown=f"{counter.name} is no number")
    if last == len(times) and _overdue(counter, end, every):
        why = _not_ended(counter, end, every, seen, up)
        if why:
            return Gained(unknown=why)
        if not inside:
            return Gained(nothing, nothing)
    missing = Gained(unknown=f"scrapes of {counter.name} are missing")
    spacing = _LATE * _spacing(counter, every)
    if (
        inside
        and last < len(times)
        and times[last - 1] < end - spacing
        and times[last] - times[last - 1] > _WIDE * width
    ):
        return missing  # it ends in a hole
    if not first:
        return _began(counter, inside, window, earlier)
    base_at, base = counter.samples[first - 1]
    following = times[first] if first < len(times) else None
    if following is None or following - base_at <= _WIDE * width:
        if not inside:
            return Gained(nothing, nothing)
        base_at = max(base_at, start - width)
    found = _increase(((base_at, base), *inside), window)
    return found if found is not None else missing


def _began(counter: Counter, inside: Sequence[Sample], window: Span, earlier: Mapping[str, float]) -> Gained:
    """Of one that has no sample at or before the window's start."""
    values = inside[0][1]
    before = earlier.get(counter.name)
    if values is None or (before is not None and values[0] >= before):
        return Gained(unknown=f"scrapes of {counter.name} are missing")
    most = _increase(((window[0], (0.0,) * len(values)), *inside), window)
    certain = _increase(((window[0], values), *inside), window)
    if most is None or certain is None:
        return Gained(unknown=f"{counter.name} was no number")
    return Gained(most.most, certain.most)


def _increase(samples: Sequence[Sample], window: Span) -> Gained | None:
    """Component by component; None where one is not known."""
    width = len(next((values for _, values in samples if values is not None), ()))
    found = []
    for component in range(width):
        column = [(at, None if values is None else values[component]) for at, values in samples]
        [one] = increases(column, start=window[0], window=window[1] - window[0], count=1)
        if one.value is None:
            return None
        found.append(one.value)
    return Gained(tuple(found), tuple(found)) if found else None


# --------------------------------------------------------------------------- what ended


def _spacing(counter: Counter, every: float) -> float:
    gaps = [new[0] - old[0] for old, new in pairwise(counter.samples)]
    return max(every, statistics.median(gaps)) if gaps else every


def _overdue(counter: Counter, end: float, every: float) -> bool:
    """Whether another scrape of it should have come before `end`."""
    return counter.samples[-1][0] < end - _LATE * _spacing(counter, every)


def _seen(counters: Sequence[Counter]) -> dict[Process, set[float]]:
    """When each process was scraped; those without a name are not told apart, so they say nothing of each other."""
    found: dict[Process, set[float]] = {}
    for each in counters:
        if all(each.process):
            found.setdefault(each.process, set()).update(at for at, _ in each.samples)
    return found


def _went_on(counter: Counter, seen: Mapping[Process, Collection[float]]) -> bool:
    """Whether its process was scraped after its last sample: then it was not there any more."""
    return any(at > counter.samples[-1][0] for at in seen.get(counter.process, ()))


def _not_ended(
    counter: Counter,
    end: float,
    every: float,
    seen: Mapping[Process, Collection[float]],
    up: Mapping[Process, Sequence[tuple[float, float]]],
) -> str:
    """Why it may go on unseen; empty where it has ended."""
    if _went_on(counter, seen):
        return ""
    scrapes = up.get(counter.process, ())
    if not scrapes:
        return f"{counter.name} ended, and nothing says whether it was still there"
    recent = [value for at, value in scrapes if end - _LATE * _spacing(counter, every) <= at <= end + every]
    # No scrape at all: it is no target any more. One that worked: it was there without this counter.
    return f"scrapes of {counter.name} fail" if recent and not any(recent) else ""
