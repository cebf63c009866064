"""The rules of the table: gitslo's, and those of others on the same data.

Each gives for every run a verdict (1 pass, -1 fail, 0 undecided) and how many requests or samples it had seen by then.

* Flagger: once a minute the success rate of the last minute is compared; a failed check counts one, the fifth rolls
  back, and the fifth good one promotes (`interval: 1m`, `threshold: 5`, five steps; failed checks are never forgiven:
  pkg/controller/scheduler.go of fluxcd/flagger).
* Argo Rollouts: the same measurements, `count: 5`; more than `failureLimit`, 0 by default, that fail fail the analysis.
* A test of fixed size has the fewest requests with which a binomial test keeps both errors at 5 %, if each request is
  bad on its own: at the limit, and at twice the limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import binom, norm

from bench.verdict.cells import (
    GAUGE_DEVIATION,
    MIN_DURATION,
    RATE,
    SCRAPE,
    Gauges,
    Requests,
)
from gitslo.core.stats.batch_counts import Decisions, Rows, decide_counts
from gitslo.core.stats.batch_means import decide_means

__all__ = ["ALPHA", "BETA", "GITSLO", "NAIVE", "RULES", "Verdicts", "from_the_start", "play", "size_and_most"]

ALPHA = BETA = 0.05
NEED = math.log(20.0)
GITSLO, NAIVE = "gitslo", "threshold at the end"
RULES = (GITSLO, NAIVE, "threshold, every 10 s", "Flagger", "Argo Rollouts", "fixed size")
_HORIZONS = (70, 200)
"""Seconds after which only undecided runs are looked at further; it changes no verdict and saves most of the time."""
_BATCH = 250
_CHECKS = 5


@dataclass(frozen=True)
class Verdicts:
    """Of many runs.

    Attributes:
        verdict: 1 pass, -1 fail, 0 undecided.
        seen: requests or samples counted by then.
    """

    verdict: np.ndarray
    seen: np.ndarray


def play(runs: Requests | Gauges, limit: float) -> Iterator[tuple[str, Verdicts]]:
    """Every rule on these runs."""
    if isinstance(runs, Gauges):
        yield GITSLO, _gitslo_mean(runs.samples, limit)
        yield from _others(runs.samples, np.ones(runs.samples.shape[1], dtype=np.int64), limit, SCRAPE, _fixed_mean)
        return
    yield GITSLO, _gitslo(runs, limit)
    bad, total = runs.bad, runs.total
    if runs.late > 1:
        # What hangs is seen by those who count what has ended when it has ended.
        bad = np.concatenate([np.zeros((len(bad), runs.late), dtype=bad.dtype), bad[:, : -runs.late]], axis=1)
    yield from _others(bad, total, limit, 1, _fixed_counts)


# --------------------------------------------------------------------------- gitslo


def _gitslo(runs: Requests, limit: float) -> Verdicts:
    return _judged(runs.total[runs.judged :], runs.bad[:, runs.judged :], limit)


def from_the_start(runs: Requests, limit: float) -> Verdicts:
    """What gitslo would say if it judged ramps as well."""
    return _judged(runs.total, runs.bad, limit)


def _judged(total: np.ndarray, bad: np.ndarray, limit: float) -> Verdicts:
    verdict, look = np.zeros(len(bad), dtype=int), np.full(len(bad), len(total) - 1)
    left = np.arange(len(bad))
    for end in (*_HORIZONS, len(total)):
        rows = Rows(np.zeros(end, dtype=np.int64), np.arange(end), total[:end])
        for batch in range(0, len(left), _BATCH):
            which = left[batch : batch + _BATCH]
            found = decide_counts(rows, bad[which, :end], limit, need_fail=NEED, need_pass=NEED)
            verdict[which], look[which] = _first(found, MIN_DURATION, end)
        left = left[verdict[left] == 0]
    return Verdicts(verdict, total.cumsum()[look])


def _first(found: Decisions, least: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    passes = found.passes & (np.arange(1, size + 1) >= least)
    decided = found.fails | passes
    some = decided.any(axis=1)
    look = np.where(some, decided.argmax(axis=1), size - 1)
    run = np.arange(len(look))
    return np.where(~some, 0, np.where(found.fails[run, look], -1, 1)), look


def _gitslo_mean(samples: np.ndarray, limit: float) -> Verdicts:
    verdict, look = np.zeros(len(samples), dtype=int), np.full(len(samples), samples.shape[1] - 1)
    left = np.arange(len(samples))
    for end in (150, 400, samples.shape[1]):
        for batch in range(0, len(left), _BATCH):
            which = left[batch : batch + _BATCH]
            found = decide_means([samples[which, :end]], limit, low=0.0, high=1.0, need_fail=NEED, need_pass=NEED)
            verdict[which], look[which] = _first(found, MIN_DURATION // SCRAPE, end)
        left = left[verdict[left] == 0]
    return Verdicts(verdict, look + 1)


# --------------------------------------------------------------------------- others


def _others(
    bad: np.ndarray,
    total: np.ndarray,
    limit: float,
    row: int,
    fixed: Callable[[np.ndarray, np.ndarray, float], Verdicts],
) -> Iterator[tuple[str, Verdicts]]:
    """Rows of `row` seconds; of a gauge `bad` is the sum of its samples."""
    summed, seen = bad.cumsum(axis=1), total.cumsum()
    above = summed > limit * seen * (1 + 1e-12)
    size = len(total)
    yield NAIVE, Verdicts(np.where(above[:, -1], -1, 1), np.full(len(bad), seen[-1]))
    looks = np.arange(max(1, MIN_DURATION // row), size + 1, max(1, 10 // row)) - 1
    tripped = above[:, looks]
    some = tripped.any(axis=1)
    at = np.where(some, looks[tripped.argmax(axis=1)], size - 1)
    yield RULES[2], Verdicts(np.where(some, -1, 1), seen[at])
    every = 60 // row
    checks = size // every
    minutes = bad[:, : checks * every].reshape(len(bad), checks, every).sum(axis=2)
    failed = minutes > limit * total[: checks * every].reshape(checks, every).sum(axis=1) * (1 + 1e-12)
    ends = seen[np.arange(1, checks + 1) * every - 1]
    yield "Flagger", _checked(failed.cumsum(axis=1) >= _CHECKS, (~failed).cumsum(axis=1) >= _CHECKS, ends)
    measured = np.arange(1, checks + 1) >= _CHECKS
    yield "Argo Rollouts", _checked(failed.cumsum(axis=1) > 0, np.broadcast_to(measured, failed.shape), ends)
    yield "fixed size", fixed(summed, seen, limit)


def _checked(fails: np.ndarray, passes: np.ndarray, seen: np.ndarray) -> Verdicts:
    decided = fails | passes
    some, first = decided.any(axis=1), decided.argmax(axis=1)
    run = np.arange(len(fails))
    return Verdicts(np.where(~some, 0, np.where(fails[run, first], -1, 1)), seen[np.where(some, first, len(seen) - 1)])


@cache
def size_and_most(limit: float) -> tuple[int, int]:
    """The fewest requests, whole seconds of them, and the most bad ones with which they pass."""
    for seconds in range(1, 10_000):
        total = seconds * RATE
        most = int(binom.ppf(1 - ALPHA, total, limit))
        if binom.cdf(most, total, 2 * limit) <= BETA:
            return total, most
    raise AssertionError(limit)


def _fixed_counts(summed: np.ndarray, seen: np.ndarray, limit: float) -> Verdicts:
    total, most = size_and_most(limit)
    at = int(np.searchsorted(seen, total))
    # Of a ramp the requests are not 200 in every second: the same share of them.
    return Verdicts(np.where(summed[:, at] > most / total * seen[at], -1, 1), np.full(len(summed), seen[at]))


def _fixed_mean(summed: np.ndarray, seen: np.ndarray, limit: float) -> Verdicts:
    z = float(norm.ppf(1 - ALPHA) + norm.ppf(1 - BETA))
    total = max(2, math.ceil((z * GAUGE_DEVIATION / limit) ** 2))
    most = limit + float(norm.ppf(1 - ALPHA)) * GAUGE_DEVIATION / math.sqrt(total)
    return Verdicts(np.where(summed[:, total - 1] > most * seen[total - 1], -1, 1), np.full(len(summed), total))
