"""One attempt of a run through the ports: readiness -> load -> verdict.

Called by the loop and by `gitslo test`. The order of things is `attempt`; read it first. What must stay true:

* No request leaves before every host has been found in the operator's allow-list and every ceiling has been kept.
* Every section of the load begins at the same time, and their newest snapshots are judged together at every look.
* What ends an attempt is the first of: a finding fails, every deciding finding passes, the stages or `max_duration`
  end. What was decided then stays decided; the requests still under way only complete the evidence.
* An attempt that is cut off raises and so leaves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import assert_never

from gitslo.core.bounds import check_allowed, check_ceilings
from gitslo.core.figures import duration as said_duration
from gitslo.core.gather import Course, course, judged_until, slimmed, tallies, watermark, whole_seconds
from gitslo.core.judge import Judgement, judge
from gitslo.errors import Retry
from gitslo.model import (
    Allowed,
    AttemptEvidence,
    Ceilings,
    Evidence,
    Finding,
    GrpcHealthReadiness,
    HttpReadiness,
    Objective,
    Phase,
    Plan,
    Readiness,
    Role,
    Seconds,
    Tally,
    Target,
    TcpReadiness,
    Verdict,
)
from gitslo.ports import Address, Clock, LoadEngine, LoadJob, LoadResult, LoadSnapshot, ReadinessProbe

__all__ = ["AttemptOrder", "AttemptOutcome", "CutOff", "Stop", "Tell", "attempt"]

Stop = Callable[[], str | None]
"""Asked at every look: a reason to end at once, or None."""
Tell = Callable[[str, Mapping[str, str | int | float | bool | None]], None]
"""Told a line for people (may be empty) and typed facts, about once a second."""

_LOOK_TIMEOUT = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_DRAIN = 5.0
"""Seconds that workers may take beyond the last request's time-out."""


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """What one attempt is asked to do.

    Attributes:
        plan: whole.
        number: 1-based within the run.
        earlier: the evidence that this attempt continues.
        extension: 0, or how often the run was extended: then only the last hold is repeated.
        addresses: `host:port` as the plan writes it -> where it listens; names that are missing are resolved.
        allowed, ceilings: the operator's bounds.
        run_id: in the User-Agent of every request.
        seed: of everything random.
        not_rolled_out: why what was applied does not roll out; then nothing is asked and the subject fails.
        deadline: on the clock's monotonic seconds, when no request may be under way any more: counted from the claim,
            because a process can be stopped between its claim and its load. None where nobody takes over.
    """

    plan: Plan
    number: int
    earlier: Evidence
    extension: int
    addresses: Mapping[str, Address]
    allowed: Allowed
    ceilings: Ceilings
    run_id: str
    seed: int
    not_rolled_out: str | None = None
    deadline: Seconds | None = None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: its evidence, to be kept with `earlier`, and what all of it together means."""

    evidence: AttemptEvidence
    verdict: Verdict
    findings: tuple[Finding, ...]


class CutOff(Exception):
    """The caller asked to stop, or the subject is gone: the attempt leaves no evidence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def attempt(
    order: AttemptOrder,
    *,
    clock: Clock,
    readiness: ReadinessProbe,
    engine: LoadEngine,
    stop: Stop,
    tell: Tell,
) -> AttemptOutcome:
    """Carry out one attempt.

    Raises:
        Refused: a host is not allowed, a ceiling is exceeded, or the plan asks for what this version does not have.
        Retry: the load could not be carried out; no evidence.
        CutOff: `stop` gave a reason; no evidence.
    """
    plan = order.plan
    courses = tuple(course(section, plan.judge, order.extension) for section in plan.load)
    check_allowed(plan, order.allowed)
    check_ceilings(courses, order.ceilings)
    start = clock.now()
    reason = order.not_rolled_out or _not_ready(order, clock, readiness, stop, tell)
    if reason is not None:
        evidence = AttemptEvidence(order.number, start.wall, not_ready=reason)
        return _outcome(evidence, judge(plan, order.earlier, evidence, final=True))
    looks = _Looks(order, courses, clock.now().wall, stop, tell)
    left = None if order.deadline is None else order.deadline - clock.now().monotonic
    _load([_job(order, each, left) for each in courses], engine, looks)
    if looks.cut_off is not None:
        raise CutOff(looks.cut_off)
    evidence = looks.evidence()
    return _outcome(evidence, judge(plan, order.earlier, evidence, final=True, latched=looks.latched))


