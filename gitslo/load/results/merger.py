"""Adds up what the workers of one job say. Pure; driven by the engines.

A merged second is the sum over the shards, and it is shown when every shard that still runs has passed its watermark.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from gitslo.core.escape import plain
from gitslo.load.messages import Counted, End, Report
from gitslo.load.record.histogram import Histogram, add, quantile, unpack
from gitslo.load.requests.tracing import merged
from gitslo.load.results.detail import ErrorKind, LoadDetail, Part, Rates, Trace, versions
from gitslo.load.results.health import examine, tolerated_lag
from gitslo.load.results.timeline import Timeline
from gitslo.model import Fidelity, LoadSummary, Metric, RatePerSecond, Second, Seconds
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, ObjectiveSeconds

__all__ = ["Merger"]

_HISTOGRAMS = ("response", "service", "lag", "queue", "failed")


class Merger:
    """The running sum of one job.

    Attributes:
        ends: the last words so far.
    """

    def __init__(self, job: LoadJob) -> None:
        self.ends: dict[int, End] = {}
        self._job = job
        self._reports: dict[int, Report] = {}
        self._fresh: set[int] = set()
        self._seconds: dict[int, dict[int, dict[int, Second]]] = {}
        self._responses: dict[int, int] = {}
        self._lags: dict[int, int] = {}
        self._timeline = Timeline()

    def report(self, shard: int, report: Report) -> None:
        """Take a report."""
        self._reports[shard] = report
        self._fresh.add(shard)
        self._timeline.totals(shard, report.elapsed, (report.sent, report.done, report.errors))
        if report.finished is not None:
            self._timeline.finished(report.finished)
            for packed in (report.finished.others, *report.finished.judged):
                add(self._responses, unpack(packed))
            add(self._lags, unpack(report.finished.lags))
        self._count(shard, report.counts)

    def end(self, shard: int, end: End) -> None:
        """Take a last word: its counts replace every report's."""
        self.ends[shard] = end
        self._timeline.totals(shard, None, (end.sent, end.done, end.errors))
        for finished in end.finished:
            self._timeline.finished(finished)
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
        watched = self._job.section.abort.latency
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
            watched=None if watched is None else quantile(responses, watched[0]),
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

    def detail(self, lost: Sequence[str], aborted: str = "", *, started: float = 0.0, workers: int = 1) -> LoadDetail:
        """The result of all shards that came to their end.

        Args:
            lost: why others did not.
            aborted: why it was stopped.
            started: seconds since the epoch at the common start.
            workers: how many shards there were.
        """
        ends = [self.ends[shard] for shard in sorted(self.ends)]
        section = self._job.section
        limits = tuple(o.limit if o.metric is Metric.LATENCY else section.timeout for o in self._job.objectives)
        names = [request.name for request in section.requests]
        sums = [_Sum(ends, range(len(names)), section.timeout)]
        sums += [_Sum(ends, (index,), section.timeout) for index in range(len(names))]
        parts = tuple(self._part(each, name) for each, name in zip(sums, (None, *names), strict=True))
        gate = examine(ends, lost, sums[0].histograms["lag"].quantile(0.99), tolerated_lag(limits), self._job.closed)
        return LoadDetail(
            result=LoadResult(
                counts=self._counts(None),
                ended_at=Seconds(min(end.ended_at for end in ends)),
                summaries=tuple(self._summary(each, part) for each, part in zip(sums, parts, strict=True)),
                no_fail=gate.no_fail,
                no_pass=gate.no_pass,
                cpu_seconds=Seconds(sum(end.cpu for end in ends)),
                aborted=aborted,
            ),
            load=section.name,
            closed=self._job.closed,
            started=started,
            workers=workers,
            loading=Seconds(sum(end.loading for end in ends)),
            parts=parts,
            sent=sum(end.sent for end in ends),
            done=sum(end.done for end in ends),
            errors=sum(end.errors for end in ends),
            slowest=tuple(
                Trace(each.trace, names[each.endpoint], each.response) for each in merged(end.slowest for end in ends)
            ),
            versions=versions(),
            longest=section.timeout,
            timeline=self._timeline,
        )

    def _part(self, whole: _Sum, name: str | None) -> Part:
        on_it = [o for o in self._job.objectives if o.metric is Metric.LATENCY and o.endpoint in {None, name}]
        limits = on_it if name is not None else [o for o in on_it if o.endpoint is None]
        return Part(
            endpoint=name,
            requests=whole.requests,
            unsent=whole.unsent,
            hindered=whole.hindered,
            errors=tuple(
                ErrorKind(kind, number, _shown(whole.examples.get(kind, b""))) for kind, number in whole.errors
            ),
            rates=Rates(None if self._job.closed else whole.planned, whole.released, whole.achieved),
            response=whole.histograms["response"].distribution(),
            service=whole.histograms["service"].distribution(),
            schedule_lag=whole.histograms["lag"].distribution(),
            queue=whole.histograms["queue"].distribution(),
            limits=tuple(sorted({Seconds(objective.limit) for objective in limits})),
            counts=whole.histograms["response"].counts(),
        )

    def _summary(self, whole: _Sum, part: Part) -> LoadSummary:
        response = whole.histograms["response"]
        return LoadSummary(
            load=self._job.section.name,
            endpoint=part.endpoint,
            requests=part.requests,
            errors=whole.errors,
            planned_rate=part.rates.planned or RatePerSecond(0.0),
            achieved_rate=part.rates.achieved,
            latency=part.response.percentiles,
            schedule_lag_p99=whole.histograms["lag"].quantile(0.99) or Seconds(0.0),
            histogram=response.encoded() if response.total else "",
            fidelity=Fidelity(open_loop=not self._job.closed),
            distribution=response.buckets(whole.histograms["failed"]),
        )


class _Sum:
    """What all shards say of some endpoints."""

    def __init__(self, ends: Sequence[End], indexes: Sequence[int], longest: Seconds) -> None:
        self.requests = self.unsent = self.hindered = 0
        planned = released = achieved = 0.0
        kinds: dict[str, int] = {}
        self.examples: dict[str, bytes] = {}
        self.histograms = {which: Histogram(longest) for which in _HISTOGRAMS}
        for end in ends:
            parts = [end.endpoints[index] for index in indexes]
            wanted, unsent = sum(part.requests for part in parts), sum(part.unsent for part in parts)
            hindered = sum(part.hindered for part in parts)
            self.requests, self.unsent, self.hindered = (
                self.requests + wanted, self.unsent + unsent, self.hindered + hindered
            )  # fmt: skip
            if end.judged_for > 0:
                planned += wanted / end.judged_for
                released += (wanted - hindered) / end.judged_took
                achieved += (wanted - hindered - unsent) / end.judged_took
            for part in parts:
                for kind, number in part.errors:
                    kinds[kind] = kinds.get(kind, 0) + number
                for kind, example in part.examples:
                    self.examples[kind] = self.examples.get(kind) or example
                for which, histogram in self.histograms.items():
                    encoded = getattr(part, which)
                    if encoded:
                        histogram.add(encoded)
        self.planned, self.released, self.achieved = map(RatePerSecond, (planned, released, achieved))
        self.errors = tuple(sorted(kinds.items(), key=lambda entry: (-entry[1], entry[0])))


def _shown(example: bytes) -> str:
    return plain(example.decode(errors="replace"))


def _sum(before: Second | None, second: Second) -> Second:
    if before is None:
        return second
    return Second(second.at, before.total + second.total, before.bad + second.bad, before.late + second.late)
