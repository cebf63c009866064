"""The beta-binomial mixture of `bernoulli` for any beta prior and for counts that are no whole numbers.

Called by `clustering` (counts divided by a design effect) and by `comparison` (a uniform prior). Source and formula as
of `bernoulli`: Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric, nonasymptotic confidence sequences,
Annals of Statistics 49(2), 2021, Proposition 7. What must stay true: for whole counts and Jeffreys' prior it is the
same number, and no tail is clamped.
"""

from __future__ import annotations

import math
from functools import lru_cache

from gitslo.core.stats.bernoulli import _TAIL, PRIOR, _beta_above, _deviance, _fraction, _log_beta, _volume

__all__ = ["JEFFREYS", "UNIFORM", "Prior", "log_e_above", "log_e_below"]

Prior = tuple[float, float]
"""Both parameters of a beta distribution, a for hits and b for misses, each above 0."""

JEFFREYS: Prior = (PRIOR, PRIOR)
UNIFORM: Prior = (1.0, 1.0)


def log_e_above(hits: float, total: float, share: float, prior: Prior = JEFFREYS) -> float:
    """How strongly the counts speak against "each trial is a hit with probability at most `share`".

    Args:
        hits: 0 to `total`; a fraction where counts were discounted.
        total: trials.
        share: 0 to 1. At 0 the first hit is infinitely strong; at 1 nothing speaks against it.
        prior: the mixture's weights over the probabilities above `share`.

    Returns:
        The natural logarithm of the e-value; 0 for `total` 0.

    Raises:
        ValueError: the counts, the share or the prior are out of range.
    """
    _check(hits, total, share, prior)
    return _log_e(hits, total - hits, share, 1.0 - share, prior)


def log_e_below(hits: float, total: float, share: float, prior: Prior = JEFFREYS) -> float:
    """How strongly the counts speak against "each trial is a hit with probability at least `share`".

    Arguments, result and errors as of `log_e_above`.
    """
    _check(hits, total, share, prior)
    return _log_e(total - hits, hits, 1.0 - share, share, (prior[1], prior[0]))


def _check(hits: float, total: float, share: float, prior: Prior) -> None:
    # Written so that NaN is refused too.
    if not 0.0 <= hits <= total < math.inf:
        raise ValueError(f"counts must satisfy 0 <= hits <= total, not {hits} of {total}")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share lies from 0 to 1, not {share}")
    if not min(prior) > 0.0:
        raise ValueError(f"a beta prior has positive parameters, not {prior}")


def _log_e(hits: float, misses: float, p: float, q: float, prior: Prior) -> float:
    a, b = prior
    if hits + misses == 0.0:
        return 0.0
    if p == 0.0:
        return math.inf if hits else _log_beta(a, misses + b) - _log_beta(a, b)
    if q == 0.0:
        return -math.inf if misses else 0.0
    x, y = hits + a, misses + b
    s = x + y
    edge = a * math.log(p) + b * math.log(q)
    whole = _log_prior_above(p, q, prior)
    tail = _beta_above(p, q, x, y)
    if tail < _TAIL and x < s * p:
        # P = p^x q^y F / (y B(x, y)): B and the powers cancel against the likelihood, nothing underflows.
        return edge + math.log(_fraction(q, y, x) / y) - whole
    return edge + _deviance(x, s * p) + _deviance(y, s * q) + _volume(x, y) + math.log(tail) - whole


@lru_cache(maxsize=256)
def _log_prior_above(p: float, q: float, prior: Prior) -> float:
    return _log_beta(*prior) + math.log(_beta_above(p, q, *prior))
