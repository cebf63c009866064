"""The tests of `clustering` for many runs at once: for simulations, which look at thousands of runs second by second.

Called by `gitslo.core.simulation` and by `bench/verdict`; nothing here judges a service. What must stay true: every
decision is the one that `ClusteredCounts` takes on the same counts; tests compare them path by path.

It is quick because most looks are decided by bounds. With KL the divergence of the measured share from the limit, no
mixture of likelihood ratios exceeds the largest one, exp(n KL); and one with Jeffreys' prior stays above that by a
factor of at most 2 sqrt(n) (Krichevsky, Trofimov: The performance of universal encoding, 1981), and by one more where
it is restricted to one side, which the measured share lies on. Only between the two bounds is it computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gitslo.core.stats.bernoulli import PRIOR
from gitslo.core.stats.clustering import _BLOCKS, _BLOCKS_FOR_A_FAIL, BLOCK_LENGTHS, SPARED_SECONDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

__all__ = ["Decisions", "Rows", "decide_counts", "reaches"]

_ONE_SIDE = 3.0
"""A logarithm: what the restriction to one side, and counts that are no whole numbers, can take at most, and more."""


@dataclass(frozen=True)
class Rows:
    """Where the counts of one objective lie in time, the same in every run; none of them is empty.

    Attributes:
        attempt: of each row, ascending.
        at: rows since the attempt's load began, ascending within it.
        total: units counted in it.
    """

    attempt: Integers
    at: Integers
    total: Integers

    @cached_property
    def summed(self) -> Integers:
        """Units counted up to each row."""
        return self.total.cumsum()

    @cached_property
    def offset(self) -> Integers:
        """Rows since the attempt's first one."""
        import numpy as np  # noqa: PLC0415 - 0.1 s that only a simulation should pay

        _, first = np.unique(self.attempt, return_index=True)
        offsets: Integers = self.at - self.at[first][np.searchsorted(first, np.arange(len(self.at)), "right") - 1]
        return offsets


@dataclass(frozen=True)
class Decisions:
    """What each look says: one row a run, one column a look.

    Attributes:
        fails: the fail's test stands at its need or above.
        passes: likewise the pass's.
    """

    fails: Booleans
    passes: Booleans


def decide_counts(
    rows: Rows,
    bad: Integers,
    limit: float,
    *,
    need_fail: float,
    need_pass: float,
    spared: int = SPARED_SECONDS,
) -> Decisions:
    """Look at every run after each row.

    Args:
        rows: where the counts lie.
        bad: of each run (first axis) and row, at most `rows.total`.
        limit: the share that is allowed.
        need_fail, need_pass: logarithms of the e-values that decide.
        spared: as of `ClusteredCounts`.
    """
    import numpy as np  # noqa: PLC0415 - see above

    summed = bad.cumsum(axis=1)
    total = np.broadcast_to(rows.summed, summed.shape)
    if limit in {0.0, 1.0}:
        nothing = np.zeros(summed.shape, dtype=bool)
        return Decisions(summed > 0, nothing) if limit == 0.0 else Decisions(nothing, summed < total)
    kept = np.maximum(0.0, summed - _excess(rows, summed, limit, spared))
    # Division by an effect only weakens: what is not reached without it is not reached.
    fails, passes = _may_reach(kept, total, limit, need_fail), _may_reach(total - summed, total, 1 - limit, need_pass)
    if fails.any() or passes.any():
        effect, cautious = _effects(rows, bad, summed, total)
        fails = _reached_at(fails, kept, total, cautious, limit, need_fail)
        passes = _reached_at(passes, total - summed, total, effect, 1.0 - limit, need_pass)
    return Decisions(fails, passes)


def reaches(hits: Floats, total: Floats, share: float, need: float) -> Booleans:
    """Where the logarithm of `log_e_above(hits, total, share)` is at `need` or above.

    Args:
        hits, total: one dimension, `total` positive.
        share: above 0, below 1.
        need: positive.
    """
    import numpy as np  # noqa: PLC0415 - see above
    from scipy.special import betainc, betaincc, betaln  # noqa: PLC0415 - see above

    most = _most(hits, total, share)
    found: Booleans = (most >= need + 0.5 * np.log(np.maximum(total, 1.0)) + _ONE_SIDE) & (total >= 1.0)
    between = (most >= need) & ~found
    if between.any():
        x, y = hits[between] + PRIOR, (total - hits)[between] + PRIOR
        p, q = share, 1.0 - share

        def above(a: Floats | float, b: Floats | float) -> Floats:
            part: Floats = np.log(betaincc(a, b, p) if p <= q else betainc(b, a, q))
            return part

        posterior, prior = betaln(x, y) + above(x, y), betaln(PRIOR, PRIOR) + above(PRIOR, PRIOR)
        log = posterior - prior - (x - PRIOR) * math.log(p) - (y - PRIOR) * math.log1p(-p)
        found[between] = log >= need
    return found


