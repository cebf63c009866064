"""What is good or bad one by one: the counts of one (objective, phase) over all attempts, for both directions.

Called by `frame`, which keeps one `Stream` per (objective, phase) from look to look, so that a look costs what is new.
What must stay true:

* What is uncertain (`Second.late`) counts for a pass's test and not for a fail's.
* An attempt whose numbers must not decide a direction (`no_fail`, `no_pass`) still counts against that direction: only
  its good requests enter a fail's test, only its bad ones a pass's.
* Requests of one attempt never share a block, or the worst five seconds, with those of another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gitslo.core.stats import SPARED_SECONDS, ClusteredCounts, Clustering
from gitslo.model import AttemptEvidence, Concentration, Metric, MetricSeries, Objective, Phase, Second

__all__ = ["Stream", "Sums", "rows_of"]

_CLOSE_TOGETHER = 0.2
"""A burst is worth a word where it takes no more than this share of what was judged."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The plain counts: every unit that was counted, whatever it may decide.

    Attributes:
        total, bad, late: as of `Second`, all rows and attempts together.
        rows: seconds, windows or samples with something counted in them.
    """

    total: int = 0
    bad: int = 0
    late: int = 0
    rows: int = 0


class Stream:
    """One (objective, phase): feed it attempts, oldest first; the newest one may grow from look to look."""

    def __init__(self, objective: Objective, phase: Phase, *, gated: bool = True) -> None:
        """Start without counts.

        Args:
            objective: what is counted.
            phase: of which phase.
            gated: whether `no_fail` and `no_pass` of attempts are heeded; without it, it says what would be decided.
        """
        self._objective = objective
        self._phase = phase
        self._gated = gated
        self._attempt: AttemptEvidence | None = None
        self._taken: tuple[Second, ...] = ()
        self.sums = Sums()
        self.every = 1.0
        self._fails: ClusteredCounts | None = None
        self._passes: ClusteredCounts | None = None

    def take(self, attempt: AttemptEvidence) -> bool:
        """Count what is new of an attempt: the newest one that was taken, or the one after it.

        Returns:
            False where what was taken of it before is not what it says now: the stream has to be built anew.
        """
        rows, every = rows_of(self._objective, self._phase, attempt)
        if self._attempt is None or self._attempt.attempt != attempt.attempt:
            self._begin()
        elif self._gates(self._attempt) != self._gates(attempt) or not self._continued(rows):
            return False
        for row in rows[len(self._taken) :]:
            self._add(row, attempt, every)
        self._attempt, self._taken = attempt, rows
        return True

    def fails(self) -> Clustering | None:
        """What a fail's test sees; None before anything was counted."""
        return self._fails.look() if self._fails is not None else None

    def passes(self) -> Clustering | None:
        """What a pass's test sees; None before anything was counted."""
        return self._passes.look() if self._passes is not None else None

    def burst(self) -> Concentration | None:
        """Where nearly all that is bad lies, if that is a small part of what was judged; costs a pass over the rows."""
        found = self._passes.burst() if self._passes is not None else None
        if found is None or found.seconds > _CLOSE_TOGETHER * self.sums.rows:
            return None
        return Concentration(found.at * self.every, found.seconds * self.every, found.bad)

    def _begin(self) -> None:
        self._taken = ()
        if self._fails is not None and self._passes is not None:
            self._fails.next_attempt()
            self._passes.next_attempt()

    def _gates(self, attempt: AttemptEvidence) -> tuple[bool, bool]:
        return (self._gated and bool(attempt.no_fail), self._gated and bool(attempt.no_pass))

    def _continued(self, rows: tuple[Second, ...]) -> bool:
        # All of them: what is blamed on our own lag may change while requests are under way, and neighbours are merged
        # once there are too many.
        return rows[: len(self._taken)] == self._taken

    def _add(self, row: Second, attempt: AttemptEvidence, every: float) -> None:
        if self._fails is None or self._passes is None:
            self.every = every
            spared = max(1, math.ceil(SPARED_SECONDS / every))
            # Of what is compared with a baseline only the design effect is asked, which knows no limit.
            allowed = self._objective.allowed if self._objective.baseline is None else 1.0
            self._fails = ClusteredCounts(allowed, spared=spared)
            self._passes = ClusteredCounts(allowed, spared=spared)
        at, certain = round(row.at / every), row.bad - row.late
        no_fail, no_pass = self._gates(attempt)
        self._fails.add(at, row.total, certain)
        self._passes.add(at, row.total, row.bad)
        if no_fail:
            self._fails.leave_out(certain, certain)
        if no_pass:
            self._passes.leave_out(row.total - row.bad, 0)
        one = self.sums
        self.sums = Sums(one.total + row.total, one.bad + row.bad, one.late + row.late, one.rows + (row.total > 0))


def rows_of(objective: Objective, phase: Phase, attempt: AttemptEvidence) -> tuple[tuple[Second, ...], float]:
    """The rows of one attempt, and the seconds that each stands for; none where nothing may be judged of it."""
    if objective.source and any(name == objective.source for name, _ in attempt.unknown):
        return (), 1.0
    for tally in attempt.tallies:
        if tally.objective == objective.text and tally.phase is phase:
            return tally.seconds, tally.every
    if objective.metric is Metric.QUANTILE:
        for series in attempt.series:
            if series.metric == objective.source and series.phase is phase:
                return _samples(series, objective.limit), series.every
    return (), 1.0


def _samples(series: MetricSeries, limit: float) -> tuple[Second, ...]:
    """A gauge's samples, each a row of one."""
    return tuple(
        Second(round(index * series.every), 1, int(sample.value > limit)) for index, sample in enumerate(series.samples)
    )
