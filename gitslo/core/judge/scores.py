"""Keptn's scoring of a plan as findings: the whole, which decides, and each scored objective, which is reported.

Called by `frame`, and by the state machine for what is remembered of a run. No error is controlled. What must stay
true:

* It is scored at the attempt's end only, over everything that was measured.
* What is scored and what is remembered come from the same function and the same evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitslo.core.judge.measured import mean_of, samples_of
from gitslo.core.judge.needs import judged_in, judged_seconds
from gitslo.core.judge.undecided import too_short
from gitslo.core.scoring import Score, Scored, score
from gitslo.model import (
    AttemptEvidence,
    Finding,
    LoadSummary,
    Method,
    MetricForm,
    Phase,
    Plan,
    Quantity,
    ScoreRecord,
    ScoreResult,
    Scoring,
    Seconds,
    Verdict,
)

__all__ = ["SCORE", "score_findings", "score_of"]

SCORE = "score"
"""What the finding of the whole is about."""

_ERRORS, _LATENCY = "errors", "latency"
_FIELDS = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p999"}


def score_of(plan: Plan, attempts: Sequence[AttemptEvidence], history: Sequence[ScoreRecord]) -> Score | None:
    """The score of everything that was measured; None where the plan has no scoring.

    Args:
        plan: whose scoring it is.
        attempts: of one run, oldest first.
        history: scores of earlier runs, oldest first.
    """
    if plan.scoring is None:
        return None
    return score(plan.scoring, _values(plan, plan.scoring, attempts), history)


def score_findings(
    plan: Plan,
    scoring: Scoring,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    history: Sequence[ScoreRecord],
    *,
    final: bool,
) -> tuple[Finding, ...]:
    """The finding of the whole, then one of each scored objective. Before the end nothing is decided."""
    current = attempts[-1]
    if not final:
        return (_finding(SCORE, phase, current, Verdict.INCONCLUSIVE, None, scoring.passes, Quantity.SHARE, ""),)
    found = score(scoring, _values(plan, scoring, attempts), history)
    verdict, reason = _gated(found, current, judged_in(attempts, phase), plan)
    whole = _finding(SCORE, phase, current, verdict, found.share, scoring.passes, Quantity.SHARE, reason)
    return (whole, *(_reported(each, phase, current, plan) for each in found.scored))


def _gated(found: Score, current: AttemptEvidence, judged: float, plan: Plan) -> tuple[Verdict, str]:
    if found.verdict is Verdict.FAIL and current.no_fail:
        return Verdict.INCONCLUSIVE, f"{found.reason}, but {current.no_fail[0]}"
    if found.verdict is Verdict.PASS and current.no_pass:
        return Verdict.INCONCLUSIVE, f"{found.reason}, but {current.no_pass[0]}"
    short = too_short(judged, plan.judge) if found.verdict is Verdict.PASS else ""
    return (Verdict.INCONCLUSIVE, short) if short else (found.verdict, found.reason)


def _reported(each: Scored, phase: Phase, current: AttemptEvidence, plan: Plan) -> Finding:
    verdict = Verdict.INCONCLUSIVE
    if each.value is not None and each.result is not None:
        verdict = {ScoreResult.PASS: Verdict.PASS, ScoreResult.FAIL: Verdict.FAIL}.get(each.result, verdict)
    quantity = _quantity(each.objective.indicator, plan)
    name = f"{SCORE} of {each.name}"
    return _finding(name, phase, current, verdict, each.value, None, quantity, each.reason, decides=False)


def _finding(
    name: str,
    phase: Phase,
    current: AttemptEvidence,
    verdict: Verdict,
    measured: float | None,
    limit: float | None,
    quantity: Quantity,
    reason: str,
    *,
    decides: bool = True,
) -> Finding:
    undecided = verdict is Verdict.INCONCLUSIVE
    return Finding(
        objective=name,
        phase=phase,
        verdict=verdict,
        decides=decides,
        measured=measured,
        limit=limit,
        total=0,
        bad=0,
        late=0,
        log_e_fail=None,
        log_e_pass=None,
        need_fail=None,
        need_pass=None,
        decided_at=None if undecided else Seconds(judged_seconds(current, phase)),
        attempt=current.attempt,
        reason=reason,
        method=Method.SCORE,
        quantity=quantity,
    )


# --------------------------------------------------------------------------- what is scored


def _values(plan: Plan, scoring: Scoring, attempts: Sequence[AttemptEvidence]) -> Mapping[str, float | None]:
    return {each.indicator: _value(plan, each.indicator, attempts) for each in scoring.objectives}


def _value(plan: Plan, indicator: str, attempts: Sequence[AttemptEvidence]) -> float | None:
    section = next((each for each in plan.metrics if each.name == indicator), None)
    if section is None:
        return _of_load(indicator, attempts)
    if section.form is MetricForm.GAUGE:
        return mean_of(samples_of(indicator, Phase.STEADY, attempts))
    if any(name == indicator for name, _ in attempts[-1].unknown):
        return None
    rows = [tally for attempt in attempts for tally in attempt.tallies if tally.objective == indicator]
    total = sum(tally.total for tally in rows)
    return sum(tally.bad for tally in rows) / total if total else None


def _of_load(indicator: str, attempts: Sequence[AttemptEvidence]) -> float | None:
    """Errors: the share over all attempts; latency: the newest attempt's percentile."""
    subject, _, metric = indicator.rpartition(f".{_LATENCY}.") if f".{_LATENCY}." in indicator else ("", "", "")
    if not subject:
        subject = indicator.removesuffix(f".{_ERRORS}")
        loads = [load for attempt in attempts for load in attempt.loads if _name(load) == subject]
        total = sum(load.requests for load in loads)
        return sum(number for load in loads for _, number in load.errors) / total if total else None
    for attempt in reversed(attempts):
        for load in attempt.loads:
            value: float | None = getattr(load.latency, _FIELDS[metric]) if _name(load) == subject else None
            if value is not None:
                return value
    return None


def _name(load: LoadSummary) -> str:
    return load.load if load.endpoint is None else f"{load.load}.{load.endpoint}"


def _quantity(indicator: str, plan: Plan) -> Quantity:
    section = next((each for each in plan.metrics if each.name == indicator), None)
    if section is None:
        return Quantity.SECONDS if f".{_LATENCY}." in indicator else Quantity.SHARE
    return Quantity.SHARE if section.form is MetricForm.RATIO else Quantity.NUMBER
