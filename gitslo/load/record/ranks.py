"""How well a sample's quantile is known: the 95 % rank interval. Pure; called by `histogram`.

Of n independent requests, the number that lie below the population's p-quantile is binomial (n, p), whatever the
distribution of the latency. So the quantile lies between the values of two ranks that the binomial alone gives.
"""

from __future__ import annotations

import math

__all__ = ["rank_interval"]

_TAIL = 0.025
_Z = 1.959963984540054
"""The standard normal's quantile at 1 - _TAIL."""
_LARGE = 1e6
"""The variance from which on the normal distribution gives the same ranks, relative to n, in six digits."""
_REACH = 12.0
"""Standard deviations (and as many whole ranks) beyond which nothing is left that a double could add."""


def rank_interval(n: int, p: float) -> tuple[int, int]:
    """Ranks (1 is the smallest) between whose values the p-quantile lies with at least 95 % confidence.

    Each side errs with at most 2.5 %. Where n is too small for that, the side ends at the first or the last rank.
    """
    mean, variance = n * p, n * p * (1.0 - p)
    if variance > _LARGE:
        reach = _Z * math.sqrt(variance)
        return max(1, math.floor(mean - reach)), min(n, math.ceil(mean + reach) + 1)
    start, weights = _weights(n, p, mean, math.sqrt(variance))
    whole = math.fsum(weights)
    # The quantile is below the value of rank r with P(X < r), and above it with P(X >= r).
    below, low, high = 0.0, start, start + len(weights)
    for offset, weight in enumerate(weights):
        if below <= _TAIL * whole:
            low = start + offset  # P(X < low) is still within the tail
        below += weight
        if below >= (1.0 - _TAIL) * whole:
            high = start + offset + 1  # P(X >= high) is within the tail
            break
    return max(1, low), min(n, high)


def _weights(n: int, p: float, mean: float, deviation: float) -> tuple[int, list[float]]:
    """What the binomial gives to each number from the first one returned on, but for a factor: 1 at its middle."""
    middle = min(n, math.floor((n + 1) * p))
    reach = math.ceil(_REACH * deviation + _REACH)
    odds = p / (1.0 - p)
    down, weight = [], 1.0
    for k in range(middle, max(0, math.floor(mean) - reach), -1):
        weight *= k / ((n - k + 1) * odds)
        down.append(weight)
    up, weight = [1.0], 1.0
    for k in range(middle, min(n, math.ceil(mean) + reach)):
        weight *= (n - k) * odds / (k + 1)
        up.append(weight)
    return middle - len(down), [*reversed(down), *up]
