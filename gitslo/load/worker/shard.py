"""One worker's run: releases its arrivals at their moments, watches over them, and reports. Called by `__main__`.

The pacer is one timer with an absolute deadline. Whenever it fires, every arrival that is due is released with its own
intended time; nothing is skipped and nothing is moved. Everything that is not a request (time-outs, histograms,
reports) is done in short ticks between them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from itertools import cycle

from gitslo.load.cgroup import Throttled, groups, throttled
from gitslo.load.connections.addresses import Addresses
from gitslo.load.connections.pool import Carrier, Pool
from gitslo.load.connections.sockets import Readiness
from gitslo.load.messages import Assignment, Authorize, End, Finished, Line, Report
from gitslo.load.record.recorder import Cell, Recorder
from gitslo.load.results.health import tolerated_lag
from gitslo.load.schedule import interleave, schedule_of
from gitslo.load.worker.dial import dialler, prepared, wires
from gitslo.load.worker.timer import DeadlineTimer

__all__ = ["Shard"]

TICK = 0.01
STALL = 0.005
"""Ticks later than this by more mean that the process stood still: uvloop's own timers are 1 ms."""
SLICE = 2048
"""Samples counted per tick and list: about 0.5 ms."""
VALUES = 512
"""Distinct values rounded per tick: about 0.2 ms."""
CHUNK = 1024
"""Arrivals computed at a time: about 0.1 ms."""
NAP = 0.0001
"""The shortest sleep between releases, in seconds: above 10,000 arrivals/s they go out in small groups, which costs a
third of the processor time and at most this much schedule lag."""
BRISK = 20_000.0
"""Arrivals/s of one worker above which it does not wake up for each answer, but looks for them whenever it releases:
waking up is most of what a request costs there. An answer is then seen at most NAP late."""
TURN = 0.002
"""Seconds for which it goes on so before the loop has its turn."""
MARGIN = 0.5
"""Seconds before the deadline by which everything must be settled, so that the result can still be written."""

clock = time.monotonic


