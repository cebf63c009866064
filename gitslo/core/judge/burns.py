"""The finding of a burn-rate objective. No error is controlled.

Called by `frame`. What must stay true: it is judged at the attempt's end only, by what was asked then.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.core.burn import judge_burn
from gitslo.core.judge.needs import judged_in, judged_seconds
from gitslo.core.judge.undecided import too_short
from gitslo.model import (
    AttemptEvidence,
    Counted,
    Finding,
    JudgePolicy,
    Method,
    Objective,
    Phase,
    Quantity,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["burn_finding"]


def burn_finding(
    objective: Objective, phase: Phase, attempts: Sequence[AttemptEvidence], policy: JudgePolicy, *, final: bool
) -> Finding:
    """How fast the budget is being spent at the end of the newest attempt; arguments as of `counted_finding`."""
    current = attempts[-1]
    counts = next((each for each in current.burns if each.metric == objective.source), None)
    found = judge_burn(objective, counts)
    verdict, reason = found.verdict, found.reason
    if not final:
        verdict, reason = Verdict.INCONCLUSIVE, ""
    elif verdict is Verdict.PASS:
        # It passes nothing by itself in a run that was cut short.
        short = too_short(judged_in(attempts, phase), policy)
        verdict, reason = (Verdict.INCONCLUSIVE, short) if short else (verdict, reason)
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict,
        decides=objective.role is Role.DECIDE,
        measured=found.measured,
        limit=found.limit,
        total=found.total,
        bad=found.bad,
        late=0,
        log_e_fail=None,
        log_e_pass=None,
        need_fail=None,
        need_pass=None,
        decided_at=None if verdict is Verdict.INCONCLUSIVE else Seconds(judged_seconds(current, phase)),
        attempt=current.attempt,
        reason=reason,
        method=Method.BURN,
        counted=Counted.EVENTS,
        quantity=Quantity.SHARE,
    )
