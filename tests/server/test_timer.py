from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from gitslo.adapters.timer import SteadyJobStore, Timer
from gitslo.model import Seconds

PATIENCE = 10.0


@pytest.fixture
def errors() -> list[BaseException]:
    return []


@pytest.fixture
def timer(errors: list[BaseException]) -> Iterator[Timer]:
    timer = Timer(errors.append)
    yield timer
    timer.stop(wait=True)


def test_the_first_tick_comes_at_once_and_others_follow(timer: Timer) -> None:
    """A call comes at once, and again by interval."""
    ticks = threading.Semaphore(0)
    timer.every(Seconds(0.01), Seconds(0.01), ticks.release)

    assert [True] * 3 == [ticks.acquire(timeout=PATIENCE) for _ in range(3)]


def test_one_call_at_a_time_and_missed_ticks_are_not_made_up(timer: Timer) -> None:
    """While a call runs its ticks are dropped; when it has returned, ticks go on one by one."""
    entered, leave, beside = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
    most, now = [0], [0]

    def call() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        entered.release()
        leave.wait(PATIENCE)
        now[0] -= 1

    timer.every(Seconds(0.01), Seconds(0), call)
    assert entered.acquire(timeout=PATIENCE)
    timer.every(Seconds(0.01), Seconds(0), beside.release)
    for _ in range(5):
        assert beside.acquire(timeout=PATIENCE)
    piled_up = entered.acquire(blocking=False)
    leave.set()
    assert entered.acquire(timeout=PATIENCE)

    assert (False, 1) == (piled_up, most[0])


def test_an_error_is_told_and_the_next_tick_comes(timer: Timer, errors: list[BaseException]) -> None:
    """What a call raises goes to `on_error`, and does not end its ticks."""
    ticks = threading.Semaphore(0)

    def call() -> None:
        ticks.release()
        raise LookupError("gone")

    timer.every(Seconds(0.01), Seconds(0), call)
    for _ in range(3):
        assert ticks.acquire(timeout=PATIENCE)
    timer.stop(wait=True)

    assert {LookupError} == {type(error) for error in errors}
    assert len(errors) >= 2


def test_stop_waits_for_the_call_under_way(timer: Timer) -> None:
    """`stop(wait=True)` returns when the call under way has, and no further one comes."""
    entered, leave, done = threading.Event(), threading.Event(), []

    def call() -> None:
        entered.set()
        leave.wait(PATIENCE)
        done.append(True)

    timer.every(Seconds(0.01), Seconds(0), call)
    assert entered.wait(PATIENCE)
    stopping = threading.Thread(target=timer.stop, args=(True,))
    stopping.start()
    leave.set()
    stopping.join(PATIENCE)
    timer.stop(wait=True)

    assert [True] == done


@pytest.mark.parametrize(("seconds", "jitter"), [(0.0, 0.0), (-1.0, 0.0), (1.0, -0.5)])
def test_an_interval_must_make_sense(timer: Timer, seconds: float, jitter: float) -> None:
    """Intervals are positive, jitter is not negative."""
    with pytest.raises(ValueError, match="interval must be positive"):
        timer.every(Seconds(seconds), Seconds(jitter), print)


@pytest.mark.parametrize("jump", [-86400, -3600, 3600, 86400])
def test_a_jump_of_the_wall_clock_moves_no_tick(jump: int) -> None:
    """After the wall clock jumped a tick is due exactly when the monotonic clock says so, neither early nor late."""
    monotonic = [1000.0]
    store = SteadyJobStore(lambda: monotonic[0])
    wall = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    # Not started: it only gives the job its defaults.
    scheduler = BackgroundScheduler(timezone=UTC, jobstores={"default": store})
    job = scheduler.add_job(print, "interval", seconds=60, next_run_time=wall + timedelta(seconds=60))
    store.add_job(job)
    store.get_due_jobs(wall)

    due = []
    for elapsed in (30, 59, 60):
        monotonic[0] = 1000.0 + elapsed
        due.append(len(store.get_due_jobs(wall + timedelta(seconds=elapsed + jump))))

    assert [0, 0, 1] == due
