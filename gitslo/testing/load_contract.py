"""What every LoadEngine must do, as checks that run on our own, on foreign programs and on the fake alike.

A test suite builds a `LoadWorld` around an engine and runs every check of `LOAD_CONTRACT` on a fresh one. A check
raises AssertionError where the engine breaks the contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from gitslo.model import Metric, Objective, Role
from gitslo.ports import LoadEngine, LoadJob, LoadResult, LoadSnapshot
from gitslo.testing.expectations import expect

__all__ = ["DELAY", "ERRORS", "LOAD_CONTRACT", "RATE", "SLOW", "STRICT", "TIMEOUT", "Behaviour", "LoadWorld"]

RATE = 60
"""Requests per second of every job."""
DELAY = 0.1
"""Seconds by which a slow target answers late."""
TIMEOUT = 1.0
"""Seconds, of every job."""

ERRORS = Objective("load.errors < 1%", "load", None, Metric.ERRORS, 0.01, None, Role.DECIDE)
STRICT = Objective("load.latency.p95 < 50ms", "load", None, Metric.LATENCY, DELAY / 2, 0.95, Role.DECIDE)
SLOW = Objective("load.latency.p95 < 800ms", "load", None, Metric.LATENCY, 8 * DELAY, 0.95, Role.DECIDE)

_LONG = 60.0
_DEADLINE = 4.0
_FIRST_LOOK = 0.9
_STOPS_WITHIN = 2.0
_ON_THE_EDGE = 2
"""Requests that may be due just as a load is stopped."""
_NOISE = 0.1
"""The share of requests that a busy machine may delay by as much as the limits."""


class Behaviour(StrEnum):
    """How the target of a job answers."""

    WELL = "well"
    SLOWLY = "slowly"
    """Everything, `DELAY` seconds late."""
    HALF = "half"
    """Every other request with an error."""
    NOT_AT_ALL = "not at all"
    """Nothing listens."""


class LoadWorld(Protocol):
    """An engine, and targets for it."""

    @property
    def bounded(self) -> bool:
        """Whether it takes real time, and so can run into a deadline."""

    def engine(self) -> LoadEngine:
        """The engine."""

    def job(self, behaviour: Behaviour, objectives: Sequence[Objective], seconds: float, deadline: float) -> LoadJob:
        """A load section `load` of one endpoint, `RATE` a second for `seconds`, all of it judged."""

    def left(self) -> Sequence[object]:
        """The processes of the engine that still are."""


def _true(holds: bool, said: object) -> None:
    if not holds:
        raise AssertionError(str(said))


def _run(world: LoadWorld, behaviour: Behaviour, *objectives: Objective, seconds: float = 2.0) -> LoadResult:
    return world.engine().run(world.job(behaviour, objectives, seconds, 30.0), lambda _: True)


def _sum(result: LoadResult, index: int, field: str) -> int:
    return sum(getattr(second, field) for second in result.counts[index].seconds)


def counts_add_up(world: LoadWorld) -> None:
    """Every arrival of the schedule is in the second in which it was due, and in the summary, once."""
    result = _run(world, Behaviour.WELL, ERRORS, STRICT)
    for index in range(2):
        expect([(s.at, s.total) for s in result.counts[index].seconds], [(0, RATE), (1, RATE)])
    expect(result.summaries[0].requests, 2 * RATE)
    expect((result.summaries[0].errors, _sum(result, 0, "bad")), ((), 0))
    expect(round(result.ended_at, 6), 2.0)
    expect(result.no_pass, ())


def seconds_are_shown_once_they_are_known(world: LoadWorld) -> None:
    """A snapshot holds second s from s + 1 + limit on; and what it shows of a total does not change any more."""
    seen: list[LoadSnapshot] = []
    job = world.job(Behaviour.WELL, (STRICT, ERRORS), 3.0, 30.0)

    def look(snapshot: LoadSnapshot) -> bool:
        seen.append(snapshot)
        return True

    result = world.engine().run(job, look)
    _true(bool(seen), "no snapshot")
    for index, mark in enumerate((STRICT.limit, TIMEOUT)):
        final = {second.at: second.total for second in result.counts[index].seconds}
        for snapshot in seen:
            shown = snapshot.counts[index].seconds
            expect([s.at for s in shown if s.at + 1 + mark > snapshot.elapsed + 1e-6], [])
            expect({s.at: s.total for s in shown}, {s.at: final[s.at] for s in shown})


def errors_are_counted(world: LoadWorld) -> None:
    """Half of the answers are errors: half of the requests are bad, under a kind that says why, and none is excused."""
    result = _run(world, Behaviour.HALF, ERRORS)
    expect((_sum(result, 0, "total"), _sum(result, 0, "bad"), _sum(result, 0, "late")), (2 * RATE, RATE, 0))
    expect(sum(number for _, number in result.summaries[0].errors), RATE)


def a_known_delay_is_measured(world: LoadWorld) -> None:
    """Every answer comes `DELAY` late: all of them break the limit below it, and hardly one the limit far above."""
    result = _run(world, Behaviour.SLOWLY, STRICT, SLOW)
    expect((_sum(result, 0, "total"), _sum(result, 0, "bad")), (2 * RATE, 2 * RATE))
    _true(_sum(result, 0, "late") <= _NOISE * 2 * RATE, f"excused: {_sum(result, 0, 'late')}")
    _true(_sum(result, 1, "bad") <= _NOISE * 2 * RATE, f"above the high limit: {_sum(result, 1, 'bad')}")
    middle = result.summaries[0].latency.p50
    _true(middle is not None and DELAY * 0.99 <= middle < 8 * DELAY, f"p50 is {middle}")


def it_stops_when_it_is_told(world: LoadWorld) -> None:
    """False ends the load within two seconds; what was due until then is in the counts, and nothing else."""
    told: list[float] = []

    def look(snapshot: LoadSnapshot) -> bool:
        told.append(time.monotonic())
        return snapshot.elapsed < 1.0

    result = world.engine().run(world.job(Behaviour.WELL, (ERRORS,), _LONG, 2 * _LONG), look)
    _true(time.monotonic() - told[-1] < _STOPS_WITHIN, f"it took {time.monotonic() - told[-1]:.1f} s")
    _true(_FIRST_LOOK <= result.ended_at < _LONG / 2, f"it ended at {result.ended_at}")
    total = _sum(result, 0, "total")
    _true(abs(total - RATE * result.ended_at) <= _ON_THE_EDGE, f"{total} requests in {result.ended_at:.3f} s")
    expect(result.summaries[0].requests, total)
    _true(_sum(result, 0, "bad") <= _NOISE * total, f"{_sum(result, 0, 'bad')} bad")


def it_ends_before_its_deadline(world: LoadWorld) -> None:
    """A schedule that is longer than the deadline is cut, says so, and is no evidence for a pass."""
    if not world.bounded:
        return
    began = time.monotonic()
    result = world.engine().run(world.job(Behaviour.WELL, (ERRORS,), _LONG, _DEADLINE), lambda _: True)
    _true(time.monotonic() - began < _DEADLINE + _STOPS_WITHIN, f"it took {time.monotonic() - began:.1f} s")
    _true(result.ended_at < _DEADLINE, f"it ended at {result.ended_at}")
    _true(any("deadline" in reason for reason in result.no_pass), result.no_pass)


def a_dead_target_fails_everything(world: LoadWorld) -> None:
    """Nothing listens: every request is counted, and every one has failed."""
    result = _run(world, Behaviour.NOT_AT_ALL, ERRORS)
    expect((_sum(result, 0, "total"), _sum(result, 0, "bad")), (2 * RATE, 2 * RATE))
    expect(sum(number for _, number in result.summaries[0].errors), 2 * RATE)


def nothing_is_left_running(world: LoadWorld) -> None:
    """Whatever ends a load, the end of its schedule or an exception of the caller's, no process outlives it."""
    _run(world, Behaviour.WELL, ERRORS, seconds=1.0)
    expect(list(world.left()), [])

    def look(_: LoadSnapshot) -> bool:
        raise KeyError("the caller's own")

    try:
        world.engine().run(world.job(Behaviour.WELL, (ERRORS,), _LONG, 2 * _LONG), look)
    except KeyError:
        expect(list(world.left()), [])
        return
    raise AssertionError("the caller's exception did not come through")


def figures_say_what_they_are_worth(world: LoadWorld) -> None:
    """Every summary carries the same declaration; what was dropped by the engine decides nothing."""
    result = _run(world, Behaviour.WELL, ERRORS)
    [fidelity] = {summary.fidelity for summary in result.summaries}
    _true(0.0 < fidelity.max_rel_error < 1.0, fidelity)
    expect(bool(fidelity.drops) and not (result.no_pass and result.no_fail), False)


LOAD_CONTRACT: tuple[Callable[[LoadWorld], None], ...] = (
    counts_add_up,
    seconds_are_shown_once_they_are_known,
    errors_are_counted,
    a_known_delay_is_measured,
    it_stops_when_it_is_told,
    it_ends_before_its_deadline,
    a_dead_target_fails_everything,
    nothing_is_left_running,
    figures_say_what_they_are_worth,
)
