"""The tests of `blocks` for many runs at once, as `batch_counts` is for `clustering`; the same things must stay true.

The capital after each block depends on the blocks' length alone, so it is computed once for every length that any look
asks for, and looked up afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitslo.core.stats.batch_counts import Decisions
from gitslo.core.stats.betting import _LARGEST_LOSS
from gitslo.core.stats.blocks import _LEAST_SAMPLES, _SPAN, LEAST_BLOCKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["beta_from_normal", "decide_means"]


def decide_means(
    attempts: Sequence[Floats], limit: float, *, low: float, high: float, need_fail: float, need_pass: float
) -> Decisions:
    """Look at every run after each sample.

    Args:
        attempts: samples of each attempt; one row a run.
        limit, low, high: as of `judge_mean`.
        need_fail, need_pass: logarithms of the e-values that decide.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only a simulation should pay

    m = (limit - low) / (high - low)
    scaled = [np.clip((values - low) / (high - low), 0.0, 1.0) for values in attempts]
    asked = _lengths(attempts)
    seen, before = [], [0]
    for values in attempts:
        seen.append(np.arange(1, values.shape[1] + 1))
        before.append(before[-1] + values.shape[1])
    fails, passes = (np.zeros((attempts[0].shape[0], before[-1]), dtype=bool) for _ in range(2))
    for length in np.unique(asked[asked > 0]):
        asks = asked == length
        runs = np.nonzero(asks.any(axis=1))[0]
        means = np.concatenate([_means(values[runs], int(length)) for values in scaled], axis=1)
        if means.shape[1] < LEAST_BLOCKS:
            continue
        above, below = _capital(means, m), _capital(1.0 - means, 1.0 - m)
        earlier = np.cumsum([0, *(values.shape[1] // length for values in scaled)])[:-1]
        known = np.concatenate([start + count // length for start, count in zip(earlier, seen, strict=True)])
        run, look = np.nonzero(asks[runs] & (known >= LEAST_BLOCKS))
        fails[runs[run], look] = above[run, known[look] - 1] >= need_fail
        passes[runs[run], look] = below[run, known[look] - 1] >= need_pass
    return Decisions(fails, passes)


def _lengths(attempts: Sequence[Floats]) -> Integers:
    """The block length that each look asks for: the longest of all attempts; 0 where none can be estimated."""
    import numpy as np  # noqa: PLC0415 - see above

    found, longest = [], np.zeros((attempts[0].shape[0], 1), dtype=np.int64)
    for values in attempts:
        own = np.maximum(_of_one(values), longest)
        found.append(own)
        longest = np.maximum(longest, own[:, -1:])
    return np.concatenate(found, axis=1)


def _of_one(values: Floats) -> Integers:
    """The block lengths after each sample of one attempt; 0 where phi is not known."""
    import numpy as np  # noqa: PLC0415 - see above

    # Around a value of their own, so that the sums do not cancel.
    x = values - values[:, :1]
    n = np.arange(1, x.shape[1] + 1, dtype=float)
    total, squares = x.cumsum(axis=1), (x * x).cumsum(axis=1)
    products = np.concatenate([np.zeros((x.shape[0], 1)), (x[:, 1:] * x[:, :-1]).cumsum(axis=1)], axis=1)
    mean = total / n
    variance = squares - total * mean
    neighbours = products - mean * (2.0 * total - x - x[:, :1]) + (n - 1.0) * mean * mean
    still = (np.maximum.accumulate(x, axis=1) == np.minimum.accumulate(x, axis=1)) | (variance <= 0.0)
    plain = np.where(still, 0.0, neighbours / np.where(still, 1.0, variance))
    phi = np.where(still, 0.0, np.clip((n * plain + 1.0) / np.maximum(n - 3.0, 1.0), 0.0, 1.0))
    endless = phi >= 1.0 - _SPAN / (n + 1.0)
    length = np.where(endless, n + 1.0, np.ceil(_SPAN / (1.0 - np.where(endless, 0.0, phi))))
    return np.where(n < _LEAST_SAMPLES, 0, length).astype(np.int64)


def _means(values: Floats, length: int) -> Floats:
    blocks = values.shape[1] // length
    found: Floats = values[:, : blocks * length].reshape(len(values), blocks, length).mean(axis=2)
    return found


def _capital(x: Floats, m: float) -> Floats:
    """The logarithm of the capital after each sample of [0, 1], as `betting` computes it."""
    import numpy as np  # noqa: PLC0415 - see above

    count = np.arange(1, x.shape[1] + 1)
    # A bet sees mean and variance of the samples before its own.
    total = 0.5 + x.cumsum(axis=1)
    squares = 0.25 + ((x - total / (count + 1)) ** 2).cumsum(axis=1)
    edge = (total - x) / count - m
    if m == 0.0:
        found: Floats = np.where((x > 0.0).cumsum(axis=1) > 0, np.inf, 0.0)
        return found
    variance = (squares - (x - total / (count + 1)) ** 2) / count
    bet = np.minimum(edge / (variance + edge * edge), _LARGEST_LOSS / m)
    gained: Floats = np.log1p(np.where(edge > 0.0, bet, 0.0) * (x - m)).cumsum(axis=1)
    return gained


def beta_from_normal(z: Floats, mean: float, deviation: float) -> Floats:
    """Standard normal samples as samples from 0 to 1 with a beta distribution; their order and memory stay.

    Args:
        z: any shape.
        mean, deviation: of the beta distribution; a deviation of 0, or a mean at a bound, gives the mean itself.
    """
    import numpy as np  # noqa: PLC0415 - see above
    from scipy.special import betaincinv, ndtr  # noqa: PLC0415 - see above

    spread = mean * (1.0 - mean)
    if deviation <= 0.0 or spread <= 0.0:
        return np.full(z.shape, mean)
    size = max(spread / (deviation * deviation) - 1.0, 1e-6)
    # Its quantiles at close points, and straight lines between them: one inverse per sample takes minutes.
    points = np.linspace(-6.0, 6.0, 2401)
    found: Floats = np.interp(z, points, betaincinv(mean * size, (1.0 - mean) * size, ndtr(points)))
    return found
