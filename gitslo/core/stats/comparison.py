"""A candidate beside a baseline: is it worse, by errors or by a quantile of latency?

Called through `gitslo.core.stats`. Both tests may be looked at at any moment and as often as one likes.

Errors: every bad request comes from the candidate or from the baseline. With w requests to the candidate for each one
to the baseline, and at most F times the baseline's rate, the chance that it is the candidate's is at most w F / (1 +
w F), however both rates move together over time. So the two numbers of bad requests are tested like any share
(Lindon, Malek: Anytime-valid inference for multinomial count data, NeurIPS 2022, arXiv 2011.03567). Exact while
errors are rare, since it takes them for Poisson; where w is not the split that was set up but the one that was
counted, an approximation.

Latency: the q-quantile lies above an edge if the share of requests at or below the edge is below q. At the true
quantile that share is a Bernoulli process, and counts that exclude an edge beyond it would exclude the quantile
itself too. So one beta-binomial e-process a side covers all edges without a correction (the argument for a fixed
quantile in Howard, Ramdas: Sequential estimation of quantiles with applications to A/B testing and best-arm
identification, Bernoulli 28(3), 2022). The band of their theorem 2, which holds for all quantiles together, is wider:
.082 of probability to each side at 1,000 requests, where this is about .06 at the median and .02 at p95. Each sample
gets half of alpha.

What must stay true: requests that failed are slower than every edge, or fast failures improve a quantile.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, pairwise

from gitslo.core.stats.mixture import UNIFORM, log_e_above, log_e_below

__all__ = [
    "Histogram",
    "QuantileBounds",
    "QuantileComparison",
    "candidates_share",
    "compare_quantiles",
    "log_e_not_worse",
    "log_e_worse",
    "quantile_bounds",
]


def candidates_share(ratio: float, factor: float = 1.0) -> float:
    """The candidate's share of all bad requests where its rate is `factor` times the baseline's.

    Args:
        ratio: requests to the candidate for each one to the baseline.
        factor: 1 for the same rate.

    Raises:
        ValueError: one of them is not a positive number.
    """
    odds = ratio * factor
    if not (ratio > 0.0 and factor > 0.0 and 0.0 < odds < math.inf):
        raise ValueError(f"the ratio of requests and the factor are positive numbers, not {ratio} and {factor}")
    return odds / (1.0 + odds)


def log_e_worse(candidate: float, baseline: float, *, ratio: float = 1.0, factor: float = 1.0) -> float:
    """How strongly the errors speak against "the candidate fails at most `factor` times as often as the baseline".

    Args:
        candidate: bad requests of the candidate; both numbers divided by a design effect where they come in bursts.
        baseline: bad requests of the baseline over the same time.
        ratio: requests to the candidate for each one to the baseline.
        factor: how many times the baseline's rate is allowed.

    Returns:
        The natural logarithm of the e-value; 0 without a bad request.

    Raises:
        ValueError: a number is out of range.
    """
    return log_e_above(candidate, _both(candidate, baseline), candidates_share(ratio, factor), UNIFORM)


def log_e_not_worse(candidate: float, baseline: float, *, ratio: float = 1.0, factor: float = 1.0) -> float:
    """How strongly the errors speak against "the candidate fails at least `factor` times as often as the baseline".

    Arguments, result and errors as of `log_e_worse`. Two services without errors say nothing about each other: it is 0.
    """
    return log_e_below(candidate, _both(candidate, baseline), candidates_share(ratio, factor), UNIFORM)


def _both(candidate: float, baseline: float) -> float:
    if not (candidate >= 0.0 and baseline >= 0.0):
        raise ValueError(f"numbers of bad requests are not negative: {candidate}, {baseline}")
    return candidate + baseline


# --------------------------------------------------------------------------- quantiles


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many requests were how fast.

    Attributes:
        edges: ascending, in seconds, finite.
        counts: requests above the edge before and at or below this one.
        beyond: requests above the last edge, failed and unfinished ones included.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    beyond: int = 0

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts):
            raise ValueError(f"{len(self.edges)} edges and {len(self.counts)} counts")
        if any(not one < two for one, two in pairwise((*self.edges, math.inf))):
            raise ValueError("edges ascend and are finite")
        if min((*self.counts, self.beyond)) < 0:
            raise ValueError("counts are not negative")


@dataclass(frozen=True, slots=True)
class QuantileBounds:
    """Where a quantile lies.

    Attributes:
        low: an edge that it is above; 0 where none is excluded.
        high: an edge that it is at or below; infinite where none is.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantileComparison:
    """Two quantiles, and what may be said.

    Attributes:
        candidate: bounds of the candidate's quantile.
        baseline: bounds of the baseline's.
        worse: True: the candidate's is above `factor` times the baseline's; False: it is not; None: not known.
    """

    candidate: QuantileBounds
    baseline: QuantileBounds
    worse: bool | None


def quantile_bounds(sample: Histogram, quantile: float, alpha: float) -> QuantileBounds:
    """Bounds of a quantile, valid at any moment and after any looks.

    Args:
        sample: requests so far.
        quantile: above 0, below 1.
        alpha: the chance that *one* of the bounds is ever wrong; both together are so with at most twice of it.

    Raises:
        ValueError: `quantile` or `alpha` is out of range.
    """
    if not (0.0 < quantile < 1.0 and 0.0 < alpha < 1.0):
        raise ValueError(f"a quantile and alpha lie between 0 and 1, not {quantile} and {alpha}")
    need = -math.log(alpha)
    below = list(accumulate(sample.counts))
    total = (below[-1] if below else 0) + sample.beyond
    # Both e-processes are monotone in the count, so halving finds where they turn.
    above_these = bisect_left(below, True, key=lambda count: log_e_below(count, total, quantile) < need)
    within_this = bisect_left(below, True, key=lambda count: log_e_above(count, total, quantile) >= need)
    low = sample.edges[above_these - 1] if above_these else 0.0
    return QuantileBounds(low, sample.edges[within_this] if within_this < len(below) else math.inf)


def compare_quantiles(
    candidate: Histogram, baseline: Histogram, quantile: float, *, alpha: float, beta: float, factor: float = 1.0
) -> QuantileComparison:
    """Is the candidate's quantile above `factor` times the baseline's?

    Args:
        candidate: its requests so far.
        baseline: its requests over the same time, or of an earlier run (then nothing is said about causes).
        quantile: e.g. 0.95.
        alpha: the chance of ever saying "worse" of a candidate that is not.
        beta: the chance of ever saying "not worse" of one that is.
        factor: how many times the baseline's quantile is allowed.

    Returns:
        The bounds are those of `alpha`, each holding with half of it.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0.0 < factor < math.inf:
        raise ValueError(f"the factor is a positive number, not {factor}")
    one, two = (quantile_bounds(sample, quantile, alpha / 2) for sample in (candidate, baseline))
    # "Above an edge" is strict, "at or below an edge" is not: equal bounds still tell the two apart.
    worse = one.low >= factor * two.high
    slow, fast = (quantile_bounds(sample, quantile, beta / 2) for sample in (candidate, baseline))
    not_worse = slow.high <= factor * fast.low
    return QuantileComparison(one, two, True if worse else False if not_worse else None)
