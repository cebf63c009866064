"""The load of one attempt: a job per section, all begun at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Protocol

from gitslo.core.gather import Course
from gitslo.errors import Retry
from gitslo.model import Objective, Plan, Seconds
from gitslo.ports import LoadEngine, LoadJob, LoadResult, LoadSnapshot
from gitslo.run.order import AttemptOrder, address_of

__all__ = ["LoadWatcher", "job", "objectives_of", "run_load"]

_DRAIN = 5.0
"""Seconds that workers may take beyond the last request's time-out."""


class LoadWatcher(Protocol):
    """Who is told of every section's snapshots and end."""

    def at(self, load: str) -> Callable[[LoadSnapshot], bool]:
        """What the engine is given for one section: whether the load goes on after a snapshot of it."""

    def ended(self, load: str, result: LoadResult) -> None:
        """Take a section's last word."""

    def end(self) -> None:
        """Let every section end at its next snapshot."""


def job(order: AttemptOrder, each: Course, left: float | None) -> LoadJob:
    """What the engine is asked for one section.

    Args:
        order: of the attempt.
        each: the section with this attempt's stages.
        left: seconds until no request may be under way any more, or None.

    Raises:
        Retry: that is too soon.
    """
    section = each.section
    target = order.plan.targets[section.target]
    needed = each.duration + section.timeout + _DRAIN
    if left is not None and left < needed:
        # Beyond `left` another holder may load the target: better no evidence than two loads at once.
        raise Retry(f"{left:.0f} s are left of this attempt, and the load `{section.name}` takes {needed:.0f} s")
    return LoadJob(
        section=section,
        target=target,
        address=address_of(order, target),
        objectives=objectives_of(order.plan, section.name),
        judged=each.judged,
        seed=order.seed,
        workers=0,
        deadline=Seconds(needed),
        run_id=order.run_id,
        expires=order.deadline,
    )


def objectives_of(plan: Plan, load: str) -> tuple[Objective, ...]:
    """Those on one section."""
    return tuple(objective for objective in plan.objectives if objective.load == load)


def run_load(jobs: Sequence[LoadJob], engine: LoadEngine, watcher: LoadWatcher) -> None:
    """Run every job in a thread of its own; the first that raises ends the others.

    Raises:
        Retry, Refused: as the engine does.
    """
    if not jobs:
        return

    def carry_out(job: LoadJob) -> None:
        name = job.section.name
        try:
            watcher.ended(name, engine.run(job, watcher.at(name)))
        except Retry as error:
            where = f"the load `{name}` on `{job.target.name}` could not be carried out"
            raise Retry(f"{where}: {error}", error.delay) from error

    with ThreadPoolExecutor(len(jobs), thread_name_prefix="load") as pool:
        futures = [pool.submit(carry_out, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() and future.exception() is None for future in futures):
                watcher.end()
    for future in futures:
        future.result()
