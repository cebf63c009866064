"""Adds up what the workers of one job say. Pure; driven by `engine`.

A merged second is the sum over the shards, and it is shown when every shard that still runs has passed its watermark.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gitslo.load.health import examine, tolerated_lag
from gitslo.load.histogram import Histogram, quantile
from gitslo.load.messages import Counted, End, Report
from gitslo.model import LoadSummary, Metric, Percentiles, RatePerSecond, Second, Seconds
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, ObjectiveSeconds

__all__ = ["LoadDetail", "Merger"]


@dataclass(frozen=True, slots=True)
class LoadDetail:
    """A result with what only people ask for.

    Attributes:
        result: what the port gives.
        closed: whether it was a closed loop.
        service: complete - written, in seconds.
        schedule_lag, queue: dispatched - intended and written - dispatched.
        sent, done, errors: all requests, unjudged ones included.
    """

    result: LoadResult
    closed: bool
    service: Percentiles
    schedule_lag: Percentiles
    queue: Percentiles
    sent: int
    done: int
    errors: int


class Merger:
    """The running sum of one job.

    Attributes:
        ends: the last words so far.
    """

    def __init__(self, job: LoadJob, *, closed: bool) -> None:
        self.ends: dict[int, End] = {}
        self._job = job
        self._closed = closed
        self._reports: dict[int, Report] = {}
        self._fresh: set[int] = set()
        self._seconds: dict[int, dict[int, dict[int, Second]]] = {}
        self._responses: dict[int, int] = {}
        self._lags: dict[int, int] = {}

    def report(self, shard: int, report: Report) -> None:
        """Take a report."""
        self._reports[shard] = report
        self._fresh.add(shard)
        for value, number in report.responses:
            self._responses[value] = self._responses.get(value, 0) + number
        for value, number in report.lags:
            self._lags[value] = self._lags.get(value, 0) + number
        self._count(shard, report.counts)

    def end(self, shard: int, end: End) -> None:
        """Take a last word: its counts replace every report's."""
        self.ends[shard] = end
        self._seconds.pop(shard, None)
        self._count(shard, end.counts)

    def _count(self, shard: int, counts: Iterable[Counted]) -> None:
        shards = self._seconds.setdefault(shard, {})
        for counted in counts:
            shards.setdefault(counted.objective, {}).update((second.at, second) for second in counted.seconds)

    def snapshot(self, reporting: Collection[int]) -> LoadSnapshot | None:
        """The merged look once every reporting shard has something new, else None."""
        if not reporting or not self._fresh.issuperset(reporting):
            return None
        self._fresh.clear()
        responses, self._responses = self._responses, {}
        lags, self._lags = self._lags, {}
        reports = [self._reports[shard] for shard in reporting]
        totals: list[Report | End] = [*reports, *self.ends.values()]
        elapsed = Seconds(min(report.elapsed for report in reports))
        return LoadSnapshot(
            elapsed=elapsed,
            sent=sum(entry.sent for entry in totals),
            done=sum(entry.done for entry in totals),
            errors=sum(entry.errors for entry in totals),
            in_flight=sum(report.in_flight for report in reports),
            p50=quantile(responses, 0.5),
            p99=quantile(responses, 0.99),
            counts=self._counts(elapsed),
            lag_p99=quantile(lags, 0.99),
        )

    def _counts(self, elapsed: float | None) -> tuple[ObjectiveSeconds, ...]:
        found = []
        for index, objective in enumerate(self._job.objectives):
            mark = objective.limit if objective.metric is Metric.LATENCY else self._job.section.timeout
            # The comparison of the port: s + 1 + mark <= elapsed.
            end = math.inf if elapsed is None else math.floor(round(elapsed - mark, 9))
            merged: dict[int, Second] = {}
            for objectives in self._seconds.values():
                for at, second in objectives.get(index, {}).items():
                    if at < end:
                        merged[at] = _sum(merged.get(at), second)
            found.append(ObjectiveSeconds(objective.text, tuple(merged[at] for at in sorted(merged))))
        return tuple(found)

    def detail(self, lost: Sequence[str]) -> LoadDetail:
        """The result of all shards that came to their end; `lost` says why others did not."""
        ends = [self.ends[shard] for shard in sorted(self.ends)]
        section = self._job.section
        limits = tuple(o.limit if o.metric is Metric.LATENCY else section.timeout for o in self._job.objectives)
        everything = range(len(section.endpoints))
        lag = self._histogram(ends, everything, "lag")
        gate = examine(ends, lost, lag.quantile(0.99), tolerated_lag(limits), self._closed)
        summaries = [self._summary(ends, None, everything)]
        summaries += [self._summary(ends, endpoint.name, (index,)) for index, endpoint in enumerate(section.endpoints)]
        return LoadDetail(
            result=LoadResult(
                counts=self._counts(None),
                ended_at=Seconds(min(end.ended_at for end in ends)),
                summaries=tuple(summaries),
                no_fail=gate.no_fail,
                no_pass=gate.no_pass,
                cpu_seconds=Seconds(sum(end.cpu for end in ends)),
            ),
            closed=self._closed,
            service=self._histogram(ends, everything, "service").percentiles(),
            schedule_lag=lag.percentiles(),
            queue=self._histogram(ends, everything, "queue").percentiles(),
            sent=sum(end.sent for end in ends),
            done=sum(end.done for end in ends),
            errors=sum(end.errors for end in ends),
        )

    def _histogram(self, ends: Sequence[End], endpoints: Iterable[int], which: str) -> Histogram:
        merged = Histogram(self._job.section.timeout)
        for index in endpoints:
            for end in ends:
                merged.add(getattr(end.endpoints[index], which))
        return merged

    def _summary(self, ends: Sequence[End], endpoint: str | None, indexes: Sequence[int]) -> LoadSummary:
        requests, kinds = 0, dict[str, int]()
        planned = achieved = 0.0
        for end in ends:
            parts = [end.endpoints[index] for index in indexes]
            wanted = sum(part.requests for part in parts)
            requests += wanted
            if end.judged_for > 0:
                planned += wanted / end.judged_for
                achieved += sum(part.requests - part.unsent - part.hindered for part in parts) / end.judged_took
            for part in parts:
                for kind, number in part.errors:
                    kinds[kind] = kinds.get(kind, 0) + number
        response = self._histogram(ends, indexes, "response")
        return LoadSummary(
            load=self._job.section.name,
            endpoint=endpoint,
            requests=requests,
            errors=tuple(sorted(kinds.items(), key=lambda entry: (-entry[1], entry[0]))),
            planned_rate=RatePerSecond(0.0 if self._closed else planned),
            achieved_rate=RatePerSecond(achieved),
            latency=response.percentiles(),
            schedule_lag_p99=self._histogram(ends, indexes, "lag").quantile(0.99) or Seconds(0.0),
            histogram=response.encoded() if response.total else "",
        )


def _sum(before: Second | None, second: Second) -> Second:
    if before is None:
        return second
    return Second(second.at, before.total + second.total, before.bad + second.bad, before.late + second.late)
