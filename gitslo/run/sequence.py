"""The order of things in one attempt: readiness, load and metrics together, the last windows, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitslo.core.bounds import check_allowed, check_ceilings
from gitslo.core.gather import course
from gitslo.core.judge import Judge, Judgement
from gitslo.core.windows import LONGEST_ANSWER, Watch, alone, longest, longest_wait
from gitslo.errors import Retry
from gitslo.model import AttemptEvidence, Seconds
from gitslo.ports import Clock, LoadEngine, MetricSource, ReadinessProbe
from gitslo.run.burns import ask_burns
from gitslo.run.collect import Collector, watches
from gitslo.run.loading import jobs_of, run_load
from gitslo.run.looks import Looks
from gitslo.run.order import AttemptOrder, AttemptOutcome, Stop, Tell
from gitslo.run.readiness import not_ready

__all__ = ["attempt"]

_PACE = Seconds(1.0)
"""Between two looks at metrics without load."""

_ANSWER = 0.2
"""Seconds of such a look in which an answer that is under way may still come."""


def attempt(
    order: AttemptOrder,
    *,
    clock: Clock,
    readiness: ReadinessProbe,
    engine: LoadEngine,
    sources: Mapping[str, MetricSource] | None = None,
    stop: Stop,
    tell: Tell,
) -> AttemptOutcome:
    """Carry out one attempt.

    Args:
        order: what is asked.
        clock: of everything that is waited for.
        readiness, engine: what readiness and load are given to.
        sources: what the plan's metrics may be asked of, by the operator's names.
        stop: asked at every look.
        tell: told of the progress.

    Raises:
        Refused: a host or a source is not allowed, a ceiling is exceeded, a source can never answer what it is asked,
            or the plan asks for what this version does not have.
        Retry: the load could not be carried out; no evidence.
        CutOff: `stop` gave a reason; no evidence.
    """
    plan, given = order.plan, sources or {}
    courses = tuple(course(section, plan.judge, order.extension) for section in plan.load)
    check_allowed(plan, order.allowed)
    check_ceilings(plan, courses, order.ceilings)
    watched = watches(plan, given)
    judge = Judge(plan, order.earlier, order.scores)
    start = clock.now()
    reason = order.not_rolled_out or not_ready(order, clock, readiness, stop, tell)
    if reason is not None:
        evidence = AttemptEvidence(order.number, start.wall, not_ready=reason)
        return _outcome(evidence, judge.look(evidence, final=True))
    collector = Collector(plan, watched, given, order.variables)
    looks = Looks(order, courses, clock.now().wall, clock, stop, tell, collector, judge)
    try:
        left = None if order.deadline is None else order.deadline - clock.now().monotonic
        if courses:
            run_load(jobs_of(order, courses, left), engine, looks)
            looks.raise_what_ended()
        elif watched:
            _alone(order, watched, left, looks)
        if not looks.latched and watched:
            _last_windows(watched, looks)
        looks.burns = ask_burns(plan, given, order.variables, clock.now().wall)
        return _outcome(*looks.conclude())
    finally:
        collector.close()


def _outcome(evidence: AttemptEvidence, judgement: Judgement) -> AttemptOutcome:
    assert judgement.verdict is not None  # noqa: S101 - a final judgement has one
    return AttemptOutcome(evidence, judgement.verdict, judgement.findings)


# --------------------------------------------------------------------------- metrics


def _alone(order: AttemptOrder, watched: Sequence[Watch], left: float | None, looks: Looks) -> None:
    """Look at the metrics at a steady pace until something is decided or everything has been judged."""
    stretches = alone(watched, order.plan.judge.max_duration)
    end = stretches[-1][1]
    needed = longest(order.plan, watched)
    if left is not None and left < needed:
        raise Retry(f"{left:.0f} s are left of this attempt, and its metrics take {needed:.0f} s")
    zero = looks.clock.now()
    looks.collector.begin(zero, stretches)
    while _look(looks) and looks.collector.elapsed(looks.clock.now()) < end:
        looks.clock.sleep(_PACE)


def _last_windows(watched: Sequence[Watch], looks: Looks) -> None:
    """Wait for what is still to be known of windows that have ended, for as long as the sources need."""
    began = looks.clock.now().monotonic
    latest = began + longest_wait(watched)
    while not looks.collector.over and _look(looks):
        now = looks.clock.now().monotonic
        if now >= latest:
            looks.collector.last_answers()
            if not looks.collector.answering or now >= latest + LONGEST_ANSWER:
                break
        looks.clock.sleep(_PACE)
    if not looks.latched:
        looks.collector.missing()


def _look(looks: Looks) -> bool:
    """One look without load; whether nothing has been decided yet."""
    going = looks.look()
    looks.collector.settle(_ANSWER)
    known = looks.collector.said()
    elapsed = looks.collector.elapsed(looks.clock.now())
    text = ", ".join(f"{count} of `{name}`" for name, count in known)
    looks.tell(
        f"{elapsed:.0f} s: windows known: {text}",
        {"elapsed": elapsed, "windows": min((count for _, count in known), default=0)},
    )
    return going
