"""When what is counted and looked at: a plan's attempts as rows of counts and the looks at them.

Called by `outcomes`. Pure. Everything comes from the functions that carry out and judge a run (`core.gather`,
`core.windows`, `core.judge`), so that a plan is simulated as it is run. What must stay true: a look knows a row only
from its watermark on, and a pass is possible only from `min_duration` on.

What is left out: arrivals at random (they are even here), windows that a source does not know, the health gates of our
own load, and the time that a look itself takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from gitslo.core import windows
from gitslo.core.gather import Course, course, judged_until, tallies, watermark, whole_seconds
from gitslo.core.judge.needs import Needs, needs_of
from gitslo.core.stats import LEAST_BLOCKS, SPARED_SECONDS
from gitslo.core.stats.batch_counts import Rows
from gitslo.errors import Problem, Refused
from gitslo.model import (
    JudgedUnit,
    LoadSection,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Plan,
    Role,
    Second,
    Seconds,
    StageForm,
    Test,
)
from gitslo.ports import ObjectiveSeconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Assumed", "Lane", "Timeline", "judged_totals", "timeline"]

_CHUNK = 1000
"""Seconds that are sorted into phases at a time: neighbours are merged only beyond `gather.SECONDS_KEPT`."""

_USUAL_DEVIATION = 0.1
"""Of a gauge whose deviation nobody says: of the way between its bounds."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a plan does not say of its metrics.

    Attributes:
        every: the scrape interval of their sources, where the plan has no `every` of its own; None: refuse.
        events: a second, by metric; where none is given as many as the load sends.
    """

    every: Seconds | None = None
    events: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Lane:
    """One deciding objective that can be simulated.

    Attributes:
        text: Objective.text.
        limit: the share that may be bad; of a mean, the limit on it.
        attempt, at, total: as of `Rows`, in rows; total counts requests, events, or samples.
        starts: of each row, seconds since its attempt's load began.
        known: of each row, seconds since the first attempt's load began from which a look knows it.
        every: seconds of one row.
        within: `unit: seconds`: the share of a row's requests above which the row is bad; None: they are counted.
        between: a mean's bounds; None: it is counted.
        samples: a gauge's samples, each good or bad.
        threshold: `test: threshold`.
        least: rows below which nothing is tested.
    """

    text: str
    limit: float
    attempt: tuple[int, ...]
    at: tuple[int, ...]
    total: tuple[int, ...]
    starts: tuple[float, ...]
    known: tuple[float, ...]
    every: float
    within: float | None = None
    between: tuple[float, float] | None = None
    samples: bool = False
    threshold: bool = False
    least: int = 1

    @property
    def spared(self) -> int:
        """Rows that hold the longest burst for which a fail is calibrated."""
        return max(1, math.ceil(SPARED_SECONDS / self.every))

    @cached_property
    def rows(self) -> Rows:
        """What is tested."""
        import numpy as np  # noqa: PLC0415 - 0.1 s that only a simulation should pay

        total = np.array(self.total, dtype=np.int64)
        units = np.ones_like(total) if self.within is not None else total
        return Rows(np.array(self.attempt, dtype=np.int64), np.array(self.at, dtype=np.int64), units)

    def deviation(self, mean: float) -> float:
        """A tenth of the way between the bounds, or what a mean near one of them leaves."""
        assert self.between is not None  # noqa: S101 - asked of means only
        low, high = self.between
        return min(_USUAL_DEVIATION * (high - low), 0.5 * math.sqrt(max(0.0, (mean - low) * (high - mean))))


@dataclass(frozen=True)
class Timeline:
    """All looks of a run, its extensions included, in their order.

    Attributes:
        lanes: the deciding objectives.
        left_out: sentences of deciding objectives that are not simulated, each with the reason.
        at: of each look, seconds since the first attempt's load began.
        judged: seconds that count for `min_duration` at it.
        sent: requests sent by then.
        final: it ends an attempt.
        needs: how large an e-value decides.
        min_duration: before a pass.
    """

    lanes: tuple[Lane, ...]
    left_out: tuple[tuple[str, str], ...]
    at: tuple[float, ...]
    judged: tuple[float, ...]
    sent: tuple[int, ...]
    final: tuple[bool, ...]
    needs: Needs
    min_duration: Seconds

    def known(self, lane: Lane) -> NDArray[np.int64]:
        """How many rows each look knows."""
        import numpy as np  # noqa: PLC0415 - see above

        found: NDArray[np.int64] = np.searchsorted(np.array(lane.known), np.array(self.at) + 1e-9, "right")
        return found


def timeline(plan: Plan, *, extensions: int = 0, assumed: Assumed = Assumed()) -> Timeline:
    """How a plan is run and looked at.

    Args:
        plan: the plan.
        extensions: how often an undecided run is extended.
        assumed: what the plan does not say.

    Raises:
        Refused: a metric needs something that is not said.
    """
    building = _Building(plan, assumed)
    for number in range(extensions + 1):
        building.attempt(number)
    return building.built()


def judged_totals(plan: Plan, objective: Objective, extension: int) -> tuple[int, ...]:
    """Of an objective on a load: the requests in each second that one attempt judges, none of them empty."""
    section = next(section for section in plan.load if section.name == objective.load)
    run = course(section, plan.judge, extension)
    return tuple(second.total for second in _judged(run, _share(section, objective.endpoint)))


class _Building:
    """Attempts, one after the other."""

    def __init__(self, plan: Plan, assumed: Assumed) -> None:
        self._plan, self._assumed = plan, assumed
        self._sections = {section.name: section for section in plan.metrics}
        self._watches = {each.name: self._watch(each) for each in plan.metrics if self._decides(each.name)}
        self._lanes: dict[str, Lane] = {}
        self._left_out: list[tuple[str, str]] = []
        for objective in plan.objectives:
            reason = _not_simulated(objective)
            if objective.role is Role.DECIDE and reason:
                self._left_out.append((objective.text, reason))
            elif objective.role is Role.DECIDE:
                self._lanes[objective.text] = self._lane(objective)
        if plan.scoring is not None:
            self._left_out.append(("scoring", "a score has no error control"))
        self._looks: list[tuple[float, float, int, bool]] = []

    def built(self) -> Timeline:
        at, judged, sent, final = zip(*self._looks, strict=True) if self._looks else ((), (), (), ())
        lanes, policy = tuple(self._lanes.values()), self._plan.judge
        return Timeline(
            lanes, tuple(self._left_out), at, judged, sent, final, needs_of(self._plan), policy.min_duration
        )

    def attempt(self, number: int) -> None:
        """Add one attempt's rows and looks."""
        plan = self._plan
        began, judged_before, sent_before, _ = self._looks[-1] if self._looks else (0.0, 0.0, 0, False)
        courses = [course(section, plan.judge, number) for section in plan.load]
        watched = tuple(self._watches.values())
        if courses:
            stretches = windows.beside_load(courses)
            length = max(each.duration for each in courses)
        else:
            stretches = windows.alone(watched, plan.judge.max_duration)
            length = Seconds(stretches[-1][1])
        over = [each.duration + watermark(each.section, self._objectives(each.section.name)) for each in courses]
        for objective in plan.objectives:
            if objective.text not in self._lanes:
                continue
            if objective.load:
                run = next(each for each in courses if each.section.name == objective.load)
                self._add_seconds(objective, run, number, began)
            else:
                over.append(self._add_windows(objective, stretches, number, began))
        sent = [_arrivals(each.section) for each in courses]
        ends = max([length, *over])
        for second in [*range(1, math.ceil(length) + 1), ends]:
            final = second == ends
            until = math.inf if final else float(second)
            judged = self._judged(courses, stretches, until)
            requests = sum(
                math.floor(arrived(min(float(second), each.duration)) + 1e-9)
                for arrived, each in zip(sent, courses, strict=True)
            )
            if not (self._looks and self._looks[-1][0] == began + second):
                self._looks.append((began + second, judged_before + judged, sent_before + requests, final))

    def _objectives(self, load: str) -> tuple[Objective, ...]:
        return tuple(objective for objective in self._plan.objectives if objective.load == load)

    def _decides(self, metric: str) -> bool:
        return any(
            o.source == metric and o.role is Role.DECIDE and not _not_simulated(o) for o in self._plan.objectives
        )

    def _judged(self, courses: Sequence[Course], stretches: Sequence[windows.Stretch], until: float) -> float:
        found = []
        for each in courses:
            objectives = self._objectives(each.section.name)
            if any(objective.role is Role.DECIDE for objective in objectives):
                mark = watermark(each.section, objectives)
                found.append(judged_until(each, each.duration if until == math.inf else whole_seconds(until - mark)))
        for watched in self._watches.values():
            starts = windows.windows(stretches, watched.every)
            known = [at for at in starts if at + watched.every + watched.lag <= until]
            found.append(windows.covered(watched, frozenset(known), stretches, whole=until == math.inf))
        return min(found, default=0.0)

    # ----------------------------------------------------------------- rows

    def _lane(self, objective: Objective) -> Lane:
        section = self._sections.get(objective.source)
        gauge = section is not None and section.form is MetricForm.GAUGE
        return Lane(
            text=objective.text,
            limit=objective.limit if objective.metric is Metric.MEAN else objective.allowed,
            attempt=(),
            at=(),
            total=(),
            starts=(),
            known=(),
            every=1.0 if section is None else float(self._watches[section.name].every),
            within=objective.within if objective.unit is JudgedUnit.SECONDS else None,
            between=_between(section, objective) if objective.metric is Metric.MEAN and section is not None else None,
            samples=gauge and objective.metric is Metric.QUANTILE,
            threshold=objective.test is Test.THRESHOLD,
            least=1 if section is None else LEAST_BLOCKS,
        )

    def _add_seconds(self, objective: Objective, run: Course, number: int, began: float) -> None:
        mark = objective.limit if objective.metric is Metric.LATENCY else run.section.timeout
        end = began + run.duration + watermark(run.section, self._objectives(run.section.name))
        self._add(
            objective,
            number,
            [
                # Nothing is waited for longer than until the attempt's end.
                (second.at, second.total, float(second.at), min(end, began + second.at + 1 + mark))
                for second in _judged(run, _share(run.section, objective.endpoint))
            ],
        )

    def _add_windows(
        self, objective: Objective, stretches: Sequence[windows.Stretch], number: int, began: float
    ) -> float:
        watched = self._watches[objective.source]
        section, every = watched.section, watched.every
        events = 1 if section.form is MetricForm.GAUGE else round(self._events(section.name) * every)
        starts = windows.windows(stretches, every)
        rows = [
            (
                index if section.form is MetricForm.GAUGE else round(at / every),
                events,
                float(at),
                began + at + every + watched.lag,
            )
            for index, at in enumerate(starts)
        ]
        self._add(objective, number, rows if events else [])
        return starts[-1] + every + watched.lag if starts else 0.0

    def _add(self, objective: Objective, number: int, rows: Sequence[tuple[int, int, float, float]]) -> None:
        lane = self._lanes[objective.text]
        if rows:
            at, total, starts, known = zip(*rows, strict=True)
            self._lanes[objective.text] = replace(
                lane,
                attempt=(*lane.attempt, *(number for _ in rows)),
                at=(*lane.at, *at),
                total=(*lane.total, *total),
                starts=(*lane.starts, *starts),
                known=(*lane.known, *known),
            )

    # ----------------------------------------------------------------- what is assumed of metrics

    def _watch(self, section: MetricSection) -> windows.Watch:
        interval = self._assumed.every or section.every
        if interval is None:
            raise Refused(
                Problem(
                    f"the plan does not say how often `{section.name}` is measured",
                    hint="say the scrape interval of its source: --every 15s",
                )
            )
        return windows.watch(self._plan, section, interval)

    def _events(self, metric: str) -> float:
        given = (self._assumed.events or {}).get(metric)
        if given is not None:
            return given
        if not self._plan.load:
            raise Refused(
                Problem(
                    f"the plan does not say how many events `{metric}` counts",
                    hint=f"say how many a second there are: --events {metric}=200/s",
                )
            )
        return sum(max(s.rate for s in each.stages if s.form is StageForm.HOLD) for each in self._plan.load)


