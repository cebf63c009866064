"""Which windows of a metric are judged in one attempt, and its source's answers as they become evidence.

Called by `gitslo.run`. Pure. Everything is counted in seconds since the attempt's zero: the moment at which its load
began, or, without load, at which readiness held.

What must stay true:

* Windows are disjoint, equally long, whole seconds, and lie where everything that is loaded is held: never in a ramp
  or a warm-up. The same windows count for every objective on a metric.
* What is not known is never a value: a window without one is a hole. Before the first value there was nothing yet to
  be seen (a metric begins with its first scrape); after it more than a tenth of holes leaves the metric undecided, and
  no hole counts for `min_duration`.
* Evidence is of bounded size whatever the plan asks for, and bounded before it is judged: what is stored is what was
  judged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.gather import Course, as_one, merged
from gitslo.model import (
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    MetricSeries,
    Objective,
    Phase,
    Plan,
    Sample,
    Scoring,
    Second,
    Seconds,
    Tally,
)
from gitslo.ports import WindowCounts

__all__ = [
    "LONGEST_ANSWER",
    "SAMPLES_KEPT",
    "Gauge",
    "Stretch",
    "Value",
    "Watch",
    "alone",
    "beside_load",
    "covered",
    "due",
    "fault",
    "gap",
    "longest",
    "longest_wait",
    "series",
    "tallies",
    "watch",
    "windows",
]

Gauge = float
Value = WindowCounts | Gauge
Stretch = tuple[float, float]
"""[from, to) in seconds since the attempt's zero."""

SAMPLES_KEPT = 600
"""Samples of a gauge; beyond it every second one is left out, then every second of those: see `series`."""

LONGEST_ANSWER = Seconds(60.0)
"""After so long an answer to the last question is not waited for any more."""

_HOLES = 0.1
"""The share of windows, from the first known one on, that may be missing: now and then a scrape is missed."""

_FIGURES = 7
"""Significant figures of a sample; before it is judged, so that what is kept is what was judged."""

_WHOLE = 1e-9


@dataclass(frozen=True, slots=True)
class Watch:
    """How one metric is looked at.

    Attributes:
        section: the metric.
        every: seconds of one window.
        lag: seconds after a window's end at which it can be known: one scrape of the source.
        limits: HISTOGRAM: the sizes above which its objectives call an event bad, ascending.
    """

    section: MetricSection
    every: int
    lag: Seconds
    limits: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The metric's name in the plan."""
        return self.section.name

    @property
    def patience(self) -> Seconds:
        """Seconds after the last moment at which it could be known during which a window is still asked for."""
        return Seconds(2.0 * max(self.every, self.lag))


def watch(plan: Plan, section: MetricSection, interval: Seconds) -> Watch:
    """How a metric of the plan is looked at.

    Args:
        plan: whose objectives say what is asked.
        section: the metric.
        interval: the scrape interval of its source.
    """
    every = max(1, math.ceil((section.every or interval) - _WHOLE))
    limits: set[float] = set()
    if section.form is MetricForm.HISTOGRAM:
        limits = {o.limit for o in _about(plan, section) if o.metric is Metric.QUANTILE and o.baseline is None}
    return Watch(section, every, interval, tuple(sorted(limits)))


def _about(plan: Plan, section: MetricSection) -> tuple[Objective, ...]:
    return tuple(objective for objective in plan.objectives if objective.source == section.name)


# --------------------------------------------------------------------------- which windows


def beside_load(courses: Sequence[Course]) -> tuple[Stretch, ...]:
    """Where a metric is judged while a load runs: a section is held there, and none is under a ramp or warms up."""
    held = [(float(start), float(end)) for each in courses for _, start, end in each.judged]
    moving = [stretch for each in courses for stretch in _not_judged(each)]
    edges = sorted({edge for stretch in (*held, *moving) for edge in stretch})
    found: list[Stretch] = []
    for start, end in pairwise(edges):
        if not _lies_in(start, end, held) or _lies_in(start, end, moving):
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)


def _not_judged(each: Course) -> list[Stretch]:
    at, found = 0.0, []
    for _, start, end in each.judged:
        found.append((at, float(start)))
        at = float(end)
    return [(start, end) for start, end in (*found, (at, float(each.duration))) if start < end]


def _lies_in(start: float, end: float, stretches: Iterable[Stretch]) -> bool:
    return any(first <= start and end <= last for first, last in stretches)


def alone(watches: Sequence[Watch], length: Seconds) -> tuple[Stretch, ...]:
    """Where metrics are judged without load: for `length` seconds, one window after readiness held."""
    settled = float(max((each.every for each in watches), default=0))
    return ((settled, settled + length),)


def longest_wait(watches: Sequence[Watch]) -> Seconds:
    """Seconds after the last judged one during which the last windows are waited for, an answer's time not included."""
    return Seconds(max((each.lag + each.patience for each in watches), default=0.0))


def longest(plan: Plan, watches: Sequence[Watch]) -> Seconds:
    """Seconds that an attempt's metrics take at most: after its load, or after readiness where there is none."""
    if not watches:
        return Seconds(0.0)
    judged = 0.0 if plan.load else alone(watches, plan.judge.max_duration)[-1][1]
    return Seconds(judged + longest_wait(watches) + LONGEST_ANSWER)


