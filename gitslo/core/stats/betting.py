"""A betting e-process for the mean of bounded samples: how strongly they speak against a limit on it.

Called through `gitslo.core.stats` and by `blocks`. Source: Waudby-Smith, Ramdas: Estimating means of bounded random
variables by betting, JRSSB 86(1), 2024 (arXiv 2010.09686), the hedged capital process with aGRAPA bets, section 4.

With samples x scaled to [0, 1] and the limit m, a bet multiplies the capital by 1 + lambda (x - m), with

    lambda = (mean - m) / (variance + (mean - m)^2), kept within [0, c / m], c = 1/2,

mean and variance of the samples *before* x. If each sample's mean given the past is at most m, the capital is a
supermartingale that starts at 1. What must stay true: a bet never sees the sample it is made on; and samples that
depend on the past (scrapes of a gauge) are first made into blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["log_e_mean_above", "log_e_mean_below"]

_LARGEST_LOSS = 0.5
"""c: no bet risks more than this share of the capital, so it is never ruined."""


def log_e_mean_above(samples: Iterable[float], limit: float, *, low: float, high: float) -> float:
    """How strongly the samples speak against "the mean is at most `limit`".

    Args:
        samples: in the order in which they came, each from `low` to `high`.
        limit: from `low` to `high`, in the unit of the samples.
        low: the least value that a sample can have.
        high: the largest.

    Returns:
        The natural logarithm of the capital; 0 without samples. At `limit` equal to `low`, infinite with the first
        sample above it.

    Raises:
        ValueError: a sample, the limit or the bounds are out of range, or not a number.
    """
    return _log_capital(_scaled(samples, low, high), _scale(limit, low, high, "the limit"))


def log_e_mean_below(samples: Iterable[float], limit: float, *, low: float, high: float) -> float:
    """How strongly the samples speak against "the mean is at least `limit`".

    Arguments, result and errors as of `log_e_mean_above`, turned round.
    """
    return _log_capital((1.0 - x for x in _scaled(samples, low, high)), 1.0 - _scale(limit, low, high, "the limit"))


def _scaled(samples: Iterable[float], low: float, high: float) -> Iterable[float]:
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"bounds are finite and low lies below high, not {low} and {high}")
    return (_scale(sample, low, high, "a sample") for sample in samples)


def _scale(value: float, low: float, high: float, what: str) -> float:
    if not low <= value <= high:  # and so not NaN
        raise ValueError(f"{what} lies from {low} to {high}, not at {value}")
    return (value - low) / (high - low)


def _log_capital(samples: Iterable[float], m: float) -> float:
    # Half a sample at 1/2 and a variance of 1/4 before anything was seen, as in the paper.
    capital, count, total, squares = 0.0, 1, 0.5, 0.25
    for x in samples:
        if m == 0.0 and x > 0.0:
            return math.inf
        edge = total / count - m
        if edge > 0.0 and m > 0.0:
            bet = min(edge / (squares / count + edge * edge), _LARGEST_LOSS / m)
            capital += math.log1p(bet * (x - m))
        count += 1
        total += x
        squares += (x - total / count) ** 2
    return capital
