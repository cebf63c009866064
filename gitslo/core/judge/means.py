"""The finding of an objective on the mean of a gauge with known bounds.

Called by `frame`. The test is betting on block means (`gitslo.core.stats.blocks`). What must stay true: fewer than
eight blocks decide nothing, and an attempt whose numbers must not decide a direction never makes it stronger.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.core.figures import count
from gitslo.core.judge.measured import mean_of, samples_of
from gitslo.core.judge.needs import Needs, bounded, judged_in, judged_seconds, quantity_of
from gitslo.core.judge.undecided import too_short, unknown_of
from gitslo.core.stats import LEAST_BLOCKS, BlockMeans, judge_means
from gitslo.model import (
    AttemptEvidence,
    Counted,
    Finding,
    JudgePolicy,
    Method,
    MetricSection,
    Objective,
    Phase,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["mean_finding"]


def mean_finding(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    section: MetricSection,
    policy: JudgePolicy,
    needs: Needs,
    *,
    final: bool,
) -> Finding:
    """What all samples up to this look say; arguments as of `counted_finding`."""
    current = attempts[-1]
    stretches = samples_of(objective.source, phase, attempts)
    outside = _outside(stretches, section)
    tested = BlockMeans(None, None, 0, None) if outside else _tested(objective, stretches, section)
    against = _faulty(tested.log_e_above, objective, phase, section, [each for each in attempts if not each.no_fail])
    towards = _faulty(
        tested.log_e_below, objective, phase, section, [each for each in attempts if not each.no_pass], below=True
    )
    judged = judged_in(attempts, phase)
    verdict = Verdict.INCONCLUSIVE
    if against is not None and against >= needs.fail:
        verdict = Verdict.FAIL
    elif towards is not None and towards >= needs.succeed and judged >= policy.min_duration:
        verdict = Verdict.PASS
    undecided = verdict is Verdict.INCONCLUSIVE
    reason = ""
    if undecided and final:
        reason = unknown_of(objective.source, attempts) or outside or _why(tested, towards, judged, policy, needs)
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict,
        decides=objective.role is Role.DECIDE,
        measured=mean_of(stretches),
        limit=objective.limit,
        total=tested.blocks,
        bad=0,
        late=0,
        log_e_fail=against,
        log_e_pass=towards,
        need_fail=needs.fail,
        need_pass=needs.succeed,
        decided_at=None if undecided else Seconds(judged_seconds(current, phase)),
        attempt=current.attempt,
        reason=reason,
        method=Method.MEAN,
        counted=Counted.BLOCKS,
        quantity=quantity_of(objective),
        effect=float(tested.length or 1),
        effect_for_fail=float(tested.length or 1),
    )


def _bounds(section: MetricSection) -> tuple[float, float]:
    assert section.between is not None  # noqa: S101 - the parser refuses a mean without bounds
    return section.between


def _outside(stretches: Sequence[Sequence[float]], section: MetricSection) -> str:
    """A value that the plan says is impossible leaves nothing that could be promised."""
    low, high = _bounds(section)
    for samples in stretches:
        for value in samples:
            if not low <= value <= high:
                return f"the value {value:g} is outside of `between`, {low:g} to {high:g}"
    return ""


def _tested(objective: Objective, stretches: Sequence[Sequence[float]], section: MetricSection) -> BlockMeans:
    low, high = _bounds(section)
    return judge_means(stretches, objective.limit, low=low, high=high)


def _faulty(
    whole: float | None,
    objective: Objective,
    phase: Phase,
    section: MetricSection,
    sound: Sequence[AttemptEvidence],
    *,
    below: bool = False,
) -> float | None:
    """The lesser of what all attempts say and what those say that may decide this direction."""
    if whole is None:
        return None
    alone = _tested(objective, samples_of(objective.source, phase, sound), section)
    other = alone.log_e_below if below else alone.log_e_above
    return None if other is None else bounded(min(whole, other))


def _why(tested: BlockMeans, towards: float | None, judged: float, policy: JudgePolicy, needs: Needs) -> str:
    if tested.length is None:
        return "no sample is known" if not tested.blocks else "too few samples"
    if tested.blocks < LEAST_BLOCKS:
        return (
            f"neighbouring samples are so alike that {count(tested.length)} of them count as one: "
            f"{tested.blocks} such blocks are known, and fewer than {LEAST_BLOCKS} decide nothing"
        )
    if towards is not None and towards >= needs.succeed:
        return too_short(judged, policy)
    return "the mean lies too near to the limit for the blocks there are"
