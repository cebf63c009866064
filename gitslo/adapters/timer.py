"""Ticks by interval, on APScheduler. Built by the wiring; `serve` hangs its polls on it.

What must stay true: one call at a time per `every`, ticks missed while it ran are made up by one at most, and the wall
clock has no say: APScheduler plans on it, so a job store of ours moves the plan along when it jumps.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from gitslo.model import Seconds

__all__ = ["SteadyJobStore", "Timer"]

_JUMP = 1.0
"""Seconds of disagreement between the two clocks from which it counts as a jump; slewing stays far below."""


class Timer:
    """Calls functions by interval, each from a thread of a small pool.

    Attributes:
        threads: how many different calls can be under way at once; further ones wait for a free thread.
    """

    def __init__(self, on_error: Callable[[BaseException], None], threads: int = 10) -> None:
        """Start without anything to do.

        Args:
            on_error: told what a call raised; the next tick comes as if it had not.
            threads: see the class.
        """
        self.threads = threads
        self._on_error = on_error
        self._stopped = False
        self._lock = threading.Lock()
        # Its warnings ("maximum number of running instances reached") describe what is meant to happen here.
        logger = logging.getLogger("apscheduler")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": SteadyJobStore(time.monotonic)},
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._report, EVENT_JOB_ERROR)
        self._scheduler.start()

    def every(self, seconds: Seconds, jitter: Seconds, call: Callable[[], None]) -> None:
        """Call at once, and then `seconds` (plus 0 to `jitter`, drawn anew each time) after each planned tick.

        Raises:
            ValueError: the interval is not positive, the jitter negative.
        """
        if seconds <= 0 or jitter < 0:
            message = f"an interval must be positive and its jitter not negative, not {seconds} and {jitter}"
            raise ValueError(message)
        trigger = IntervalTrigger(seconds=seconds, jitter=jitter or None, timezone=UTC)
        self._scheduler.add_job(call, trigger, next_run_time=datetime.now(UTC))

    def stop(self, wait: bool) -> None:
        """No further tick; doing it twice equals once.

        Args:
            wait: return only when the calls under way have returned. Otherwise they end by themselves; the
                interpreter waits for them when it exits.
        """
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        self._scheduler.shutdown(wait=wait)

    def _report(self, event: JobExecutionEvent) -> None:
        self._on_error(event.exception)


class SteadyJobStore(MemoryJobStore):  # type: ignore[misc]  # the library has no types
    """Moves every planned tick by as much as the wall clock jumped, so that none is early, late or doubled.

    The scheduler sleeps on the monotonic clock and asks for due jobs on the wall clock, both pass through here.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: tuple[datetime, float] | None = None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """The jobs whose time has come by `now`, in order."""
        monotonic = self._monotonic()
        if self._seen is not None:
            wall_before, monotonic_before = self._seen
            jump = (now - wall_before).total_seconds() - (monotonic - monotonic_before)
            if abs(jump) >= _JUMP:
                for job in self.get_all_jobs():
                    self._move(job, timedelta(seconds=jump))
        self._seen = (now, monotonic)
        due: list[Job] = super().get_due_jobs(now)
        return due

    def _move(self, job: Job, by: timedelta) -> None:
        job.next_run_time += by
        self.update_job(job)
