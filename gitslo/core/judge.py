"""The decision frame: counts of all attempts of a subject -> findings -> verdict.

Called by `gitslo.run` at every look and at an attempt's end. Pure. `docs/explanation` has the reasoning; in short, for
every deciding (objective, phase) two e-processes run on the same counts:

* **fail** as soon as one finding's log E_fail reaches log(m / alpha), m the number of deciding (objective, phase)
  pairs of the plan: a fail is a union. It latches, and dominates every pass.
* **pass** only if at one and the same look the present log E_pass of every deciding finding reaches log(1 / beta), and
  the phase has been judged for `min_duration`. Never a running maximum: a pass is an intersection.
* neither at the attempt's end: inconclusive, with the reason.

What must stay true:

* Missing data never passes: an objective without a counted request has no e-value.
* Requests that only our own lag made bad count for the pass's test and not for the fail's.
* An attempt whose numbers must not decide a direction (`no_fail`, `no_pass`) still counts against that direction: only
  its good requests enter a fail's test, only its bad ones a pass's, and its seconds do not count for `min_duration`.
  So evidence with a faulty attempt in it can be extended, and never becomes more favourable by the fault.
* `judged_seconds` of all attempts of the evidence are added up for `min_duration`: an extension continues the
  evidence, so it continues its duration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gitslo.core.figures import count, duration, share
from gitslo.core.stats import clean_requests_to_pass, log_e_fail, log_e_pass
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    Finding,
    Metric,
    Objective,
    Phase,
    Plan,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["READINESS", "Judgement", "judge", "verdict_of"]

READINESS = "readiness"
"""What the finding of a subject that never became ready is about."""

_PHASES = (Phase.STEADY,)
"""The phases of this version's plans."""

_LARGEST_LOG = 1e9
"""Stands for infinity, which no record can hold."""

