"""Which seconds of a load are judged, and counts as they become evidence.

Called by `gitslo.run`. Pure. What must stay true: only holds after the warm-up are judged, a second is judged whole or
not at all, and evidence is of bounded size whatever the plan asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitslo.model import (
    JudgedUnit,
    JudgePolicy,
    LoadSection,
    LoadStage,
    LoadSummary,
    Metric,
    Objective,
    Phase,
    Second,
    Seconds,
    StageForm,
    Tally,
)
from gitslo.ports import ObjectiveSeconds

__all__ = [
    "SECONDS_KEPT",
    "Course",
    "as_one",
    "course",
    "judged_until",
    "merged",
    "slimmed",
    "tallies",
    "watermark",
    "whole_seconds",
]

SECONDS_KEPT = 1800
"""Counts per tally; beyond it the oldest seconds share theirs."""
_HISTOGRAM_BYTES = 48 * 1024
"""Of all histograms of one attempt together."""
_WHOLE = 1e-9


@dataclass(frozen=True, slots=True)
class Course:
    """What one attempt does with one load section.

    Attributes:
        section: the plan's section with the stages of this attempt.
        judged: the stretches that are judged, in seconds since the load's start, in order.
        duration: seconds of all stages.
    """

    section: LoadSection
    judged: tuple[tuple[Phase, Seconds, Seconds], ...]
    duration: Seconds


def course(section: LoadSection, policy: JudgePolicy, extension: int) -> Course:
    """The stages and judged stretches of an attempt.

    The first attempt runs all stages until `max_duration` seconds have been judged. An extension repeats what was
    judged of the last hold, after the warm-up at that hold's rate; so it never takes longer than the first attempt.
    """
    if extension:
        begin, last = _last_hold(section)
        end = begin + last.duration
        length = max(0.0, end - max(begin, section.warmup))
        hold = replace(last, duration=Seconds(min(section.warmup, end) + length))
        section = replace(section, stages=(hold,))
    kept: list[LoadStage] = []
    judged: list[tuple[Phase, Seconds, Seconds]] = []
    at, left = 0.0, float(policy.max_duration)
    for stage in section.stages:
        start, end = max(at, section.warmup), at + stage.duration
        if stage.form is StageForm.HOLD and start < end:
            end = min(end, start + left)
            judged.append((Phase.STEADY, Seconds(start), Seconds(end)))
            left -= end - start
        kept.append(replace(stage, duration=Seconds(end - at)))
        at = end
        if left <= _WHOLE:
            break
    return Course(replace(section, stages=tuple(kept)), tuple(judged), Seconds(at))


def _last_hold(section: LoadSection) -> tuple[float, LoadStage]:
    at, found = 0.0, (0.0, section.stages[-1])
    for stage in section.stages:
        if stage.form is StageForm.HOLD:
            found = (at, stage)
        at += stage.duration
    return found


def watermark(section: LoadSection, objectives: Sequence[Objective]) -> Seconds:
    """Seconds after which a request of this section has been counted for every objective, whatever became of it."""
    marks = (o.limit if o.metric is Metric.LATENCY else section.timeout for o in objectives)
    return Seconds(max(marks, default=0.0))


def judged_until(run: Course, until: float) -> float:
    """How many seconds have been judged when everything intended before `until` has been counted."""
    return sum(max(0.0, min(end, until) - start) for _, start, end in run.judged)


def tallies(run: Course, counts: Sequence[ObjectiveSeconds], objectives: Sequence[Objective] = ()) -> tuple[Tally, ...]:
    """The counts of the judged seconds, sorted into phases; at most `SECONDS_KEPT` each.

    A second that a ramp or the warm-up shares with a hold is left out. Those of the `objectives` whose unit is a second
    count seconds.
    """
    found = []
    whole = {objective.text: objective for objective in objectives if objective.unit is JudgedUnit.SECONDS}
    for counted in counts:
        for phase in dict.fromkeys(phase for phase, _, _ in run.judged):
            kept = tuple(s for s in counted.seconds if s.total and _within(run, phase, s.at))
            if counted.objective in whole:
                kept = tuple(as_one(whole[counted.objective], second) for second in kept)
            found.append(Tally(counted.objective, phase, merged(kept)))
    return tuple(found)


def _within(run: Course, phase: Phase, at: int) -> bool:
    # Nothing is intended after the last stage, so the second in which it ends holds judged requests only.
    return any(
        judged is phase and at >= start - _WHOLE and (at + 1 <= end + _WHOLE or end >= run.duration - _WHOLE > at)
        for judged, start, end in run.judged
    )


def as_one(objective: Objective, second: Second) -> Second:
    """A second, or a window, as a single unit: bad when the limit is broken within it.

    It is so before neighbours are merged: a sum of seconds would be another second.
    """
    allowed = objective.within * second.total
    bad = second.bad > allowed
    certain = second.bad - second.late > allowed
    return Second(second.at, 1, int(bad), int(bad and not certain))


def merged(seconds: tuple[Second, ...]) -> tuple[Second, ...]:
    """Neighbours share a count, from the oldest on, until there are few enough; the sums stay."""
    while len(seconds) > SECONDS_KEPT:
        pairs = min(len(seconds) - SECONDS_KEPT, len(seconds) // 2)
        coarse = [
            Second(one.at, one.total + two.total, one.bad + two.bad, one.late + two.late)
            for one, two in zip(seconds[: 2 * pairs : 2], seconds[1 : 2 * pairs : 2], strict=True)
        ]
        seconds = (*coarse, *seconds[2 * pairs :])
    return seconds


def slimmed(loads: Sequence[LoadSummary]) -> tuple[LoadSummary, ...]:
    """The summaries without the histograms that are too large together; whole sections keep theirs first."""
    left = _HISTOGRAM_BYTES
    dropped: set[int] = set()
    for index in sorted(range(len(loads)), key=lambda index: loads[index].endpoint is not None):
        size = len(loads[index].histogram)
        if size > left:
            dropped.add(index)
        else:
            left -= size
    return tuple(replace(load, histogram="") if index in dropped else load for index, load in enumerate(loads))


def whole_seconds(moment: float) -> int:
    """The whole seconds that lie before `moment`."""
    return max(0, math.floor(moment + _WHOLE))
