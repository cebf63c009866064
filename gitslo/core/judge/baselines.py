"""The finding of an objective relative to a baseline: an earlier run's numbers, or another target's at the same time.

Called by `frame`. Errors are compared by the conditional-binomial test, quantiles of latency by bounds on both sides
(`gitslo.core.stats.comparison`): a stored percentile is never taken for a fixed limit. What must stay true:

* It is judged at the attempt's end only: an earlier run's counts do not grow with ours.
* Without a baseline it is not applicable and decides nothing: the first run would otherwise never pass.
* Clustered requests are worth what their design effect leaves of them, on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitslo.core.figures import count, duration, share
from gitslo.core.judge.counts import Stream
from gitslo.core.judge.explain import NOT_APPLICABLE
from gitslo.core.judge.needs import Needs, bounded, judged_in, judged_seconds, quantity_of
from gitslo.core.judge.undecided import too_short
from gitslo.core.stats import Histogram, compare_quantiles, log_e_not_worse, log_e_worse
from gitslo.model import (
    AttemptEvidence,
    BaselineForm,
    BaselineSample,
    Finding,
    JudgePolicy,
    Method,
    Metric,
    Objective,
    Phase,
    Role,
    Seconds,
    Verdict,
)

__all__ = ["baseline_finding"]

Buckets = tuple[tuple[float, int], ...]


def baseline_finding(
    objective: Objective,
    phase: Phase,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    policy: JudgePolicy,
    needs: Needs,
    *,
    final: bool,
) -> Finding:
    """What candidate and baseline say of each other.

    Args:
        objective: `limit` is the factor.
        attempts: oldest first, the present one last.
        stream: the candidate's requests, bad ones having failed.
        needs: of which the e-values, and so the errors of the bounds, follow.
        final: the attempt has ended.
    """
    current = attempts[-1]
    sample = next((each for each in current.baselines if each.objective == objective.text), None)
    compared = _Compared(Verdict.INCONCLUSIVE, "")
    if final:
        compared = _compared(objective, attempts, stream, sample, needs)
        verdict, said = _gated(compared.verdict, compared.said, current, judged_in(attempts, phase), policy)
        compared = replace(compared, verdict=verdict, said=said)
    verdict = compared.verdict
    return Finding(
        objective=objective.text,
        phase=phase,
        verdict=verdict,
        decides=objective.role is Role.DECIDE and compared.applicable,
        measured=None if sample is None else _ratio(objective, attempts, stream, sample),
        limit=objective.limit,
        total=stream.sums.total,
        bad=stream.sums.bad,
        late=stream.sums.late,
        log_e_fail=compared.against,
        log_e_pass=compared.towards,
        need_fail=needs.fail,
        need_pass=needs.succeed,
        decided_at=None if verdict is Verdict.INCONCLUSIVE else Seconds(judged_seconds(current, phase)),
        attempt=current.attempt,
        reason=compared.said,
        method=Method.BASELINE,
        quantity=quantity_of(objective),
        effect=_effect(stream, sample),
        effect_for_fail=_effect(stream, sample),
        baseline="" if sample is None else sample.origin,
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the comparison says.

    Attributes:
        verdict: pass: certainly not worse; fail: certainly worse.
        said: one sentence.
        against, towards: logarithms of the e-values, None where bounds were compared.
        applicable: there is something to compare; otherwise it decides nothing.
    """

    verdict: Verdict
    said: str
    against: float | None = None
    towards: float | None = None
    applicable: bool = True


def _compared(
    objective: Objective,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    sample: BaselineSample | None,
    needs: Needs,
) -> _Compared:
    if sample is None:
        return _Compared(Verdict.INCONCLUSIVE, _absent(objective), applicable=False)
    if objective.metric is Metric.LATENCY:
        return _latency(objective, attempts, stream, sample, needs)
    return _errors(objective, stream, sample, needs)


def _absent(objective: Objective) -> str:
    match objective.baseline.form if objective.baseline is not None else None:
        case BaselineForm.PINNED:
            return f"{NOT_APPLICABLE}: no passing run of the pinned revision is known"
        case BaselineForm.TARGET:
            return f"{NOT_APPLICABLE}: the other target was not measured"
        case _:
            return f"{NOT_APPLICABLE}: there is no earlier pass to compare with"


def _gated(
    verdict: Verdict, said: str, current: AttemptEvidence, judged: float, policy: JudgePolicy
) -> tuple[Verdict, str]:
    if verdict is Verdict.FAIL and current.no_fail:
        return Verdict.INCONCLUSIVE, f"the numbers would decide a fail, but {current.no_fail[0]}"
    if verdict is Verdict.PASS and current.no_pass:
        return Verdict.INCONCLUSIVE, f"the numbers would decide a pass, but {current.no_pass[0]}"
    short = too_short(judged, policy) if verdict is Verdict.PASS else ""
    return (Verdict.INCONCLUSIVE, short) if short else (verdict, said)


def _effect(stream: Stream, sample: BaselineSample | None) -> float:
    """The larger design effect of the two: both sides' counts are divided by it."""
    looks = [look for look in (stream.fails(), stream.passes()) if look is not None]
    own = max((max(look.effect, look.effect_for_fail) for look in looks), default=1.0)
    return max(own, 1.0 if sample is None else sample.effect)


# --------------------------------------------------------------------------- errors