def windows(stretches: Sequence[Stretch], every: int) -> tuple[int, ...]:
    """The starts of all windows, ascending: side by side from the beginning of each stretch."""
    return tuple(
        at
        for start, end in stretches
        for at in range(math.ceil(start - _WHOLE), math.floor(end - every + _WHOLE) + 1, every)
    )


def due(starts: Iterable[int], each: Watch, elapsed: float) -> tuple[int, ...]:
    """Those that may be asked for now: a scrape has passed since they ended."""
    return tuple(at for at in starts if at + each.every + each.lag <= elapsed + _WHOLE)


# --------------------------------------------------------------------------- what is known


def fault(each: Watch, value: Value) -> str:
    """Why a value is none, or empty: a source's numbers are believed only as far as they can be true."""
    if isinstance(value, WindowCounts):
        if each.section.form is MetricForm.GAUGE:
            return "its source answered counts, and it is a gauge"
        wanted = len(each.limits) if each.section.form is MetricForm.HISTOGRAM else 1
        if len(value.bad) != wanted or len(value.certain) != wanted:
            return "its source answered other counts than it was asked for"
        good = all(0 <= certain <= bad <= value.total for bad, certain in zip(value.bad, value.certain, strict=True))
        return "" if good else "its source answered more bad events than events"
    if each.section.form is not MetricForm.GAUGE:
        return "its source answered a number, and it is made of counts"
    if not math.isfinite(value):
        return "its source answered no finite number"
    between = each.section.between
    if between is not None and not between[0] <= value <= between[1]:
        return f"{value:g} is not between {between[0]:g} and {between[1]:g}, as the plan says it always is"
    return ""


def covered(each: Watch, known: Collection[int], stretches: Sequence[Stretch], *, whole: bool) -> float:
    """How many seconds of the stretches have been judged.

    Args:
        each: the metric.
        known: the starts of its known windows.
        stretches: where it is judged.
        whole: nothing more will come: where every window is known, what is left of a stretch beside its last window is
            no part that was missed.
    """
    if whole and known and all(at in known for at in windows(stretches, each.every)):
        return sum(end - start for start, end in stretches)
    return float(len(known) * each.every)


def gap(asked: Collection[int], known: Collection[int], why: str) -> str | None:
    """Why a metric may not be judged, or None.

    Args:
        asked: the starts of the windows that its source was asked for.
        known: of those that are known.
        why: what its source said of those that are not.
    """
    reason = f": {why}" if why else ""
    if not known:
        return f"nothing is known of it{reason}"
    first = min(known)
    since = [at for at in asked if at >= first]
    holes = len(since) - len(known)
    if holes > _HOLES * len(since):
        return f"{holes} of {len(since)} windows are not known{reason}"
    return None


def tallies(plan: Plan, each: Watch, known: Mapping[int, Value]) -> tuple[Tally, ...]:
    """One per objective on a metric that is made of counts; likewise under the metric's name where it is scored."""
    rows = [(at, known[at]) for at in sorted(known)]
    whole = {o.text: o for o in _about(plan, each.section) if o.unit is JudgedUnit.SECONDS}
    found = []
    for text, index in _counted(plan, each):
        seconds = tuple(
            Second(at, value.total, value.bad[index], value.bad[index] - value.certain[index])
            for at, value in rows
            if isinstance(value, WindowCounts) and value.total
        )
        if text in whole:
            seconds = tuple(as_one(whole[text], second) for second in seconds)
        found.append(Tally(text, Phase.STEADY, merged(seconds), Seconds(float(each.every))))
    return tuple(found)


def _counted(plan: Plan, each: Watch) -> list[tuple[str, int]]:
    if each.section.form is MetricForm.RATIO:
        scored = [each.name] if _is_scored(plan.scoring, each.name) else []
        return [(text, 0) for text in (*(o.text for o in _about(plan, each.section)), *scored)]
    if each.section.form is MetricForm.HISTOGRAM:
        objectives = _about(plan, each.section)
        return [(o.text, each.limits.index(o.limit)) for o in objectives if o.limit in each.limits]
    return []


def _is_scored(scoring: Scoring | None, name: str) -> bool:
    return scoring is not None and any(scored.indicator == name for scored in scoring.objectives)


def series(each: Watch, starts: Sequence[int], known: Mapping[int, Value]) -> tuple[MetricSeries, ...]:
    """The samples of a gauge, at most `SAMPLES_KEPT`.

    Where there are more, every second window is left out, then every second of those, until they are few enough. Which
    ones does not depend on their values, so neither mean nor quantile is bent by it.

    Args:
        each: the gauge.
        starts: of all its windows, known or not.
        known: its values by their windows' starts.
    """
    if each.section.form is not MetricForm.GAUGE:
        return ()
    spacing = 1
    while sum(1 for at in starts[::spacing] if at in known) > SAMPLES_KEPT:
        spacing *= 2
    samples = tuple(
        Sample(float(at + each.every), float(f"{value:.{_FIGURES}g}"))
        for at in starts[::spacing]
        if not isinstance(value := known.get(at), WindowCounts | None)
    )
    return (MetricSeries(each.name, Phase.STEADY, Seconds(float(spacing * each.every)), samples),)
