"""What became of the arrivals of a load that a foreign program sends. Pure; fed by a dialect, driven by `foreign`.

A dialect tells of each request when it has ended. Arrivals of a constant rate are known before: they are released by
the clock, as our own engine's are, and whatever is never told of has failed. So nothing that a program leaves out can
shrink a second's total.

Where a program tells a time only roughly, a request may or may not have kept a limit. It is then bad, and bad by our
own fault (`late`): a pass's test counts it against the service, a fail's test does not, and where that decides, the
verdict is inconclusive. It never passes, and never fails, on a guess. The same goes for what has not been told of yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitslo.load.cgroup import Throttled
from gitslo.load.messages import End, Finished, Report, limits_of
from gitslo.load.record.recorder import NEVER, Cell, Recorder, Unfinished
from gitslo.load.schedule import interleave
from gitslo.ports import LoadJob

__all__ = ["Account", "Lane", "Told"]

_DIGITS = 9
"""Of seconds: arrivals a rounding error before a whole second belong to that second."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One stretch of a program's schedule.

    Attributes:
        start: seconds since the load's start.
        rate: arrivals per second. 0: their moments are not known before.
        count: of arrivals whose moments are known.
    """

    start: float
    rate: float
    count: int

    def due(self, index: int) -> float:
        """Seconds since the load's start at which an arrival is due."""
        return round(self.start + index / self.rate, _DIGITS)


@dataclass(frozen=True, slots=True)
class Told:
    """One request, as a program tells of it.

    Attributes:
        lane: index.
        index: within the lane; in a lane without a rate it means nothing.
        endpoint: index.
        sent: seconds since the load's start.
        response: seconds from when it was due to its end, at most.
        lag: seconds by which the program was late to send it.
        queue: seconds by which it was late because no connection was free.
        kind: why it failed, or empty.
    """

    lane: int
    index: int
    endpoint: int
    sent: float
    response: float
    lag: float
    queue: float
    kind: str