def _outcome(evidence: AttemptEvidence, judgement: Judgement) -> AttemptOutcome:
    assert judgement.verdict is not None  # noqa: S101 - a final judgement has one
    return AttemptOutcome(evidence, judgement.verdict, judgement.findings)


# --------------------------------------------------------------------------- readiness


def _address(order: AttemptOrder, target: Target) -> Address:
    if target.resolve is not None:
        return target.resolve
    return order.addresses.get(f"{target.host}:{target.port}", (target.host, target.port))


def _not_ready(order: AttemptOrder, clock: Clock, probe: ReadinessProbe, stop: Stop, tell: Tell) -> str | None:
    """Look at every check until it holds or its time is over; the reason why one does not hold, or None.

    The time of each check begins with the attempt. A check that has held is not asked again.
    """
    start = clock.now().monotonic
    waiting = list(order.plan.readiness)
    pause, said = _FIRST_PAUSE, ""
    while waiting:
        for check in tuple(waiting):
            cut = stop()
            if cut is not None:
                raise CutOff(cut)
            left = check.within - (clock.now().monotonic - start)
            target = order.plan.targets[check.target]
            timeout = Seconds(min(_LOOK_TIMEOUT, max(_FIRST_PAUSE, left)))
            look = probe.look(check, target, _address(order, target), timeout)
            elapsed = clock.now().monotonic - start
            if look.ready:
                waiting.remove(check)
            elif elapsed >= check.within:
                return f"{_named(check)} was not ready within {said_duration(check.within)}: {look.reason}"
            elif look.reason != said:
                said = look.reason
                tell(f"{_named(check)} is not ready yet: {said}", {"elapsed": elapsed})
        if waiting:
            longest = min(check.within for check in waiting) - (clock.now().monotonic - start)
            clock.sleep(Seconds(max(0.0, min(pause, longest))))
            pause = min(_LONGEST_PAUSE, pause * 1.5)
    return None


def _named(check: Readiness) -> str:
    match check:
        case HttpReadiness():
            return f"`{check.target}` ({check.path})"
        case GrpcHealthReadiness():
            return f"`{check.target}` (gRPC health{' of ' + check.service if check.service else ''})"
        case TcpReadiness():
            return f"`{check.target}` (TCP)"
        case _:
            assert_never(check)


# --------------------------------------------------------------------------- load


def _job(order: AttemptOrder, each: Course, left: float | None) -> LoadJob:
    section = each.section
    target = order.plan.targets[section.target]
    needed = each.duration + section.timeout + _DRAIN
    if left is not None and left < needed:
        # Beyond `left` another holder may load the target: better no evidence than two loads at once.
        raise Retry(f"{left:.0f} s are left of this attempt, and the load `{section.name}` takes {needed:.0f} s")
    return LoadJob(
        section=section,
        target=target,
        address=_address(order, target),
        objectives=_objectives(order.plan, section.name),
        judged=each.judged,
        seed=order.seed,
        workers=0,
        deadline=Seconds(needed),
        run_id=order.run_id,
        expires=order.deadline,
    )


def _objectives(plan: Plan, load: str) -> tuple[Objective, ...]:
    return tuple(objective for objective in plan.objectives if objective.load == load)


