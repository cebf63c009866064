"""The load of one attempt: a job per section and target, all begun at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Protocol

from gitslo.core.baselines import counted, targets_of
from gitslo.core.gather import Course
from gitslo.errors import Retry
from gitslo.model import Baseline, BaselineForm, Objective, Plan, Seconds
from gitslo.ports import LoadEngine, LoadJob, LoadResult, LoadSnapshot
from gitslo.run.order import AttemptOrder, address_of

__all__ = ["LoadKey", "LoadWatcher", "jobs_of", "objectives_of", "relative_to", "run_load"]

_DRAIN = 5.0
"""Seconds that workers may take beyond the last request's time-out."""


LoadKey = tuple[str, str]
"""A section's name, and the target it is sent to: its own, or one that it is compared with."""


class LoadWatcher(Protocol):
    """Who is told of every section's snapshots and end."""

    def at(self, load: LoadKey) -> Callable[[LoadSnapshot], bool]:
        """What the engine is given for one section: whether the load goes on after a snapshot of it."""

    def ended(self, load: LoadKey, result: LoadResult) -> None:
        """Take a section's last word."""

    def end(self) -> None:
        """Let every section end at its next snapshot."""


def jobs_of(order: AttemptOrder, courses: Sequence[Course], left: float | None) -> tuple[LoadJob, ...]:
    """What the engine is asked: each section, and the same for each target that it is compared with.

    Args:
        order: of the attempt.
        courses: the sections with this attempt's stages.
        left: seconds until no request may be under way any more, or None.

    Raises:
        Retry: that is too soon.
    """
    return tuple(
        _job(order, each, target, left)
        for each in courses
        for target in (each.section.target, *targets_of(order.plan, each.section.name))
    )


def _job(order: AttemptOrder, each: Course, name: str, left: float | None) -> LoadJob:
    section = each.section if name == each.section.target else replace(each.section, target=name)
    target = order.plan.targets[name]
    needed = each.duration + section.timeout + _DRAIN
    if left is not None and left < needed:
        # Beyond `left` another holder may load the target: better no evidence than two loads at once.
        raise Retry(f"{left:.0f} s are left of this attempt, and the load `{section.name}` takes {needed:.0f} s")
    own = name == each.section.target
    return LoadJob(
        section=section,
        target=target,
        address=address_of(order, target),
        objectives=objectives_of(order.plan, section.name) if own else relative_to(order.plan, section.name, name),
        judged=each.judged,
        seed=order.seed,
        workers=0,
        deadline=Seconds(needed),
        run_id=order.run_id,
        expires=order.deadline,
    )


def objectives_of(plan: Plan, load: str) -> tuple[Objective, ...]:
    """Those on one section, as an engine counts them."""
    return tuple(counted(objective) for objective in plan.objectives if objective.load == load)


def relative_to(plan: Plan, load: str, target: str) -> tuple[Objective, ...]:
    """Those on one section that are relative to another target, as an engine counts them there."""
    other = Baseline(BaselineForm.TARGET, target)
    return tuple(counted(each) for each in plan.objectives if each.load == load and each.baseline == other)


def run_load(jobs: Sequence[LoadJob], engine: LoadEngine, watcher: LoadWatcher) -> None:
    """Run every job in a thread of its own; the first that raises ends the others.

    Raises:
        Retry, Refused: as the engine does.
    """
    if not jobs:
        return

    def carry_out(job: LoadJob) -> None:
        name, key = job.section.name, (job.section.name, job.target.name)
        try:
            watcher.ended(key, engine.run(job, watcher.at(key)))
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
