from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence

import pytest

from gitslo.core.stats import (
    UNIFORM,
    Histogram,
    QuantileBounds,
    compare_quantiles,
    log_e_above,
    log_e_below,
    log_e_not_worse,
    log_e_worse,
    quantile_bounds,
)
from tests.stats.simulated import most

NEED = math.log(20)
EDGES = tuple(0.002 * 1.08**step for step in range(100))


def test_the_published_anchor() -> None:
    """Eight of ten errors are the candidate's, at equal traffic and with a uniform prior: 4.00202."""
    assert 4.00202 == pytest.approx(math.exp(log_e_worse(8, 2)), abs=5e-6)


def test_traffic_and_factor_move_the_share() -> None:
    """With a ninth of the baseline's traffic and three times its rate allowed, a quarter of the errors may be ours."""
    assert [log_e_above(9, 21, 0.25, UNIFORM), log_e_below(9, 21, 0.25, UNIFORM)] == pytest.approx(
        [log_e_worse(9, 12, ratio=1 / 9, factor=3), log_e_not_worse(9, 12, ratio=1 / 9, factor=3)]
    )


def test_no_errors_say_nothing() -> None:
    """Two services without an error have not shown which is worse."""
    assert (0.0, 0.0) == (log_e_worse(0, 0), log_e_not_worse(0, 0))


@pytest.mark.parametrize(
    ("candidate", "baseline", "ratio", "factor"),
    [(-1, 1, 1, 1), (1, -1, 1, 1), (math.nan, 1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1, 1, math.inf, 1)],
)
@pytest.mark.parametrize("test", [log_e_worse, log_e_not_worse])
def test_numbers_out_of_range_are_an_error(test, candidate, baseline, ratio, factor) -> None:
    """Numbers of errors are not negative; ratio and factor are positive."""
    with pytest.raises(ValueError, match=r"not negative|positive numbers"):
        test(candidate, baseline, ratio=ratio, factor=factor)


def alarms(share: float, test: Callable[[int, int], float], runs: int, errors: int, seed: int) -> int:
    """Runs in which the test decides at any error; `share` is the chance that an error is the candidate's."""
    draw = random.Random(seed)  # noqa: S311 - a seeded simulation
    found = 0
    for _ in range(runs):
        candidate = 0
        for seen in range(1, errors + 1):
            candidate += draw.random() < share
            if test(candidate, seen - candidate) >= NEED:
                found += 1
                break
    return found


@pytest.mark.heavy
def test_equal_rates_rarely_alarm() -> None:
    """Looking at every one of 400 errors, at most 5 % of the runs with equal rates say "worse", and "not worse"."""
    runs = 200

    assert alarms(0.5, log_e_worse, runs, 400, 1) <= most(runs, 0.05)
    assert alarms(0.5, log_e_not_worse, runs, 400, 2) <= most(runs, 0.05)


@pytest.mark.heavy
def test_twice_the_rate_is_found() -> None:
    """Twice the baseline's rate is found within 400 errors; allowed twice, it is not."""
    assert alarms(2 / 3, log_e_worse, 40, 400, 3) == 40
    allowed = alarms(2 / 3, lambda one, two: log_e_worse(one, two, factor=2), 200, 400, 4)
    assert allowed <= most(200, 0.05)


# --------------------------------------------------------------------------- quantiles


def counted(latencies: Sequence[float], edges: Sequence[float] = EDGES) -> Histogram:
    """Latencies as the engine's histogram has them."""
    counts = [0] * (len(edges) + 1)
    for latency in latencies:
        counts[bisect_left(edges, latency)] += 1
    return Histogram(tuple(edges), tuple(counts[:-1]), counts[-1])


def test_bounds_are_where_the_tests_turn() -> None:
    """Proven are too small a share at the lower bound and a large enough one at the upper; at no edge between."""
    sample = Histogram((1.0, 2.0, 3.0, 4.0, 5.0), (700, 200, 50, 20, 20), beyond=10)
    found = quantile_bounds(sample, 0.95, 0.05)
    below = dict(zip(sample.edges, (700, 900, 950, 970, 990), strict=True))

    assert QuantileBounds(2.0, 4.0) == found
    assert log_e_below(below[2.0], 1000, 0.95) >= NEED > log_e_below(below[3.0], 1000, 0.95)
    assert log_e_above(below[4.0], 1000, 0.95) >= NEED > log_e_above(below[3.0], 1000, 0.95)