def _errors(objective: Objective, stream: Stream, sample: BaselineSample, needs: Needs) -> _Compared:
    sums = stream.sums
    if not sums.total or not sample.total:
        return _Compared(Verdict.INCONCLUSIVE, "no request was counted on one of the two sides")
    effect, ratio, factor = _effect(stream, sample), sums.total / sample.total, objective.limit
    certain, possible, theirs = (sums.bad - sums.late) / effect, sums.bad / effect, sample.bad / effect
    most = possible + theirs
    if (
        log_e_worse(most, 0.0, ratio=ratio, factor=factor) < needs.fail
        and log_e_not_worse(0.0, most, ratio=ratio, factor=factor) < needs.succeed
    ):
        # Two services that hardly fail say nothing of each other, and the limit that stands for itself decides.
        few = f"{NOT_APPLICABLE}: {count(sums.bad + sample.bad)} failures on both sides are too few to compare"
        return _Compared(Verdict.INCONCLUSIVE, few, applicable=False)
    against = bounded(log_e_worse(certain, theirs, ratio=ratio, factor=factor))
    towards = bounded(log_e_not_worse(possible, theirs, ratio=ratio, factor=factor))
    verdict = _decided(worse=against >= needs.fail, fine=towards >= needs.succeed)
    both = f"{share(sums.bad / sums.total)} failed, and {share(sample.bad / sample.total)} in {_named(sample)}"
    return _Compared(verdict, f"{both}: {_said(verdict, objective)}", against, towards)


# --------------------------------------------------------------------------- latency


def _latency(
    objective: Objective,
    attempts: Sequence[AttemptEvidence],
    stream: Stream,
    sample: BaselineSample,
    needs: Needs,
) -> _Compared:
    candidate = _buckets(objective, attempts)
    total, quantile = stream.sums.total, objective.quantile or 0.0
    if not candidate or not sample.distribution:
        return _Compared(Verdict.INCONCLUSIVE, "the response times are not known on one of the two sides")
    effect = _effect(stream, sample)
    own = _histogram(candidate, total, effect)
    other = _histogram(sample.distribution, sample.total, effect)
    alpha, beta = math.exp(-needs.fail), math.exp(-needs.succeed)
    compared = compare_quantiles(own, other, quantile, alpha=alpha, beta=beta, factor=objective.limit)
    verdict = _decided(worse=compared.worse is True, fine=compared.worse is False)
    mine, theirs = _value(own, quantile), _value(other, quantile)
    both = f"{_percentile(quantile)} is {duration(mine)}, and {duration(theirs)} in {_named(sample)}"
    if verdict is Verdict.INCONCLUSIVE:
        bounds = compared.candidate
        high = f"{duration(bounds.high)}" if math.isfinite(bounds.high) else "beyond all that answered"
        both += f" (ours lies somewhere from {duration(bounds.low)} to {high})"
    return _Compared(verdict, f"{both}: {_said(verdict, objective)}")


def _buckets(objective: Objective, attempts: Sequence[AttemptEvidence]) -> Buckets:
    """The candidate's distribution over all attempts."""
    summed: dict[float, int] = {}
    for attempt in attempts:
        for load in attempt.loads:
            if load.load == objective.load and load.endpoint == objective.endpoint:
                for edge, number in load.distribution:
                    summed[edge] = summed.get(edge, 0) + number
    return tuple(sorted(summed.items()))


def _histogram(buckets: Buckets, total: int, effect: float) -> Histogram:
    """The counts, worth what their clustering leaves; what is in no bucket failed, and lies beyond."""
    counts = tuple(round(number / effect) for _, number in buckets)
    beyond = max(0, total - sum(number for _, number in buckets))
    return Histogram(tuple(edge for edge, _ in buckets), counts, math.ceil(beyond / effect))


def _value(sample: Histogram, quantile: float) -> float | None:
    """The edge at or below which the quantile lies; None where it lies beyond all."""
    rank = math.ceil(quantile * (sum(sample.counts) + sample.beyond) - 1e-9)
    below = 0
    for edge, number in zip(sample.edges, sample.counts, strict=True):
        below += number
        if below >= rank:
            return edge
    return None


def _ratio(
    objective: Objective, attempts: Sequence[AttemptEvidence], stream: Stream, sample: BaselineSample
) -> float | None:
    """How many times the baseline's value ours is."""
    if objective.metric is Metric.LATENCY:
        quantile = objective.quantile or 0.0
        mine = _value(_histogram(_buckets(objective, attempts), stream.sums.total, 1.0), quantile)
        theirs = _value(_histogram(sample.distribution, sample.total, 1.0), quantile)
    else:
        mine = stream.sums.bad / stream.sums.total if stream.sums.total else None
        theirs = sample.bad / sample.total if sample.total else None
    return mine / theirs if mine is not None and theirs else None


# --------------------------------------------------------------------------- words


def _decided(*, worse: bool, fine: bool) -> Verdict:
    return Verdict.FAIL if worse else Verdict.PASS if fine else Verdict.INCONCLUSIVE


def _named(sample: BaselineSample) -> str:
    return f"{sample.origin}, at an earlier time" if sample.historical else sample.origin


def _said(verdict: Verdict, objective: Objective) -> str:
    allowed = share(objective.limit)
    match verdict:
        case Verdict.PASS:
            return f"no more than {allowed} of it"
        case Verdict.FAIL:
            return f"more than {allowed} of it"
        case _:
            return f"neither more nor less than {allowed} of it is certain"


def _percentile(quantile: float) -> str:
    return f"p{round(quantile * 100, 6):g}"