_QUANTILES = {0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p999"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look means.

    Attributes:
        verdict: None: go on loading.
        findings: one per (objective, phase) in the plan's order, those that decide nothing included.
    """

    verdict: Verdict | None
    findings: tuple[Finding, ...]


def judge(
    plan: Plan,
    earlier: Evidence,
    current: AttemptEvidence,
    *,
    final: bool,
    latched: tuple[Finding, ...] = (),
) -> Judgement:
    """Judge everything that is known of a subject.

    Args:
        plan: limits and how sure a verdict must be.
        earlier: the judged attempts before this one.
        current: this attempt as far as it has come.
        final: it has ended: the verdict is never None.
        latched: the findings of the look that ended it, if one did. Its fail or pass stays, whatever the requests
            said that were still under way then; only a health gate that closed meanwhile, or for a pass a fail, undoes
            it.
    """
    if current.not_ready is not None:
        return Judgement(Verdict.FAIL, (_readiness(current),))
    attempts = (*earlier.attempts, current)
    needs = _needs(plan)
    findings = tuple(
        _finding(plan, objective, phase, attempts, needs, final=final)
        for objective in plan.objectives
        for phase in _PHASES
    )
    if latched:
        findings = _with_latched(findings, latched, current)
    verdict = _verdict([finding for finding in findings if finding.decides])
    if final and verdict is Verdict.FAIL:
        findings = tuple(_beside_a_fail(finding) for finding in findings)
    return Judgement(verdict or (Verdict.INCONCLUSIVE if final else None), findings)


def verdict_of(bad: int, total: int, limit: float, *, need_fail: float, need_pass: float) -> Verdict:
    """What the counts of one objective mean alone; the needs are logarithms of e-values."""
    if total == 0:
        return Verdict.INCONCLUSIVE
    if log_e_fail(bad, total, limit) >= need_fail:
        return Verdict.FAIL
    return Verdict.PASS if log_e_pass(bad, total, limit) >= need_pass else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class _Needs:
    fail: float
    succeed: float


def _needs(plan: Plan) -> _Needs:
    deciding = sum(1 for objective in plan.objectives if objective.role is Role.DECIDE) * len(_PHASES)
    policy = plan.judge
    return _Needs(math.log(max(1, deciding) / policy.false_fail), math.log(1.0 / policy.false_pass))


def _verdict(deciding: Sequence[Finding]) -> Verdict | None:
    if any(finding.verdict is Verdict.FAIL for finding in deciding):
        return Verdict.FAIL
    if deciding and all(finding.verdict is Verdict.PASS for finding in deciding):
        return Verdict.PASS
    return None


def _beside_a_fail(finding: Finding) -> Finding:
    undecided = finding.decides and finding.verdict is Verdict.INCONCLUSIVE
    return replace(finding, reason="not decided when the load ended at a fail") if undecided else finding


def _readiness(current: AttemptEvidence) -> Finding:
    return Finding(
        objective=READINESS,
        phase=Phase.STEADY,
        verdict=Verdict.FAIL,
        decides=True,
        measured=None,
        limit=None,
        total=0,
        bad=0,
        late=0,
        log_e_fail=None,
        log_e_pass=None,
        need_fail=None,
        need_pass=None,
        decided_at=None,
        attempt=current.attempt,
        reason=current.not_ready or "",
    )


# --------------------------------------------------------------------------- one finding


@dataclass(frozen=True, slots=True)
class _Counts:
    """Bad and counted requests of one test."""

    bad: int = 0
    total: int = 0

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(self.bad + other.bad, self.total + other.total)


@dataclass(frozen=True, slots=True)
class _Sums:
    """The counts of one (objective, phase) over all attempts.

    Attributes:
        shown: every request, as the finding says it.
        late: of the bad ones.
        fail, succeed: what each direction's test may see.
        open_fail: what a fail's test would see if no gate had closed (a pass's would see `shown`).
        judged: seconds that count for `min_duration`.
    """

    shown: _Counts
    late: int
    fail: _Counts
    succeed: _Counts
    open_fail: _Counts
    judged: float


def _sums(objective: Objective, phase: Phase, attempts: Sequence[AttemptEvidence]) -> _Sums:
    shown = fail = succeed = open_fail = _Counts()
    late, judged = 0, 0.0
    for attempt in attempts:
        for tally in attempt.tallies:
            if tally.objective != objective.text or tally.phase is not phase:
                continue
            total, bad, own = tally.total, tally.bad, tally.late
            shown += _Counts(bad, total)
            late += own
            open_fail += _Counts(bad - own, total)
            fail += _Counts(0, total - (bad - own)) if attempt.no_fail else _Counts(bad - own, total)
            succeed += _Counts(bad, bad) if attempt.no_pass else _Counts(bad, total)
        if not attempt.no_pass:
            judged += _judged(attempt, phase)
    return _Sums(shown, late, fail, succeed, open_fail, judged)


def _judged(attempt: AttemptEvidence, phase: Phase) -> float:
    return sum(seconds for judged, seconds in attempt.judged_seconds if judged is phase)


def _finding(
    plan: Plan,
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    needs: _Needs,
    *,
    final: bool,
) -> Finding:
    current = attempts[-1]
    sums = _sums(objective, phase, attempts)
    tested = sums.shown.total > 0
    against = _log(log_e_fail, sums.fail, objective) if tested else None
    towards = _log(log_e_pass, sums.succeed, objective) if tested else None
    long_enough = sums.judged >= plan.judge.min_duration
    verdict = Verdict.INCONCLUSIVE
    if against is not None and against >= needs.fail:
        verdict = Verdict.FAIL
    elif towards is not None and towards >= needs.succeed and long_enough:
        verdict = Verdict.PASS
    undecided = verdict is Verdict.INCONCLUSIVE
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict,
        decides=objective.role is Role.DECIDE,
        measured=_measured(objective, sums, attempts),
        limit=objective.limit,
        total=sums.shown.total,
        bad=sums.shown.bad,
        late=sums.late,
        log_e_fail=against,
        log_e_pass=towards,
        need_fail=needs.fail,
        need_pass=needs.succeed,
        decided_at=None if undecided else Seconds(_judged(current, phase)),
        attempt=current.attempt,
        reason=_why_undecided(plan, objective, sums, needs, attempts) if undecided and final else "",
    )


def _log(test: Callable[[int, int, float], float], counts: _Counts, objective: Objective) -> float:
    value = test(counts.bad, counts.total, objective.allowed)
    return max(-_LARGEST_LOG, min(_LARGEST_LOG, value))


def _measured(objective: Objective, sums: _Sums, attempts: Sequence[AttemptEvidence]) -> float | None:
    """The share of failed requests; or the quantile that the newest attempt with enough samples saw."""
    if objective.metric is Metric.ERRORS:
        return sums.shown.bad / sums.shown.total if sums.shown.total else None
    name = _QUANTILES.get(objective.quantile or 0.0)
    if name is None:
        return None
    for attempt in reversed(attempts):
        for load in attempt.loads:
            if load.load == objective.load and load.endpoint == objective.endpoint:
                value: float | None = getattr(load.latency, name)
                if value is not None:
                    return value
    return None


def _why_undecided(
    plan: Plan, objective: Objective, sums: _Sums, needs: _Needs, attempts: Sequence[AttemptEvidence]
) -> str:
    if sums.shown.total == 0:
        return "no request was counted for it"
    if _log(log_e_fail, sums.open_fail, objective) >= needs.fail:
        return f"the numbers would decide a fail, but {_first(attempt.no_fail for attempt in attempts)}"
    if _log(log_e_pass, sums.succeed, objective) >= needs.succeed:
        return f"judged for {duration(sums.judged)} of the {duration(plan.judge.min_duration)} that a pass needs"
    if _log(log_e_pass, sums.shown, objective) >= needs.succeed:
        return f"the numbers would decide a pass, but {_first(attempt.no_pass for attempt in attempts)}"
    found = sums.shown.bad / sums.shown.total
    allowed = objective.allowed
    if found <= allowed:
        more = clean_requests_to_pass(sums.succeed.bad, sums.succeed.total, allowed, needs.succeed)
        if more is not None:
            return f"needs about {count(more)} more clean requests"
        return "no number of requests proves a limit of 0"
    above = "" if objective.metric is Metric.ERRORS else f" above {duration(objective.limit)}"
    return f"the evidence lies between: {share(found)}{above} measured, {share(allowed)} allowed"


def _first(reasons: Iterable[tuple[str, ...]]) -> str:
    """The newest attempt's first reason."""
    return [reason for some in reasons for reason in some[:1]][-1]


# --------------------------------------------------------------------------- what a look decided stays


def _with_latched(
    findings: tuple[Finding, ...], latched: tuple[Finding, ...], current: AttemptEvidence
) -> tuple[Finding, ...]:
    decided = {(finding.objective, finding.phase): finding for finding in latched if finding.decides}
    passed = bool(decided) and all(finding.verdict is Verdict.PASS for finding in decided.values())
    return tuple(
        _latch(finding, decided.get((finding.objective, finding.phase)), current, passed=passed) for finding in findings
    )


def _latch(finding: Finding, decided: Finding | None, current: AttemptEvidence, *, passed: bool) -> Finding:
    if decided is None or finding.verdict is Verdict.FAIL:
        return finding
    if decided.verdict is Verdict.FAIL:
        if current.no_fail:
            reason = f"the numbers decided a fail, but {current.no_fail[0]}"
            return replace(finding, verdict=Verdict.INCONCLUSIVE, decided_at=None, reason=reason)
        return replace(decided, measured=finding.measured)
    if passed and not current.no_pass:
        return replace(decided, measured=finding.measured)
    return finding
