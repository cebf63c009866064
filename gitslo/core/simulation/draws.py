"""Random counts and gauges as a truth has them, for many runs at once.

Called by `outcomes` and by `bench/verdict`. Pure: the generator is passed in. What must stay true: the long-run share
of bad ones is the truth's, whatever they come in, and a run begins at any moment of it (not always between bursts).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from gitslo.core.simulation.lanes import Lane
from gitslo.core.simulation.truth import GaugeTruth, ShareTruth
from gitslo.core.stats.batch_means import beta_from_normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["bad_counts", "burst_counts", "gauge", "generator", "normal_memory"]


def bad_counts(lane: Lane, truth: ShareTruth, draw: np.random.Generator, runs: int) -> Integers:
    """How many are bad in each row of each run."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that only a simulation should pay

    total = np.array(lane.total, dtype=np.int64)
    attempts = np.array(lane.attempt)
    if lane.samples and 0.0 < truth.share < 1.0:
        above = NormalDist().inv_cdf(1.0 - truth.share)
        parts = [normal_memory(draw, runs, size, truth.phi) > above for size in _sizes(attempts)]
        return np.concatenate(parts, axis=1).astype(np.int64)
    if truth.burst is None or truth.share == 0.0:
        bad: Integers = draw.binomial(total, truth.share, (runs, len(total)))
    else:
        starts, found, begin = np.array(lane.starts), [], 0
        for size in _sizes(attempts):
            rows = slice(begin, begin + size)
            found.append(burst_counts(starts[rows], lane.every, total[rows], truth, draw, runs))
            begin += size
        bad = np.concatenate(found, axis=1)
    if lane.within is not None:
        bad = (bad > lane.within * total).astype(np.int64)
    return bad


def burst_counts(
    starts: Floats, every: float, total: Integers, truth: ShareTruth, draw: np.random.Generator, runs: int
) -> Integers:
    """Bursts of one length with exponential gaps, in rows that begin at `starts` and last `every` seconds."""
    import numpy as np  # noqa: PLC0415 - see above

    assert truth.burst is not None  # noqa: S101 - asked by the caller
    covered = truth.share / truth.within
    size, length, end = len(total), truth.burst, float(starts[-1] + every)
    caught = np.zeros((runs, size), dtype=np.int64)
    if covered >= 1.0:
        caught += total
    else:
        gap = length * (1.0 - covered) / covered
        begins = np.where(
            draw.random(runs) < covered,
            starts[0] - draw.random(runs) * length,
            starts[0] + draw.exponential(gap, runs),
        )[:, None]
        while begins[:, -1].min() < end:
            more = math.ceil((end - begins[:, -1].min()) / (length + gap)) + 4
            steps = length + draw.exponential(gap, (runs, more))
            begins = np.concatenate([begins, begins[:, -1:] + steps.cumsum(axis=1)], axis=1)
        run, which = np.nonzero(begins < end)
        begin = begins[run, which]
        first = np.maximum(0, np.searchsorted(starts, begin, "right") - 1)
        for step in range(math.ceil(length / every) + 1):
            row = first + step
            there = row < size
            row, of, since = row[there], run[there], begin[there]
            # Requests are due evenly within a row; those at or after the burst's begin and before its end are in it.
            place = (since - starts[row]) / every * total[row]
            low = np.clip(np.ceil(place), 0, total[row])
            high = np.clip(np.ceil(place + length / every * total[row]), 0, total[row])
            np.add.at(caught, (of, row), (high - low).astype(np.int64))
    return caught if truth.within == 1.0 else draw.binomial(caught, truth.within)


def gauge(lane: Lane, truth: GaugeTruth, draw: np.random.Generator, runs: int) -> list[Floats]:
    """The samples of each attempt."""
    import numpy as np  # noqa: PLC0415 - see above

    assert lane.between is not None  # noqa: S101 - it is a mean
    low, high = lane.between
    found = []
    for size in _sizes(np.array(lane.attempt)):
        z = normal_memory(draw, runs, size, truth.phi)
        scaled = beta_from_normal(z, (truth.mean - low) / (high - low), truth.deviation / (high - low))
        found.append(low + (high - low) * scaled)
    return found


def normal_memory(draw: np.random.Generator, runs: int, size: int, phi: float) -> Floats:
    """Standard normal samples, each correlated by `phi` with the one before it."""
    z: Floats = draw.standard_normal((runs, size))
    rest = math.sqrt(1.0 - phi * phi)
    for at in range(1, size if phi else 0):
        z[:, at] = phi * z[:, at - 1] + rest * z[:, at]
    return z


def _sizes(attempts: Integers) -> list[int]:
    import numpy as np  # noqa: PLC0415 - see above

    return [int(size) for size in np.unique(attempts, return_counts=True)[1]]


def generator(seed: int) -> np.random.Generator:
    """Where chance comes from: the same numbers for the same seed."""
    import numpy as np  # noqa: PLC0415 - see above

    return np.random.default_rng(seed)