def test_without_evidence_nothing_is_excluded() -> None:
    """No request, no edge, or too few requests: anything is possible; failed requests are beyond every edge."""
    everything = QuantileBounds(0.0, math.inf)

    assert [everything] * 3 == [
        quantile_bounds(sample, 0.95, 0.05)
        for sample in (Histogram((), ()), Histogram((1.0,), (0,)), Histogram((1.0,), (20,)))
    ]
    assert QuantileBounds(1.0, math.inf) == quantile_bounds(Histogram((1.0,), (0,), beyond=50), 0.95, 0.05)


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_bounds_hold_the_quantile(quantile) -> None:
    """Looked at every 20 requests, each bound is ever wrong in at most 5 % of runs."""
    runs, wrong = 150, [0, 0]
    true = 0.05 * math.exp(0.6 * {0.5: 0.0, 0.95: 1.6448536}[quantile])
    # Edges on both sides of the quantile and at it, where exclusion is nearest to an error.
    edges = (true * 0.8, true * 0.97, true, true * 1.03, true * 1.2)
    draw = random.Random(8)  # noqa: S311 - a seeded simulation
    for _ in range(runs):
        counts, off = [0] * 6, [False, False]
        for seen in range(1, 1001):
            counts[bisect_left(edges, draw.lognormvariate(math.log(0.05), 0.6))] += 1
            if seen % 20 == 0:
                found = quantile_bounds(Histogram(edges, tuple(counts[:-1]), counts[-1]), quantile, 0.05)
                off[0] |= found.low >= true
                off[1] |= found.high < true
        wrong = [before + now for before, now in zip(wrong, off, strict=True)]

    assert max(wrong) <= most(runs, 0.05)


def test_equal_latencies_are_never_told_apart_often() -> None:
    """Two samples of one distribution: "worse" in at most 5 % of runs, "not worse" too, looked at every 100."""
    runs, worse, better = 60, 0, 0
    draw = random.Random(9)  # noqa: S311 - a seeded simulation
    for _ in range(runs):
        one, two = ([draw.lognormvariate(-3, 0.6) for _ in range(1000)] for _ in range(2))
        said = [
            compare_quantiles(counted(one[:seen]), counted(two[:seen]), 0.9, alpha=0.05, beta=0.05).worse
            for seen in range(100, 1001, 100)
        ]
        worse, better = worse + (True in said), better + (False in said)

    assert max(worse, better) <= most(runs, 0.05)


def test_a_slower_candidate_is_found() -> None:
    """One half slower is worse, and not worse than twice as slow."""
    draw = random.Random(10)  # noqa: S311 - a seeded simulation
    fast = counted([draw.lognormvariate(-3, 0.4) for _ in range(10_000)])
    slow = counted([draw.lognormvariate(-3, 0.4) * 1.5 for _ in range(10_000)])

    assert [True, False, False, None] == [
        compare_quantiles(slow, fast, 0.95, alpha=0.05, beta=0.05).worse,
        compare_quantiles(slow, fast, 0.95, alpha=0.05, beta=0.05, factor=2).worse,
        compare_quantiles(fast, slow, 0.95, alpha=0.05, beta=0.05).worse,
        compare_quantiles(fast, fast, 0.95, alpha=0.05, beta=0.05).worse,
    ]


def test_it_is_tighter_than_a_band_for_all_quantiles() -> None:
    """Half its width in probability is below the .082 of the time-uniform band at 1,000 requests, at every quantile."""
    edges = tuple(step / 1000 for step in range(1, 1001))
    sample = Histogram(edges, (1,) * 1000)
    widths = [
        max(quantile - found.low, found.high - quantile)
        for quantile in (0.5, 0.9, 0.95, 0.99)
        for found in [quantile_bounds(sample, quantile, 0.025)]
    ]

    assert max(widths) < 0.082
    assert max(widths[2:]) < 0.03


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: Histogram((1.0,), (1, 2)),
        lambda: Histogram((2.0, 1.0), (1, 2)),
        lambda: Histogram((1.0, math.inf), (1, 2)),
        lambda: Histogram((1.0,), (-1,)),
        lambda: Histogram((1.0,), (1,), beyond=-1),
        lambda: quantile_bounds(Histogram((), ()), 1.0, 0.05),
        lambda: quantile_bounds(Histogram((), ()), 0.5, 0.0),
        lambda: compare_quantiles(Histogram((), ()), Histogram((), ()), 0.5, alpha=0.05, beta=0.05, factor=0),
    ],
)
def test_what_is_out_of_range_is_an_error(mistake) -> None:
    """Edges ascend, counts are not negative, and a quantile, an error rate and a factor are what their names say."""
    with pytest.raises(ValueError, match=r"edges|not negative|between 0 and 1|positive number"):
        mistake()