class Shard:
    """The load of one worker.

    Attributes:
        finished: set when the last request is settled, or the load has been given up.
    """

    def __init__(self, assignment: Assignment, received: float, tell: Callable[[Line], None]) -> None:
        self.finished = asyncio.Event()
        self._a = assignment
        self._section = section = assignment.section
        self._tell = tell
        self._deadline = min(received + assignment.deadline, assignment.expires)
        self._sources = prepared(assignment)
        self._ready = Readiness(asyncio.get_running_loop())
        self._recorder = Recorder(wires(assignment, self._sources), assignment.limits, section.timeout)
        self.pool = self._pool()
        self._schedule = schedule_of(section.stages, section.arrivals, assignment.seed, assignment.count)
        pattern = interleave([request.weight for request in section.requests])
        count = len(pattern)
        # Our arrivals are shard, shard + shards, ...: their endpoints repeat with this period.
        self._order = cycle([pattern[(assignment.shard + k * assignment.shards) % count] for k in range(count)])
        self._edges = sorted({edge for stretch in assignment.judged for edge in stretch})
        self._left = math.inf if assignment.count is None else assignment.count
        self._due: list[float] = []
        self._chunks: Iterator[list[float]] = iter(())
        self._cells: list[Cell] = []
        self._window: tuple[float, float] | None = None
        self._judged_for = self._judged_took = 0.0
        self._stopped_at: float | None = None
        self._ended_at = 0.0
        self._cut = ""
        self._busy = 0.0
        self._throttled = Throttled()
        self._brisk = False
        self._released = 0
        self._second_end = -1.0
        self._feed_until = -math.inf
        self._looks: tuple[float | None, float] = (None, 0.0)

    def _pool(self) -> Pool:
        a, section = self._a, self._section
        expect = section.expect or range(200, 400)
        limits = [section.timeout if limit.above is None else limit.above for limit in a.limits]
        # Connections with an age are what a name that moves is for: they are looked up as often.
        addresses = Addresses((a.unix,) if a.unix else a.addresses, a.name, section.connection_age or 0.0)
        return Pool(
            self._recorder,
            addresses,
            dialler(a, self._sources, self._ready),
            self._sources,
            good=bytes(status in expect for status in range(1000)),
            connections=a.connections,
            streams=section.streams if a.target.multiplexed else 1,
            max_in_flight=a.max_in_flight,
            timeout=section.timeout,
            connect_timeout=min(section.timeout, section.connect_timeout or math.inf),
            age=section.connection_age,
            tolerance=tolerated_lag(limits),
        )

    # ------------------------------------------------------------ start and stop

    def start(self, at: float) -> None:
        """Begin: second 0 of the schedule is `at` on the monotonic clock."""
        self._t0 = at
        self._loop = asyncio.get_running_loop()
        self._timer = DeadlineTimer()
        self._cpu0 = time.process_time()
        self._groups = groups()
        self._throttled0 = throttled(self._groups)
        self._tick_due = clock() + TICK
        self._reports = 1
        self._last_release = self._deadline - self._section.timeout - MARGIN - at
        self._loop.call_later(TICK, self._tick)
        if self._a.closed:
            self._loop.call_later(max(0.0, at - clock()), self._start_closed)
        else:
            self._chunks = self._plan()
            self._loop.add_reader(self._timer.fd, self._release)
            self._release()

    def authorize(self, line: Authorize) -> None:
        """Use another Authorization from the next second on."""
        for source in self._sources:
            source.refresh(line.value)
        self._recorder.requests[:] = wires(self._a, self._sources)

    def stop(self, cut: str = "") -> None:
        """Release nothing more; what is under way is drained."""
        if self._stopped_at is not None:
            return
        now = clock() - self._t0
        if self._a.closed:
            self.pool.hungry = self.pool.starved = None
            self._ended_at = min(now, self._schedule.duration)
            self._judged_for = sum(max(0.0, min(b, self._ended_at) - a) for a, b in self._a.judged)
            self._judged_took = self._judged_for
        elif self._due:
            self._ended_at = max(0.0, min(now, self._due[-1] - self._t0))
        else:
            self._ended_at = self._schedule.duration
        self._close_window(now)
        self._stopped_at = now
        self._busy = (time.process_time() - self._cpu0) / max(now, 1e-3)
        self._throttled = throttled(self._groups).since(self._throttled0)
        self._cut = cut
        self._due = []
        self._chunks = iter(())
        self._timer.stop()
        self._ready.due = math.inf
        self._set_pace(brisk=False)

    # ------------------------------------------------------------ the open loop

    def _plan(self) -> Iterator[list[float]]:
        """Our arrivals in chunks of absolute times, latest first; `_cells` are theirs when a chunk is taken."""
        step, shard, t0 = self._a.shards, self._a.shard, self._t0
        for block in self._schedule.blocks(self._edges):
            window = next(((a, b) for a, b in self._a.judged if a <= block.start < b), None)
            self._enter(window)
            cells: list[Cell] | None = None
            first = block.first + (shard - block.first) % step
            while first < block.stop:
                stop = min(block.stop, first + CHUNK * step)
                times = [t0 + moment for moment in self._schedule.moments(first, stop, step)]
                times.reverse()
                if cells is None:
                    cells = self._cells = self._recorder.cells(block.second, window is not None)
                # Counted now: whoever takes the chunk empties it.
                first += len(times) * step
                yield times
        self._enter(None)

    def _release(self) -> None:
        """Release what is due, and set the timer for the next. At a brisk pace: for a turn, with naps in it."""
        began = clock()
        upcoming = self._release_due()
        until = began + TURN
        while self._brisk and upcoming:
            wake = began + NAP
            self._ready.due = wake
            self._ready.look()
            began = clock()
            if began < wake:
                # Shorter than a turn of the loop with its timer, of which there would be one for each group.
                time.sleep(wake - began)
                began = clock()
            if began > until:
                upcoming = began
                break
            upcoming = self._release_due()
        if upcoming:
            self._ready.due = wake = max(upcoming, began + NAP) if not self._brisk else began
            self._timer.arm(wake)

    def _release_due(self) -> float:
        """Release every arrival that is due, each with its own intended time; returns that of the next, 0 for none."""
        due, order, send, free = self._due, self._order, self.pool.send, self.pool.free
        cells = self._cells
        began = now = clock()
        while True:
            if not due:
                chunk = next(self._chunks, None)
                if chunk is None:
                    self.stop()
                    return 0.0
                due = self._due = chunk
                cells = self._cells
                now = clock()
                if now - began > TICK:
                    intended = due[-1]
                    break  # beyond what we can release, answers and ticks still have their turn
            intended = due[-1]
            if intended > now:
                now = clock()
                if intended > now:
                    break
            due.pop()
            cell = cells[next(order)]
            cell.total += 1
            if free:
                free.pop().transmit(cell, intended, now - intended)
            else:
                send(cell, intended, now - intended)
            now = clock()
        return intended

    def _set_pace(self, *, brisk: bool) -> None:
        """Whether answers are looked for at each release only."""
        if brisk != self._brisk:
            self._brisk = brisk
            self._ready.attend(not brisk)

    def _enter(self, window: tuple[float, float] | None) -> None:
        """The next arrivals lie in `window`, a judged stretch, or in none."""
        if window != self._window:
            self._close_window(clock() - self._t0)
            self._window = window

    def _close_window(self, now: float) -> None:
        """All arrivals of the judged stretch under way have been released, or we stop: how long did it really take?"""
        if self._window is not None:
            start, end = self._window
            reached = min(end, self._schedule.duration)
            if self._due:
                reached = max(start, min(reached, self._due[-1] - self._t0, now))
            self._judged_for += reached - start
            self._judged_took += max(now, reached) - start
            self._window = None

    # ------------------------------------------------------------ the closed loop

    def _start_closed(self) -> None:
        self.pool.hungry = self._feed if self._left == math.inf else self._feed_counted
        self.pool.starved = self._starve
        self.pool.feed_all()

    def _feed(self, connection: Carrier, now: float) -> None:
        if now >= self._feed_until:
            if now - self._t0 >= self._schedule.duration:
                self.stop()
                self.pool.idle(connection)
                return
            self._closed_second(now - self._t0)
        cell = self._cells[next(self._order)]
        cell.total += 1
        connection.transmit(cell, now, 0.0)

    def _feed_counted(self, connection: Carrier, now: float) -> None:
        """Like `_feed`, where there is a number of requests to send."""
        if not self._left:
            self.stop()
            self.pool.idle(connection)
            return
        self._left -= 1
        self._feed(connection, now)

    def _closed_second(self, elapsed: float) -> None:
        """Fresh cells, good until the next whole second or the next edge of a judged stretch."""
        elapsed = max(0.0, elapsed)
        judged = any(start <= elapsed < end for start, end in self._a.judged)
        self._cells = self._recorder.cells(int(elapsed), judged)
        edges = (edge for edge in self._edges if edge > elapsed)
        self._second_end = min(int(elapsed) + 1.0, self._schedule.duration, *edges)
        self._feed_until = self._t0 + self._second_end

    def _starve(self, kind: str, hindered: bool) -> None:
        elapsed = clock() - self._t0
        if elapsed >= self._second_end:
            self._closed_second(elapsed)
        if not self._left:
            self.stop()
            return
        self._left -= 1
        cell = self._cells[next(self._order)]
        cell.total += 1
        self._recorder.never_sent(cell, 0.0, kind, hindered=hindered)

    # ------------------------------------------------------------ ticks

    def _tick(self) -> None:
        if self.finished.is_set():
            return
        now = clock()
        if now - self._tick_due > STALL:
            self.pool.excuse(self._tick_due, now)
        self.pool.sweep(now)
        self._recorder.fold(SLICE, VALUES)
        self._watch(now - self._t0)
        if not self._a.closed and self._stopped_at is None:
            before, self._released = self._released, self._recorder.released
            # Where slots are short an answer is what the next arrival waits for: then each is worth waking up for.
            self._set_pace(brisk=self._released - before >= BRISK * TICK and not self.pool.pending)
        if now - self._t0 >= self._reports:
            self._report()
        if self._stopped_at is not None and not self.pool.in_flight:
            self.finished.set()
            return
        self._tick_due = clock() + TICK
        self._loop.call_later(TICK, self._tick)

    def _watch(self, elapsed: float) -> None:
        """Stop where a bound is reached."""
        if (
            self._stopped_at is None
            and self.pool.received + self.pool.sent + self._recorder.sent_bytes > self._a.max_bytes
        ):
            self.stop(f"the ceiling of {self._a.max_bytes * self._a.shards} bytes was reached")
            self.pool.close("cut off at the byte ceiling")
            return
        if self._stopped_at is not None:
            if elapsed > self._stopped_at + self._section.timeout + MARGIN or elapsed + MARGIN / 2 > self._last():
                self.pool.close("cut off at the deadline")
            return
        if elapsed >= self._last_release:
            self.stop("the deadline was near")
        elif self._a.closed:
            if elapsed >= self._schedule.duration:
                self.stop()
        elif elapsed >= self._schedule.duration + self._section.timeout:
            self.stop("the generator fell behind its schedule by more than the time-out")

    def _last(self) -> float:
        return self._deadline - self._t0

    def _report(self) -> None:
        now = clock()
        if not self._a.closed and self._stopped_at is None:
            self._release_due()
        elapsed = now - self._t0
        self._reports = int(elapsed) + 1
        recorder, pool = self._recorder, self.pool
        finished = self._turn(elapsed)
        sent, done = self._totals()
        self._tell(
            Report(
                elapsed=elapsed,
                sent=sent,
                done=done,
                errors=recorder.errors,
                in_flight=pool.in_flight,
                finished=finished,
                counts=recorder.counted(elapsed, now, pool.unfinished()),
            )
        )

    def _turn(self, elapsed: float) -> Finished | None:
        """What came to its end between the two looks before this one: counting lasts a second, and so does rounding."""
        since, last = self._looks
        self._looks = (last, elapsed)
        finished = self._recorder.turn(since or 0.0)
        return None if since is None else finished

    def _totals(self) -> tuple[int, int]:
        released = self._recorder.released
        return released - self._recorder.unsent_total - len(self.pool.pending), released - self.pool.in_flight

    # ------------------------------------------------------------ the end

    def end(self) -> End:
        """The result, once `finished` is set."""
        elapsed = clock() - self._t0
        finished = tuple(each for each in (self._turn(elapsed), self._turn(elapsed)) if each is not None)
        self._loop.remove_reader(self._timer.fd)
        self._timer.close()
        sent, done = self._totals()
        return End(
            ended_at=self._ended_at,
            planned=self._schedule.duration,
            judged_for=self._judged_for,
            judged_took=self._judged_took,
            cpu=time.process_time(),
            loading=time.process_time() - self._cpu0,
            busy=self._busy,
            sent=sent,
            done=done,
            errors=self._recorder.errors,
            cut=self._cut,
            exhausted=tuple(sorted(self.pool.exhausted)),
            throttled=self._throttled,
            finished=finished,
            slowest=self._sources[0].slowest.found(),
            counts=self._recorder.everything(),
            endpoints=tuple(self._recorder.endpoint_end(index) for index in range(len(self._section.requests))),
        )