class Account:
    """The counts of one job.

    Attributes:
        dropped: arrivals that the program never sent.
        told: requests that it told of.
        done, errors: settled arrivals, and those of them that failed.
    """

    def __init__(self, job: LoadJob, lanes: Sequence[Lane], resolution: float) -> None:
        """Start empty.

        Args:
            job: what was asked for.
            lanes: what the program will do, in order of time.
            resolution: seconds by which a response that is told may be too long.
        """
        section = job.section
        limits = limits_of(job)
        self.recorder = Recorder([b"" for _ in section.requests], limits, section.timeout)
        self.pattern = interleave([endpoint.weight for endpoint in section.requests])
        self.dropped = self.told = self.done = 0
        self._judged = [(start, end) for _, start, end in job.judged]
        self._whole = sum(stage.duration for stage in section.stages)
        self._lanes = tuple(lanes)
        self._resolution = resolution
        self._cells: dict[tuple[int, bool], list[Cell]] = {}
        self._open: dict[tuple[int, int], tuple[Cell, float]] = {}
        self._next = [0 for _ in lanes]
        self._released = 0
        self._looks: tuple[float | None, float] = (None, 0.0)
        self._closed = math.inf

    @property
    def errors(self) -> int:
        """Settled arrivals that failed."""
        return self.recorder.errors

    @property
    def complete(self) -> bool:
        """Whether every arrival whose moment was known has been settled."""
        return not self._open and all(taken >= lane.count for taken, lane in zip(self._next, self._lanes, strict=True))

    # ------------------------------------------------------------ arrivals

    def _cell(self, due: float, endpoint: int) -> Cell:
        judged = any(start <= due < end for start, end in self._judged)
        key = (math.floor(due), judged)
        if key not in self._cells:
            self._cells[key] = self.recorder.cells(*key)
        return self._cells[key][endpoint]

    def release(self, until: float) -> None:
        """Every arrival that is due before `until` is under way from now on."""
        until = min(until, self._closed)
        for number, lane in enumerate(self._lanes):
            while lane.rate and self._next[number] < lane.count and lane.due(self._next[number]) < until:
                self._arrive(number)

    def _arrive(self, number: int) -> None:
        index, lane = self._next[number], self._lanes[number]
        due = lane.due(index)
        cell = self._cell(due, self.pattern[index % len(self.pattern)])
        cell.total += 1
        self._released += 1
        self._open[number, index] = cell, due
        self._next[number] = index + 1

    def _taken(self, lane: int, index: int, endpoint: int | None) -> tuple[Cell, float] | None:
        """An arrival that is under way, now of this endpoint; None where there is no such arrival to be settled."""
        if self._next[lane] <= index < self._lanes[lane].count:
            self.release(self._lanes[lane].due(index) + 10**-_DIGITS)
        found = self._open.pop((lane, index), None)
        if found is None:
            return None
        cell, due = found
        if endpoint is not None and cell.endpoint != endpoint:
            cell.total -= 1
            cell = self._cell(due, endpoint)
            cell.total += 1
        return cell, due

    # ------------------------------------------------------------ what became of them

    def tell(self, told: Told) -> None:
        """Settle a request; one that no arrival of the schedule stands for is left out."""
        if self._lanes[told.lane].rate:
            found = self._taken(told.lane, told.index, told.endpoint)
            if found is None:
                return
            cell = found[0]
        elif told.sent < self._closed:
            cell = self._cell(told.sent, told.endpoint)
            cell.total += 1
            self._released += 1
        else:
            return
        self.told += 1
        self.done += 1
        own = max(0.0, told.response - self._resolution - told.lag)
        self.recorder.settle(cell, told.response, told.lag, told.queue, told.kind, NEVER if told.kind else own)

    def drop(self, lane: int, index: int, kind: str) -> None:
        """An arrival that the program never sent: it failed, and stands at the time-out."""
        found = self._taken(lane, index, None)
        if found is not None:
            self.dropped += 1
            self.done += 1
            self.recorder.never_sent(found[0], 0.0, kind, hindered=True)

    def close(self, at: float) -> None:
        """Nothing is due from `at` on."""
        if at < self._closed:
            self.release(at)
            self._closed = at

    def drop_rest(self, kind: str) -> None:
        """Whatever is not settled yet was dropped."""
        self.release(math.inf)
        for lane, index in tuple(self._open):
            self.drop(lane, index, kind)

    def fail_rest(self, kind: str) -> None:
        """Whatever is not settled yet has failed, and the target held it back."""
        self.release(math.inf)
        for cell, _ in self._open.values():
            self.done += 1
            self.recorder.never_sent(cell, 0.0, kind)
        self._open.clear()

    def excuse_rest(self, kind: str) -> None:
        """Whatever is not settled yet was ended by ourselves: it counts against a pass, and not for a fail."""
        self.release(math.inf)
        for cell, due in self._open.values():
            self.done += 1
            self.recorder.settle(cell, max(0.0, self._closed - due), 0.0, 0.0, kind, 0.0)
        self._open.clear()

    # ------------------------------------------------------------ what is said of them

    def _unfinished(self) -> Iterator[Unfinished]:
        # Until we are told, it is our own fault that we do not know.
        return ((cell, due, math.inf) for cell, due in self._open.values())

    def report(self, elapsed: float) -> Report:
        """A look, as of `elapsed` seconds since the start."""
        self.release(elapsed)
        finished = self._turn(elapsed)
        return Report(
            elapsed=elapsed,
            sent=self._released - self.dropped,
            done=self.done,
            errors=self.errors,
            in_flight=len(self._open),
            finished=finished,
            counts=self.recorder.counted(elapsed, elapsed, self._unfinished()),
        )

    def _turn(self, elapsed: float) -> Finished | None:
        since, last = self._looks
        self._looks = (last, elapsed)
        finished = self.recorder.turn(since or 0.0)
        return None if since is None else finished

    def end(self, elapsed: float, cpu: float, cut: str) -> End:
        """The last word, when everything is settled.

        Args:
            elapsed: seconds since the start.
            cpu: seconds of processor time.
            cut: why it ended before its schedule although nobody stopped it; empty otherwise.
        """
        recorder = self.recorder
        finished = tuple(each for each in (self._turn(elapsed), self._turn(elapsed)) if each is not None)
        ended = min(self._closed, self._whole)
        judged = sum(max(0.0, min(end, ended) - start) for start, end in self._judged)
        return End(
            ended_at=ended,
            planned=self._whole,
            judged_for=judged,
            judged_took=judged,
            cpu=cpu,
            loading=cpu,
            busy=0.0,
            sent=self._released - self.dropped,
            done=self.done,
            errors=self.errors,
            cut=cut,
            exhausted=(),
            throttled=Throttled(),
            finished=finished,
            slowest=(),
            counts=recorder.everything(),
            endpoints=tuple(recorder.endpoint_end(index) for index in range(len(recorder.requests))),
        )
