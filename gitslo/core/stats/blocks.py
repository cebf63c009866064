"""Block means of a gauge: scrapes that remember each other, made into samples that hardly do.

Called through `gitslo.core.stats`. Neighbouring scrapes are alike, and a test that takes each for news is wrong: at an
autocorrelation of .9 betting on raw scrapes fails 62 % of the gauges that are exactly at their limit. The means of
blocks of 2 / (1 - phi) scrapes, phi being the correlation of neighbours, are bet on instead.

phi is estimated from the samples. The plain estimate is too small by about (1 + 3 phi) / n (Kendall, Marriott and Pope,
Biometrika 41, 1954), which makes blocks too short just where samples are few, so it is corrected. What must stay true:
fewer than eight blocks are no evidence, in neither direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.stats.betting import log_e_mean_above, log_e_mean_below

__all__ = ["LEAST_BLOCKS", "BlockMeans", "autocorrelation", "block_length", "judge_mean", "judge_means"]

LEAST_BLOCKS = 8
"""Fewer decide nothing."""

_LEAST_SAMPLES = 4
"""Below these the bias correction divides by nothing."""

_SPAN = 2.0
"""Block length in units of 1 / (1 - phi)."""


@dataclass(frozen=True, slots=True)
class BlockMeans:
    """What the samples of a gauge say of a limit on its mean.

    Attributes:
        log_e_above: against "the mean is at most the limit", a natural logarithm; None with fewer than eight blocks.
        log_e_below: against "the mean is at least the limit"; likewise.
        blocks: complete blocks: the effective number of samples.
        length: samples in a block; None where even phi cannot be estimated.
    """

    log_e_above: float | None
    log_e_below: float | None
    blocks: int
    length: int | None


def judge_mean(samples: Sequence[float], limit: float, *, low: float, high: float) -> BlockMeans:
    """Test the mean of a gauge against a limit, whatever its scrapes remember of each other.

    Args:
        samples: evenly spaced, in order; from `low` to `high`. What is missing is left out by the caller.
        limit: in the samples' unit.
        low: the least value that a sample can have.
        high: the largest.

    Raises:
        ValueError: a sample, the limit or the bounds are out of range, or not a number.
    """
    return judge_means((samples,), limit, low=low, high=high)


def judge_means(series: Sequence[Sequence[float]], limit: float, *, low: float, high: float) -> BlockMeans:
    """The same of several stretches of one gauge, e.g. the attempts of a run: no block reaches across two of them.

    The block's length is the longest that any of the stretches asks for.
    """
    # The bounds first: they hold whether or not there are blocks enough to bet on.
    for samples in series or ((),):
        log_e_mean_above(samples, limit, low=low, high=high)
    lengths = [length for samples in series if (length := block_length(samples)) is not None]
    if not lengths:
        return BlockMeans(None, None, 0, None)
    length = max(lengths)
    means = [
        # Rounding must not push a mean of samples at a bound beyond it.
        min(high, max(low, math.fsum(samples[i * length : (i + 1) * length]) / length))
        for samples in series
        for i in range(len(samples) // length)
    ]
    if len(means) < LEAST_BLOCKS:
        return BlockMeans(None, None, len(means), length)
    above = log_e_mean_above(means, limit, low=low, high=high)
    below = log_e_mean_below(means, limit, low=low, high=high)
    return BlockMeans(above, below, len(means), length)


def autocorrelation(samples: Sequence[float]) -> float | None:
    """The correlation of neighbouring samples, corrected for its bias, from 0 to 1.

    Returns:
        None with fewer than four samples; 0 where they never move, since they then say nothing of a memory; 1 where
        the correction leads beyond it: no block is long enough.
    """
    n = len(samples)
    if n < _LEAST_SAMPLES:
        return None
    mean = math.fsum(samples) / n
    rest = [sample - mean for sample in samples]
    variance = math.fsum(x * x for x in rest)
    if min(samples) == max(samples) or variance == 0.0:
        return 0.0
    plain = math.fsum(x * y for x, y in pairwise(rest)) / variance
    return min(1.0, max(0.0, (n * plain + 1.0) / (n - 3.0)))


def block_length(samples: Sequence[float]) -> int | None:
    """How many samples make a block: the least whole number of at least 2 / (1 - phi).

    Returns:
        None where phi cannot be estimated. Longer than all samples where phi is 1.
    """
    phi = autocorrelation(samples)
    if phi is None:
        return None
    # A memory as long as the samples: no block is complete.
    return len(samples) + 1 if phi >= 1.0 - _SPAN / (len(samples) + 1) else math.ceil(_SPAN / (1.0 - phi))
