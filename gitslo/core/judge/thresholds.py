"""Estimates beside limits: what most tools do, and only where a plan asks for it. No error is controlled.

Called by `frame`. What must stay true: it decides at the attempt's end only, where the whole load has been seen, and
what is not known decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gitslo.core.judge.counted import measured
from gitslo.core.judge.counts import Stream
from gitslo.core.judge.measured import mean_of, samples_of
from gitslo.core.judge.needs import counted_as, judged_in, judged_seconds, quantity_of
from gitslo.core.judge.undecided import too_short, unknown_of
from gitslo.model import (
    AttemptEvidence,
    Finding,
    JudgePolicy,
    Method,
    Metric,
    MetricSection,
    Objective,
    Phase,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["threshold_finding"]


def threshold_finding(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    section: MetricSection | None,
    policy: JudgePolicy,
    *,
    final: bool,
) -> Finding:
    """The estimate and its limit; arguments as of `counted_finding`."""
    current, sums = attempts[-1], stream.sums
    value = _estimate(objective, phase, attempts, stream, section)
    verdict, reason = _compared(objective, phase, attempts, value, stream, policy) if final else (None, "")
    decided = verdict in {Verdict.PASS, Verdict.FAIL}
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict or Verdict.INCONCLUSIVE,
        decides=objective.role is Role.DECIDE,
        measured=value,
        limit=objective.limit,
        total=sums.total or sum(map(len, samples_of(objective.source, phase, attempts))),
        bad=sums.bad,
        late=sums.late,
        log_e_fail=None,
        log_e_pass=None,
        need_fail=None,
        need_pass=None,
        decided_at=Seconds(judged_seconds(current, phase)) if decided else None,
        attempt=current.attempt,
        reason=reason,
        method=Method.THRESHOLD,
        counted=counted_as(objective, section),
        quantity=quantity_of(objective),
    )


def _estimate(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    section: MetricSection | None,
) -> float | None:
    if objective.metric is Metric.MEAN:
        return mean_of(samples_of(objective.source, phase, attempts))
    return measured(objective, phase, attempts, stream, section)


def _compared(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    value: float | None,
    stream: Stream,
    policy: JudgePolicy,
) -> tuple[Verdict, str]:
    broken, what = _broken(objective, value, stream)
    current = attempts[-1]
    if broken is None:
        return Verdict.INCONCLUSIVE, unknown_of(objective.source, attempts) or what
    if broken:
        gate = current.no_fail
        return (Verdict.INCONCLUSIVE, f"the numbers would decide a fail, but {gate[0]}") if gate else (Verdict.FAIL, "")
    if current.no_pass:
        return Verdict.INCONCLUSIVE, f"the numbers would decide a pass, but {current.no_pass[0]}"
    short = too_short(judged_in(attempts, phase), policy)
    if short:
        return Verdict.INCONCLUSIVE, short
    return Verdict.PASS, ""


def _broken(objective: Objective, value: float | None, stream: Stream) -> tuple[bool | None, str]:
    """Whether the limit is broken; None and why, where that is not known."""
    if value is not None:
        # A mean of samples at the limit may be rounded to just above it.
        return value > objective.limit and not math.isclose(value, objective.limit, rel_tol=1e-12), ""
    if objective.quantile is not None and stream.sums.total:
        # The quantile is above the limit exactly where more than its share of them are.
        return stream.sums.bad / stream.sums.total > objective.within, ""
    return None, "nothing was measured for it"
