"""The finding of an objective whose units are good or bad one by one.

Called by `frame`. The tests are the clustered e-processes of `gitslo.core.stats.clustering`, in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.core.judge.counts import Stream
from gitslo.core.judge.measured import latency_at, quantile_of, samples_of
from gitslo.core.judge.needs import Needs, bounded, counted_as, judged_in, judged_seconds, quantity_of
from gitslo.core.judge.undecided import Undecided, why_undecided
from gitslo.core.stats import LEAST_BLOCKS
from gitslo.model import (
    AttemptEvidence,
    Finding,
    JudgedUnit,
    JudgePolicy,
    Method,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Phase,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["counted_finding", "measured", "stream_of"]


def stream_of(objective: Objective, phase: Phase, attempts: Sequence[AttemptEvidence], *, gated: bool = True) -> Stream:
    """The counts of all attempts, from nothing."""
    stream = Stream(objective, phase, gated=gated)
    for attempt in attempts:
        stream.take(attempt)
    return stream


def counted_finding(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    section: MetricSection | None,
    policy: JudgePolicy,
    needs: Needs,
    *,
    final: bool,
) -> Finding:
    """What all counts up to this look say.

    Args:
        objective: on a load's requests, or on the metric `section`.
        attempts: oldest first, the present one last.
        stream: their counts.
        section: the metric, None for a load.
        final: the attempt has ended: what is undecided says why.
    """
    current, sums = attempts[-1], stream.sums
    fails, passes = stream.fails(), stream.passes()
    tested = sums.total > 0 and (section is None or sums.rows >= LEAST_BLOCKS)
    against = bounded(fails.log_e_fail()) if fails is not None and tested else None
    towards = bounded(passes.log_e_pass()) if passes is not None and tested else None
    judged = judged_in(attempts, phase)
    verdict = Verdict.INCONCLUSIVE
    if against is not None and against >= needs.fail:
        verdict = Verdict.FAIL
    elif towards is not None and towards >= needs.succeed and judged >= policy.min_duration:
        verdict = Verdict.PASS
    undecided = verdict is Verdict.INCONCLUSIVE
    # Looked for where people read of it, not at every look.
    burst = stream.burst() if final or not undecided else None
    reason = ""
    if undecided and final:
        whole = stream_of(objective, phase, attempts, gated=False)
        known = Undecided(sums, fails, passes, whole.fails(), whole.passes(), judged, burst)
        reason = why_undecided(objective, policy, needs, attempts, known, section)
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict,
        decides=objective.role is Role.DECIDE,
        measured=measured(objective, phase, attempts, stream, section),
        limit=objective.limit,
        total=sums.total,
        bad=sums.bad,
        late=sums.late,
        log_e_fail=against,
        log_e_pass=towards,
        need_fail=needs.fail,
        need_pass=needs.succeed,
        decided_at=None if undecided else Seconds(judged_seconds(current, phase)),
        attempt=current.attempt,
        reason=reason,
        method=Method.SEQUENTIAL,
        counted=counted_as(objective, section),
        quantity=quantity_of(objective),
        allowed=objective.allowed,
        effect=1.0 if passes is None else passes.effect,
        effect_for_fail=1.0 if fails is None else fails.effect_for_fail,
        spared=0.0 if fails is None else fails.spared,
        burst=burst,
        judged=Seconds(judged),
    )


def measured(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    section: MetricSection | None,
) -> float | None:
    """The share that is bad; of a quantile, its value where it can be known."""
    if objective.metric is Metric.LATENCY and objective.unit is JudgedUnit.REQUESTS:
        return latency_at(objective, attempts)
    if objective.metric is Metric.QUANTILE:
        gauge = section is not None and section.form is MetricForm.GAUGE and objective.quantile is not None
        return quantile_of(samples_of(objective.source, phase, attempts), objective.quantile or 0.0) if gauge else None
    return stream.sums.bad / stream.sums.total if stream.sums.total else None