def _not_simulated(objective: Objective) -> str:
    if objective.baseline is not None:
        return "what it is compared with is not known beforehand"
    if objective.metric is Metric.BURN:
        return "a burn rate is about days, and has no error control"
    return ""


def _between(section: MetricSection, objective: Objective) -> tuple[float, float]:
    if section.between is not None:
        return section.between
    # A threshold on a mean needs no bounds to be judged; to be drawn, it needs some.
    return (0.0, 10.0 * objective.limit) if objective.limit > 0 else (10.0 * objective.limit - 1.0, 1.0)


def _share(section: LoadSection, endpoint: str | None) -> float:
    weights = sum(each.weight for each in section.requests)
    return sum(each.weight for each in section.requests if endpoint in {None, each.name}) / weights


def _judged(run: Course, share: float) -> Iterator[Second]:
    """The seconds of one attempt that are judged, with what is sent in them."""
    arrived = _arrivals(run.section)
    seconds = []
    for at in range(math.ceil(run.duration)):
        first, last = (math.floor(arrived(min(run.duration, moment)) * share + 1e-9) for moment in (at, at + 1))
        seconds.append(Second(at, last - first, 0))
    for index in range(0, len(seconds), _CHUNK):
        for tally in tallies(run, [ObjectiveSeconds("", tuple(seconds[index : index + _CHUNK]))]):
            yield from tally.seconds


def _arrivals(section: LoadSection) -> Callable[[float], float]:
    """How many requests are due before a moment, in seconds since the load's start."""

    def arrived(moment: float) -> float:
        total = at = rate = 0.0
        for stage in section.stages:
            took = max(0.0, min(moment - at, stage.duration))
            if stage.form is StageForm.HOLD:
                total += stage.rate * took
            elif stage.duration:
                total += rate * took + (stage.rate - rate) * took * took / (2.0 * stage.duration)
            at, rate = at + stage.duration, stage.rate
        return total

    return arrived
