"""What became of every request: counts by intended second for the verdict, samples for the histograms.

Called by the connections (for every request) and by the worker's ticks. The usual case, a good and brisk response,
appends a number or two to a list or two and comes nowhere near this file's code; `settle` takes everything else.
Folding the numbers into histograms happens in slices between the requests.

Invariants
- A cell's `total` grows when an arrival is released, whatever becomes of it; so a second's total is what the schedule
  intended, and nothing that goes wrong later can shrink it.
- A request that is neither good nor within every limit goes through `settle` exactly once.
- Beyond a watermark every unfinished request has already broken the limit, so counting it as bad is not a guess. Only
  its `late` may still change, and only downwards: as long as we do not know, our own lag is taken to be the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import sub

from gitslo.load.messages import Counted, EndpointEnd, Finished, Limit
from gitslo.load.record.histogram import Histogram, Samples, add, exactly, pack
from gitslo.model import Second, Seconds

__all__ = ["EXAMPLE", "NEVER", "Cell", "Recorder", "Unfinished"]

EXAMPLE = 200
"""Bytes that are kept of an answer that failed."""
NEVER = math.inf
"""For `settle`: no lag of ours made this request bad."""

Unfinished = tuple["Cell", float, float]
"""A request under way: its cell, its intended time (monotonic seconds) and our own lag so far."""


class _Sink:
    """The samples of one endpoint, judged or not: first lists that connections append to, then `Samples`.

    `prompt` has those that neither our lag nor a queue delayed, as all of a closed loop are: their service time is
    their response time, and counting it once is enough.
    """

    __slots__ = (
        "direct_lag", "direct_prompt", "direct_response", "judged", "lag", "prompt", "queue", "queued", "response",
        "service",
    )  # fmt: skip

    def __init__(self, judged: bool) -> None:
        self.judged = judged
        self.direct_response: list[float] = []
        self.direct_lag: list[float] = []
        self.direct_prompt: list[float] = []
        self.queued: list[tuple[float, float, float]] = []
        self.prompt = Samples(keeps=judged)
        self.response = Samples(keeps=judged)
        self.service = Samples(keeps=judged)
        self.lag = Samples(keeps=judged)
        self.queue = Samples(keeps=judged)

    def count(self, most: int) -> None:
        """Move up to `most` samples from each list."""
        if self.direct_response:
            responses, lags = self.direct_response[:most], self.direct_lag[:most]
            del self.direct_response[: len(responses)]
            del self.direct_lag[: len(lags)]
            self.response.add(responses)
            self.lag.add(lags)
            if self.judged:
                self.service.add(map(sub, responses, lags))
                self.queue.add_zeros(len(lags))
        if self.direct_prompt:
            self.prompt.add(self.direct_prompt[:most])
            del self.direct_prompt[:most]
        if self.queued:
            taken = self.queued[:most]
            del self.queued[: len(taken)]
            slow, late, waited = zip(*taken, strict=True)
            self.response.add(slow)
            self.lag.add(late)
            if self.judged:
                self.service.add(map(sub, map(sub, slow, late), waited))
                self.queue.add(waited)

    @property
    def uncounted(self) -> int:
        """The longest list."""
        return max(len(self.direct_response), len(self.direct_prompt), len(self.queued))

    def every(self) -> tuple[Samples, ...]:
        """All kinds."""
        return self.response, self.lag, self.service, self.queue, self.prompt

    def turn(self) -> tuple[dict[int, int], dict[int, int]]:
        """A second is over: the responses and the lags of the one before it."""
        self.count(self.uncounted)
        responses, lags, _, _, prompt = [each.turn() for each in self.every()]
        add(responses, prompt)
        add(lags, {0: sum(prompt.values())} if prompt else {})
        return responses, lags

    def whole(self) -> tuple[dict[int, int], dict[int, int], dict[int, int], dict[int, int]]:
        """All responses, service times, lags and queues, once `turn` has been called twice after the last one."""
        prompt = self.prompt.exact
        none = {0: sum(prompt.values())} if prompt else {}
        found = []
        for samples, more in ((self.response, prompt), (self.service, prompt), (self.lag, none), (self.queue, none)):
            counts = samples.exact.copy()
            add(counts, more)
            found.append(counts)
        response, service, lag, queue = found
        return response, service, lag, queue


class Cell:
    """The requests of one endpoint that are intended in one second.

    Attributes:
        at: whole seconds since the start.
        request: the bytes, where every request of the endpoint has the same on every connection; else empty, and the
            connection makes them.
        brisk: seconds; a good response within it is within every limit.
        add_response, add_lag: take the samples of a good, brisk request that only we delayed.
        add_prompt: takes the response time of one that nothing delayed.
        add_queued: takes (response, lag, queue) of one that waited for a slot.
        total: released so far.
        bad, late: per objective.
    """

    __slots__ = (
        "add_lag", "add_prompt", "add_queued", "add_response", "at", "bad", "brisk", "endpoint", "judged", "late",
        "limits", "request", "size", "total",
    )  # fmt: skip

    def __init__(
        self, at: int, endpoint: int, request: bytes, limits: Sequence[tuple[int, float]], brisk: float, sink: _Sink
    ) -> None:
        self.at = at
        self.endpoint = endpoint
        self.request = request
        self.size = len(request)
        self.judged = sink.judged
        self.limits = limits
        self.brisk = brisk
        self.total = 0
        self.bad = dict.fromkeys((index for index, _ in limits), 0)
        self.late = dict.fromkeys((index for index, _ in limits), 0)
        self.add_response = sink.direct_response.append
        self.add_lag = sink.direct_lag.append
        self.add_prompt = sink.direct_prompt.append
        self.add_queued = sink.queued.append

    def add(self, response: float, lag: float, queue: float) -> None:
        """Take the samples of a good, brisk request, in seconds."""
        if queue:
            self.add_queued((response, lag, queue))
        elif lag:
            self.add_response(response)
            self.add_lag(lag)
        else:
            self.add_prompt(response)


class Recorder:
    """All counts and samples of one worker.

    Attributes:
        requests: per endpoint, the bytes that `Cell.request` has; fresh cells take the present ones.
        examples: per endpoint, what the first failure of each kind looked like: the answer's first bytes.
    """

    def __init__(self, requests: Sequence[bytes], limits: Sequence[Limit], timeout: float) -> None:
        self.requests = list(requests)
        self.examples: list[dict[str, bytes]] = [{} for _ in requests]
        self.timeout = timeout
        self.errors = 0
        self.kinds: list[dict[str, int]] = [{} for _ in requests]
        self.failed: list[dict[int, int]] = [{} for _ in requests]
        """Judged failed requests among the responses, as exactly as a histogram keeps them."""
        self.unsent = [0 for _ in requests]
        self.hindered = [0 for _ in requests]
        self.unsent_total = 0
        self.sinks = [{judged: _Sink(judged) for judged in (False, True)} for _ in requests]
        self._marks = [timeout if limit.above is None else limit.above for limit in limits]
        self._limits = [
            [(index, mark) for index, mark in enumerate(self._marks) if limits[index].endpoint in {None, endpoint}]
            for endpoint in range(len(requests))
        ]
        self._cells: dict[int, list[Cell]] = {}
        self._latest: list[Cell] = []
        self._released_before = self._sent_before = 0
        self._shown = [0 for _ in limits]
        self._dirty: set[int] = set()

    def cells(self, at: int, judged: bool) -> list[Cell]:
        """Fresh cells, one per endpoint, for arrivals of second `at`; the ones before are full."""
        self._released_before, self._sent_before = self.released, self.sent_bytes
        made = [
            Cell(at, index, request, limits, min([self.timeout, *(mark for _, mark in limits)]), sinks[judged])
            for index, (request, limits, sinks) in enumerate(zip(self.requests, self._limits, self.sinks, strict=True))
        ]
        self._cells.setdefault(at, []).extend(made)
        self._latest = made
        return made

    @property
    def released(self) -> int:
        """All arrivals so far."""
        return self._released_before + sum(cell.total for cell in self._latest)

    @property
    def sent_bytes(self) -> int:
        """The bytes of their requests; those that were never sent are among them."""
        return self._sent_before + sum(cell.total * cell.size for cell in self._latest)

    def settle(
        self, cell: Cell, response: float, lag: float, queue: float, kind: str, own: float | None, example: bytes = b""
    ) -> None:
        """Count a finished request that was sent.

        Args:
            cell: where it belongs.
            response, lag, queue: seconds.
            kind: why it failed, or empty for a good status (which may still be too slow).
            own: seconds it would have taken without our lag; NEVER where lag is no excuse; None: `response - lag`.
            example: the first bytes of the answer, for people.
        """
        if own is None:
            own = response - lag
        if not kind and response > self.timeout:
            kind = "timeout"
        if kind and kind not in self.examples[cell.endpoint]:
            self.examples[cell.endpoint][kind] = example
        stands = self.timeout if kind == "timeout" else response
        cell.add_queued((stands, lag, queue))
        self._count(cell, response, kind, own)
        self._keep_failed(cell, stands, kind)

    def never_sent(self, cell: Cell, lag: float, kind: str, *, hindered: bool = False, excused: bool = False) -> None:
        """Count an arrival that could not be sent: it failed, and stands at the time-out.

        Args:
            cell: where it belongs.
            lag: seconds of our own.
            kind: why.
            hindered: by this machine rather than by the target.
            excused: only our own lag made it so.
        """
        self.unsent_total += 1
        sink = self.sinks[cell.endpoint][cell.judged]
        if cell.judged:
            (self.hindered if hindered else self.unsent)[cell.endpoint] += 1
        sink.response.add((self.timeout,))
        sink.lag.add((lag,))
        self._count(cell, self.timeout, kind, 0.0 if excused else NEVER)
        self._keep_failed(cell, self.timeout, kind)

    def _keep_failed(self, cell: Cell, stands: float, kind: str) -> None:
        if kind and cell.judged:
            failed, (key,) = self.failed[cell.endpoint], exactly((stands,))
            failed[key] = failed.get(key, 0) + 1

    def _count(self, cell: Cell, response: float, kind: str, own: float) -> None:
        for index, mark in cell.limits:
            if kind or response > mark:
                cell.bad[index] += 1
                if own <= mark:
                    cell.late[index] += 1
        self._dirty.add(cell.at)
        if kind:
            self.errors += 1
            if cell.judged:
                kinds = self.kinds[cell.endpoint]
                kinds[kind] = kinds.get(kind, 0) + 1

    def fold(self, samples: int, values: int) -> None:
        """Count up to so many samples from each list, and round up to so many distinct values in all."""
        for sinks in self.sinks:
            for sink in sinks.values():
                sink.count(samples)
                for each in sink.every():
                    if values > 0:
                        values = each.round(values)

    def turn(self, since: float) -> Finished:
        """A second is over: what the one before it, which began at `since`, had."""
        judged: list[bytes] = []
        others: dict[int, int] = {}
        lags: dict[int, int] = {}
        for sinks in self.sinks:
            for sink in sinks.values():
                responses, late = sink.turn()
                add(lags, late)
                if sink.judged:
                    judged.append(pack(responses))
                else:
                    add(others, responses)
        return Finished(since, tuple(judged), pack(others), pack(lags))

    def counted(self, elapsed: float, now: float, unfinished: Iterable[Unfinished]) -> tuple[Counted, ...]:
        """The seconds, per objective, whose watermark has passed and that are new or may have changed.

        Args:
            elapsed: seconds since the start.
            now: the same moment on the monotonic clock.
            unfinished: every request under way.
        """
        pending: dict[tuple[int, int], list[int]] = {}
        touched = set(self._dirty)
        for cell, intended, lag in unfinished:
            touched.add(cell.at)
            for index, mark in cell.limits:
                counts = pending.setdefault((index, cell.at), [0, 0])
                counts[0] += 1
                counts[1] += now - intended - lag <= mark
        found = []
        for index, mark in enumerate(self._marks):
            end = max(self._shown[index], math.floor(round(elapsed - mark, 9)))
            seconds = {at for at in touched if at < end}.union(range(self._shown[index], end))
            self._shown[index] = end
            found.append(Counted(index, self._seconds(index, seconds, pending)))
        # A second that one objective does not show yet is new to it later anyway.
        self._dirty.clear()
        return tuple(entry for entry in found if entry.seconds)

    def everything(self) -> tuple[Counted, ...]:
        """Every second of every objective, when nothing is under way any more."""
        return tuple(Counted(index, self._seconds(index, set(self._cells), {})) for index in range(len(self._marks)))

    def _seconds(self, index: int, ats: set[int], pending: dict[tuple[int, int], list[int]]) -> tuple[Second, ...]:
        seconds = []
        for at in sorted(ats):
            total = bad = late = 0
            for cell in self._cells.get(at, ()):
                if index in cell.bad:
                    total += cell.total
                    bad += cell.bad[index]
                    late += cell.late[index]
            if total:
                more_bad, more_late = pending.get((index, at), (0, 0))
                seconds.append(Second(at, total, bad + more_bad, late + more_late))
        return tuple(seconds)

    def judged_requests(self, endpoint: int) -> int:
        """Judged arrivals of one endpoint."""
        return sum(
            cell.total for cells in self._cells.values() for cell in cells if cell.judged and cell.endpoint == endpoint
        )

    def endpoint_end(self, endpoint: int) -> EndpointEnd:
        """The judged requests of one endpoint, once `turn` has been called twice after the last one."""
        longest = Seconds(self.timeout)
        response, service, lag, queue = self.sinks[endpoint][True].whole()
        return EndpointEnd(
            requests=self.judged_requests(endpoint),
            unsent=self.unsent[endpoint],
            hindered=self.hindered[endpoint],
            errors=tuple(self.kinds[endpoint].items()),
            examples=tuple((kind, example[:EXAMPLE]) for kind, example in self.examples[endpoint].items()),
            response=Histogram.of(response, longest).encoded(),
            service=Histogram.of(service, longest).encoded(),
            lag=Histogram.of(lag, longest).encoded(),
            queue=Histogram.of(queue, longest).encoded(),
            failed=Histogram.of(self.failed[endpoint], longest).encoded(),
        )
