"""Why counts decide nothing: the one reason that a person can do something about.

Called by `counted` at an attempt's end, and only there: it costs a second pass over the counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitslo.core.figures import count, duration, share
from gitslo.core.judge.counts import Sums
from gitslo.core.judge.needs import Needs, counted_as
from gitslo.core.stats import LEAST_BLOCKS, Clustering, clean_requests_to_pass, log_e_fail, log_e_pass
from gitslo.model import AttemptEvidence, Concentration, Counted, JudgePolicy, Metric, MetricSection, Objective

__all__ = ["Undecided", "too_short", "unknown_of", "why_undecided"]

_ALL = 1.0


@dataclass(frozen=True, slots=True)
class Undecided:
    """What is known of an objective that nothing decided.

    Attributes:
        sums: the plain counts.
        fails, passes: what each direction's test saw; None: nothing.
        fails_open, passes_open: what they would have seen if no health gate had closed.
        judged: seconds that count for `min_duration`.
        burst: where nearly all bad ones lie, if they lie close together.
    """

    sums: Sums
    fails: Clustering | None
    passes: Clustering | None
    fails_open: Clustering | None
    passes_open: Clustering | None
    judged: float
    burst: Concentration | None


def why_undecided(
    objective: Objective,
    policy: JudgePolicy,
    needs: Needs,
    attempts: Sequence[AttemptEvidence],
    known: Undecided,
    section: MetricSection | None,
) -> str:
    """One sentence."""
    unknown = unknown_of(objective.source, attempts)
    if unknown:
        return unknown
    units = counted_as(objective, section)
    if known.sums.total == 0 or known.passes is None:
        return f"no {_single(units)} was counted for it"
    if section is not None and known.sums.rows < LEAST_BLOCKS:
        what = "samples" if units is Counted.SAMPLES else "windows"
        return f"{known.sums.rows} {what} are known, and fewer than {LEAST_BLOCKS} decide nothing"
    if known.fails_open is not None and known.fails_open.log_e_fail() >= needs.fail:
        return f"the numbers would decide a fail, but {_newest(attempt.no_fail for attempt in attempts)}"
    if known.passes.log_e_pass() >= needs.succeed:
        return too_short(known.judged, policy)
    if known.passes_open is not None and known.passes_open.log_e_pass() >= needs.succeed:
        return f"the numbers would decide a pass, but {_newest(attempt.no_pass for attempt in attempts)}"
    return _clustered(objective, needs, known, units) or _missing(objective, needs, known, units)


def too_short(judged: float, policy: JudgePolicy) -> str:
    """Why a pass is none yet; empty where it is."""
    if judged >= policy.min_duration:
        return ""
    return f"judged for {duration(judged)} of the {duration(policy.min_duration)} that a pass needs"


def unknown_of(metric: str, attempts: Sequence[AttemptEvidence]) -> str:
    """Why nothing may be judged of a metric in the newest attempt; empty where something may, or there is no metric."""
    return next((reason for name, reason in attempts[-1].unknown if metric and name == metric), "")


def _clustered(objective: Objective, needs: Needs, known: Undecided, units: Counted) -> str:
    """Where requests that fail independently would have decided, and these come in bursts; or empty."""
    sums, allowed = known.sums, objective.allowed
    found = sums.bad / sums.total
    if log_e_fail(sums.bad - sums.late, sums.total, allowed) >= needs.fail:
        wanting = f"not enough evidence for a rate above {share(allowed)}"
    elif log_e_pass(sums.bad, sums.total, allowed) >= needs.succeed:
        wanting = f"not enough evidence that it stays below {share(allowed)}"
    else:
        return ""
    burst = known.burst
    if burst is not None:
        part = "all of it" if burst.bad == sums.bad else f"{share(burst.bad / sums.bad)} of it"
        return f"{share(found)} measured, {part} in one {duration(burst.seconds)} burst: {wanting}"
    clustering = known.fails if found > allowed and known.fails is not None else known.passes
    effect = 1.0 if clustering is None else max(clustering.effect, clustering.effect_for_fail)
    if effect <= _ALL:
        return f"{share(found)} measured, most of it close together: {wanting}"
    worth = max(1, round(sums.total / effect))
    return f"{share(found)} measured, in bursts that make {count(sums.total)} {units} worth {count(worth)}: {wanting}"


def _missing(objective: Objective, needs: Needs, known: Undecided, units: Counted) -> str:
    sums, allowed = known.sums, objective.allowed
    found = sums.bad / sums.total
    if found <= allowed and known.passes is not None:
        effect = known.passes.effect
        bad, total = math.ceil(known.passes.bad / effect), math.ceil(known.passes.total / effect)
        more = clean_requests_to_pass(min(bad, total), total, allowed, needs.succeed)
        if more is not None:
            return f"needs about {count(round(more * effect))} more clean {units}"
        return f"no number of {units} proves a limit of 0"
    above = "" if objective.metric in {Metric.ERRORS, Metric.SHARE} else " above the limit"
    if objective.metric is Metric.LATENCY:
        above = f" above {duration(objective.limit)}"
    return f"the evidence lies between: {share(found)}{above} measured, {share(allowed)} allowed"


def _newest(reasons: Iterable[tuple[str, ...]]) -> str:
    """The newest attempt's first reason."""
    return [reason for some in reasons for reason in some[:1]][-1]


def _single(units: Counted) -> str:
    return units.value.removesuffix("s")
