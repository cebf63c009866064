"""The truncated beta-binomial e-process: k bad of n requests against a limit on the share of bad ones.

Called through `gitslo.core.stats`. Source: Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric,
nonasymptotic confidence sequences, Annals of Statistics 49(2), 2021, Proposition 7 (the one-sided mixture).

With a Beta(a, b) prior restricted to q > p0, and x = a + k, y = b + n - k, s = x + y:

    E_fail = B(x, y) P(Beta(x, y) > p0) / (p0^k (1-p0)^(n-k) B(a, b) P(Beta(a, b) > p0))

and E_pass is the same with every share replaced by one minus it. What must stay true:

* The result is a sum of terms none of which is much larger than it. Subtracting `k log p0` from `betaln` directly
  loses 1e-5 at n = 1e9, so the two are written as one deviance.
* A tail probability that underflows is never clamped: clamping turned 2,000 bad of 1,000,000 against 1 % into
  log E_fail = +4115, which reverts a healthy release. Far tails cancel analytically against the likelihood.
* The cost does not depend on n.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["PRIOR", "log_e_fail", "log_e_pass"]

PRIOR = 0.5
"""Both parameters of the beta prior: Jeffreys' prior, a robust default for limits from 0.1 % to 50 %."""

_TAIL = 1e-30
"""Below this probability a tail is computed by its continued fraction, which is short there."""

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_STIRLING_FROM = 12.0
_DEVIANCE_SERIES_BELOW = 0.1
_TINY = 1e-300
_CONVERGED = 1e-15
_FRACTION_STEPS = 100_000


def log_e_fail(bad: int, total: int, limit: float) -> float:
    """How strongly the counts speak against "each request is bad with probability at most `limit`".

    Ville: under that hypothesis the chance that this ever reaches log(1/alpha) is at most alpha, whenever and however
    often one looks.

    Args:
        bad: requests that broke the limit, 0 to `total`.
        total: requests counted.
        limit: p0, 0 to 1. At 0 the first bad request is infinitely strong; at 1 nothing speaks against it.

    Returns:
        The natural logarithm of the e-value; 0 for `total` 0.

    Raises:
        ValueError: the counts or the limit are out of range.
    """
    _check(bad, total, limit)
    return _log_e_above(bad, total - bad, limit, 1.0 - limit)


def log_e_pass(bad: int, total: int, limit: float) -> float:
    """How strongly the counts speak against "each request is bad with probability at least `limit`".

    Arguments, result and errors as of `log_e_fail`.
    """
    _check(bad, total, limit)
    return _log_e_above(total - bad, bad, 1.0 - limit, limit)


def _check(bad: int, total: int, limit: float) -> None:
    if not 0 <= bad <= total:
        raise ValueError(f"counts must satisfy 0 <= bad <= total, not bad {bad} of {total}")
    if not 0.0 <= limit <= 1.0:
        raise ValueError(f"a limit is a share from 0 to 1, not {limit}")


def _log_e_above(hits: int, misses: int, p: float, q: float) -> float:
    """Log E against "each hit has probability at most p"; q is 1 - p, exact where p is tiny or close to 1."""
    if hits + misses == 0:
        return 0.0
    if p == 0.0:
        return math.inf if hits else _log_beta(PRIOR, misses + PRIOR) - _log_beta(PRIOR, PRIOR)
    if q == 0.0:
        return -math.inf if misses else 0.0
    x, y = hits + PRIOR, misses + PRIOR
    prior = _log_prior_above(p, q)
    edge = PRIOR * (math.log(p) + math.log(q))
    tail = _beta_above(p, q, x, y)
    if tail < _TAIL and x < (x + y) * p:
        # P = p^x q^y F / (y B(x, y)): B and the powers cancel against the likelihood, nothing underflows.
        return edge + math.log(_fraction(q, y, x) / y) - prior
    s = x + y
    deviance = _deviance(x, s * p) + _deviance(y, s * q)
    return edge + deviance + _volume(x, y) + math.log(tail) - prior


@lru_cache(maxsize=256)
def _log_prior_above(p: float, q: float) -> float:
    return _log_beta(PRIOR, PRIOR) + math.log(_beta_above(p, q, PRIOR, PRIOR))


def _beta_above(p: float, q: float, x: float, y: float) -> float:
    """P(Beta(x, y) > p), from whichever of p and q is the smaller and so the exact one."""
    from scipy.special import betainc, betaincc  # noqa: PLC0415 - 0.2 s that only a judgement should pay

    return float(betaincc(x, y, p) if p <= q else betainc(y, x, q))


def _deviance(x: float, mean: float) -> float:
    """`x log(x / mean) + mean - x` without cancellation where x is close to mean (Loader's bd0)."""
    difference = x - mean
    if abs(difference) >= _DEVIANCE_SERIES_BELOW * (x + mean):
        return x * math.log(x / mean) - difference
    ratio = difference / (x + mean)
    square = ratio * ratio
    total = difference * ratio
    power = 2.0 * x * ratio
    step = 1
    while True:
        power *= square
        grown = total + power / (2 * step + 1)
        if grown == total:
            return total
        total = grown
        step += 1


def _stirling(x: float) -> float:
    """Log Gamma(x) minus `(x - 1/2) log x - x + log(2 pi) / 2`."""
    if x < _STIRLING_FROM:
        return math.lgamma(x) - ((x - 0.5) * math.log(x) - x + 0.5 * math.log(2.0 * math.pi))
    square = x * x
    total = 0.0
    for coefficient in reversed(_STIRLING):
        total = total / square + coefficient
    return total / x


def _log_beta(x: float, y: float) -> float:
    s = x + y
    return x * math.log(x / s) + y * math.log(y / s) + _volume(x, y)


def _volume(x: float, y: float) -> float:
    """Log B(x, y) minus `x log(x / (x + y)) + y log(y / (x + y))`."""
    s = x + y
    return 0.5 * math.log(2.0 * math.pi * s / x / y) + _stirling(x) + _stirling(y) - _stirling(s)


def _fraction(z: float, x: float, y: float) -> float:
    """`I_z(x, y) x B(x, y) / (z^x (1 - z)^y)` for z below the mean (DLMF 8.17.22 by Lentz's method)."""
    c, d = 1.0, 1.0 / (1.0 - (x + y) * z / (x + 1.0))
    value = d
    for step in range(1, _FRACTION_STEPS):
        twice = x + 2 * step
        even = step * (y - step) * z / ((twice - 1.0) * twice)
        odd = -(x + step) * (x + y + step) * z / (twice * (twice + 1.0))
        for term in (even, odd):
            d = 1.0 / _nonzero(1.0 + term * d)
            c = _nonzero(1.0 + term / c)
            change = c * d
            value *= change
        if abs(change - 1.0) < _CONVERGED:
            return value
    raise ArithmeticError(f"the continued fraction did not converge at z={z}, x={x}, y={y}")


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