def _load(jobs: Sequence[LoadJob], engine: LoadEngine, looks: _Looks) -> None:
    """Run every job in a thread of its own; the first that raises ends the others."""
    if not jobs:
        return

    def carry_out(job: LoadJob) -> None:
        name = job.section.name
        try:
            looks.ended(name, engine.run(job, looks.at(name)))
        except Retry as error:
            where = f"the load `{name}` on `{job.target.name}` could not be carried out"
            raise Retry(f"{where}: {error}", error.delay) from error

    with ThreadPoolExecutor(len(jobs), thread_name_prefix="load") as pool:
        futures = [pool.submit(carry_out, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() and future.exception() is None for future in futures):
                looks.end()
    for future in futures:
        future.result()


@dataclass(slots=True)
class _Looks:
    """The newest snapshot of every section, and what the last look at all of them said.

    Attributes:
        latched: the findings of the look that ended the load, empty where none did.
        cut_off: why the attempt ends without evidence, or None.
    """

    order: AttemptOrder
    courses: Sequence[Course]
    started: float
    stop: Stop
    tell: Tell
    latched: tuple[Finding, ...] = ()
    cut_off: str | None = None
    _over: bool = False
    _newest: dict[str, LoadSnapshot] = field(default_factory=dict)
    _results: dict[str, LoadResult] = field(default_factory=dict)
    _before: tuple[float, int] = (0.0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, load: str) -> Callable[[LoadSnapshot], bool]:
        """What the engine is given for one section: whether the load goes on after a snapshot of it."""

        def look(snapshot: LoadSnapshot) -> bool:
            with self._lock:
                return self._look(load, snapshot)

        return look

    def end(self) -> None:
        """Let every section end at its next snapshot."""
        self._over = True

    def ended(self, load: str, result: LoadResult) -> None:
        """Take a section's last word."""
        with self._lock:
            self._results[load] = result

    def _look(self, load: str, snapshot: LoadSnapshot) -> bool:
        if self._over:
            return False
        self._newest[load] = snapshot
        self._say()
        self.cut_off = self.stop()
        if self.cut_off is None:
            seen = judge(self.order.plan, self.order.earlier, self.evidence(), final=False)
            if seen.verdict is None:
                return True
            self.latched = seen.findings
        self._over = True
        return False

    def _say(self) -> None:
        newest = self._newest.values()
        elapsed, sent = max(each.elapsed for each in newest), sum(each.sent for each in newest)
        then, before = self._before
        rate = (sent - before) / (elapsed - then) if elapsed > then else None
        if elapsed > then:
            self._before = (elapsed, sent)
        errors = sum(each.errors for each in newest)
        self.tell(
            f"{elapsed:.0f} s: {sent} sent, {errors} errors",
            {
                "elapsed": elapsed,
                "sent": sent,
                "errors": errors,
                "in_flight": sum(each.in_flight for each in newest),
                "rate": rate,
                "p50": max((each.p50 for each in newest if each.p50 is not None), default=None),
                "p99": max((each.p99 for each in newest if each.p99 is not None), default=None),
            },
        )

    def evidence(self) -> AttemptEvidence:
        """Everything known: of sections that have ended all of it, of others what every watermark has passed."""
        found: list[Tally] = []
        judged: list[float] = []
        for each in self.courses:
            name = each.section.name
            objectives = _objectives(self.order.plan, name)
            result, snapshot = self._results.get(name), self._newest.get(name)
            until = 0.0
            if result is not None:
                found += tallies(each, result.counts)
                until = result.ended_at
            elif snapshot is not None:
                found += tallies(each, snapshot.counts)
                until = whole_seconds(snapshot.elapsed - watermark(each.section, objectives))
            if any(objective.role is Role.DECIDE for objective in objectives):
                judged.append(judged_until(each, until))
        ended = [self._results[each.section.name] for each in self.courses if each.section.name in self._results]
        return AttemptEvidence(
            attempt=self.order.number,
            started=self.started,
            # The phase has been judged for as long as the deciding section that was judged least.
            judged_seconds=((Phase.STEADY, Seconds(min(judged))),) if judged else (),
            tallies=tuple(found),
            loads=slimmed([summary for result in ended for summary in result.summaries]),
            no_fail=tuple(dict.fromkeys(reason for result in ended for reason in result.no_fail)),
            no_pass=tuple(dict.fromkeys(reason for result in ended for reason in result.no_pass)),
        )
