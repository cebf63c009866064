"""A load engine that sends nothing: it counts by a schedule and a script, as fast as it is asked to.

Keeps the port's promises: the arrivals are those of the schedule, a snapshot holds a second only when its watermark has
passed, and the result holds every second up to where the load ended.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gitslo.load.schedule import Schedule
from gitslo.model import (
    LoadSection,
    LoadSummary,
    Metric,
    Objective,
    Percentiles,
    RatePerSecond,
    Second,
    Seconds,
)
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, ObjectiveSeconds

__all__ = ["FakeLoad", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """What one section's load sees.

    Attributes:
        bad: second since the load's start -> share of its requests that are bad, for every objective.
        late: likewise, the share that only the generator's lag made bad; they are bad as well.
        latency: of the whole section, for the summary.
        no_fail, no_pass: what the health gate says at the end.
        raises: raised instead of a result, after the first snapshot.
        histogram: of the summary.
        only: texts of the objectives that `bad` is about; empty: all.
        kind: what the summary calls the bad requests where they failed; empty: they were only slow.
        distribution: (upper edge in seconds, share of all requests) of those that did not fail.
    """

    bad: Callable[[int], float] = lambda _: 0.0
    late: Callable[[int], float] = lambda _: 0.0
    latency: Percentiles = Percentiles()  # noqa: RUF009 - frozen
    no_fail: tuple[str, ...] = ()
    no_pass: tuple[str, ...] = ()
    raises: Exception | None = None
    histogram: str = ""
    only: frozenset[str] = frozenset()
    kind: str = ""
    distribution: tuple[tuple[float, float], ...] = ()


class FakeLoad:
    """`ports.LoadEngine` for tests.

    Attributes:
        jobs: every job, in the order in which they were begun.
        ended: section name -> seconds since its start at which its load ended.
    """

    def __init__(self, **scripts: Script) -> None:
        """Args: scripts: by section name, or `section@target`; a section without one sees a clean service."""
        self.jobs: list[LoadJob] = []
        self.ended: dict[str, float] = {}
        self._scripts = scripts
        self._lock = threading.Lock()

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Play the script, one snapshot a second, drain included."""
        name, other = job.section.name, f"{job.section.name}@{job.target.name}"
        if other in self._scripts:
            name = other
        script = self._scripts.get(name, Script())
        with self._lock:
            self.jobs.append(job)
        schedule = Schedule(job.section.stages)
        drained = schedule.duration + max((_mark(job.section, objective) for objective in job.objectives), default=0.0)
        ended = float(schedule.duration)
        for elapsed in range(1, math.ceil(drained) + 1):
            sent = schedule.index(min(elapsed, schedule.duration))
            going = on_snapshot(
                LoadSnapshot(
                    elapsed=Seconds(float(elapsed)),
                    sent=sent,
                    done=sent,
                    errors=0,
                    in_flight=0,
                    p50=script.latency.p50,
                    p99=script.latency.p99,
                    counts=_counts(job, schedule, script, elapsed, marked=True),
                )
            )
            if script.raises is not None:
                raise script.raises
            if not going:
                ended = min(ended, float(elapsed))
                break
        with self._lock:
            self.ended[name] = ended
        return LoadResult(
            counts=_counts(job, schedule, script, ended, marked=False),
            ended_at=Seconds(ended),
            summaries=(_summary(job, schedule, script, ended),),
            no_fail=script.no_fail,
            no_pass=script.no_pass,
            cpu_seconds=Seconds(0.0),
        )


def _mark(section: LoadSection, objective: Objective) -> float:
    return objective.limit if objective.metric is Metric.LATENCY else section.timeout


def _counts(
    job: LoadJob, schedule: Schedule, script: Script, until: float, *, marked: bool
) -> tuple[ObjectiveSeconds, ...]:
    found = []
    for objective in job.objectives:
        end = until - _mark(job.section, objective) if marked else math.ceil(until)
        seconds = []
        for at in range(max(0, math.floor(end))):
            whole = schedule.index(min(at + 1.0, until)) - schedule.index(float(at))
            total = round(whole * _part(job.section, objective))
            late = round(total * script.late(at))
            hit = not script.only or objective.text in script.only
            bad = min(total, (round(total * script.bad(at)) if hit else 0) + late)
            if total:
                seconds.append(Second(at, total, bad, late))
        found.append(ObjectiveSeconds(objective.text, tuple(seconds)))
    return tuple(found)


def _part(section: LoadSection, objective: Objective) -> float:
    weights = {endpoint.name: endpoint.weight for endpoint in section.endpoints}
    return 1.0 if objective.endpoint is None else weights[objective.endpoint] / sum(weights.values())


def _summary(job: LoadJob, schedule: Schedule, script: Script, ended: float) -> LoadSummary:
    requests = schedule.index(ended)
    rate = RatePerSecond(requests / ended if ended else 0.0)
    failed = 0
    for at in range(math.ceil(ended) if script.kind else 0):
        whole = schedule.index(min(at + 1.0, ended)) - schedule.index(float(at))
        failed += round(whole * script.bad(at))
    return LoadSummary(
        load=job.section.name,
        endpoint=None,
        requests=requests,
        errors=((script.kind, failed),) if failed else (),
        planned_rate=rate,
        achieved_rate=rate,
        latency=script.latency,
        schedule_lag_p99=Seconds(0.0),
        histogram=script.histogram,
        distribution=tuple((edge, round(requests * part)) for edge, part in script.distribution),
    )