def _may_reach(hits: Floats | Integers, total: Integers, share: float, need: float) -> Booleans:
    import numpy as np  # noqa: PLC0415 - see above

    candidates: Booleans = hits > share * total
    where = np.nonzero(candidates)
    candidates[where] = _most(hits[where], total[where], share) >= need
    return candidates


def _reached_at(
    candidates: Booleans, hits: Floats | Integers, total: Integers, effect: Floats, share: float, need: float
) -> Booleans:
    import numpy as np  # noqa: PLC0415 - see above

    where = np.nonzero(candidates)
    found = np.zeros(candidates.shape, dtype=bool)
    found[where] = reaches(hits[where] / effect[where], total[where] / effect[where], share, need)
    return found


def _most(hits: Floats | Integers, total: Floats | Integers, share: float) -> Floats:
    """The logarithm of the largest likelihood ratio; 0 where the hits' share is no more than `share`."""
    import numpy as np  # noqa: PLC0415 - see above
    from scipy.special import xlogy  # noqa: PLC0415 - see above

    misses = total - hits
    most = xlogy(hits, hits / (share * total)) + xlogy(misses, misses / ((1.0 - share) * total))
    found: Floats = np.where(hits > share * total, most, 0.0)
    return found


def _excess(rows: Rows, summed: Integers, limit: float, spared: int) -> Floats:
    """By how much the worst `spared` rows in a row exceed the limit, up to each row."""
    import numpy as np  # noqa: PLC0415 - see above

    # Attempts lie far apart, so that no stretch reaches across two of them.
    place = rows.attempt * (int(rows.at.max()) + spared + 1) + rows.at
    first = np.searchsorted(place, place - spared + 1)
    bad = summed - _before(summed, first)
    total = rows.summed - _before(rows.summed[None, :], first)[0]
    worst: Floats = np.maximum.accumulate(np.maximum(0.0, bad - limit * total), axis=1)
    return worst


def _before(summed: Integers, first: Integers) -> Integers:
    """The sums before the rows `first`."""
    import numpy as np  # noqa: PLC0415 - see above

    found: Integers = np.where(first > 0, summed[:, first - 1], 0)
    return found


def _effects(rows: Rows, bad: Integers, summed: Integers, total: Integers) -> tuple[Floats, Floats]:
    """The design effects of a pass's test and of a fail's after each row."""
    import numpy as np  # noqa: PLC0415 - see above

    share = summed / total
    inner = (summed > 0) & (summed < total)
    binomial = np.where(inner, share * (1.0 - share) * total, 1.0)
    effect, cautious = np.ones(bad.shape), np.ones(bad.shape)
    for length in BLOCK_LENGTHS:
        value, complete = _effect(rows, length, summed, share)
        value = np.where(inner, value / binomial, 1.0)
        if (complete >= _BLOCKS_FOR_A_FAIL).any():
            np.maximum(cautious, np.where(complete >= _BLOCKS_FOR_A_FAIL, value, 1.0), out=cautious)
        if (complete >= _BLOCKS).any():
            np.maximum(effect, np.where(complete >= _BLOCKS, value, 1.0), out=effect)
    return effect, cautious


def _effect(rows: Rows, length: int, summed: Integers, share: Floats) -> tuple[Floats, Integers]:
    """The sum of squares between blocks of one length, times J / (J - 1), and how many of them are complete."""
    import numpy as np  # noqa: PLC0415 - see above

    place = rows.attempt * (int(rows.offset.max()) // length + 1) + rows.offset // length
    _, first, block = np.unique(place, return_index=True, return_inverse=True)
    last = np.append(first[1:], len(place)) - 1
    y = (summed - _before(summed, first[block])).astype(float)
    n = (rows.summed - _before(rows.summed[None, :], first[block])[0]).astype(float)
    ended = y[:, last]
    whole = n[last]

    def and_before(values: Floats) -> Floats:
        """Sums over the blocks before each row's."""
        earlier: Floats = (values.cumsum(axis=-1) - values)[..., block]
        return earlier

    yy, yn = and_before(ended * ended) + y * y, and_before(ended * whole) + y * n
    nn = and_before(whole * whole) + n * n
    blocks = block + 1
    squares = yy - share * (2.0 * yn - share * nn)
    complete: Integers = block + ((rows.offset + 1) % length == 0)
    spread: Floats = np.where(blocks > 1, blocks / np.maximum(blocks - 1, 1) * squares, 0.0)
    return spread, complete
