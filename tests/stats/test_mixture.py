"""The numbers of confseq come from its `test/uniform_boundaries_unittest.cpp`, which has them from a program in R.

There the mixture is two-sided and its prior depends on the share p that is tested: with g = p and h = 1 - p the
prior on the chance of a hit is Beta(r / h, r / g). Cut at p, its halves are our two tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc

from gitslo.core.stats import UNIFORM, log_e_above, log_e_below, log_e_fail, log_e_pass

LIMITS = (0.0001, 0.01, 0.05, 0.5, 0.9)


def tuned(v_opt: float, alpha: float) -> float:
    """The mixture's rho that is tightest at intrinsic time `v_opt`."""
    return v_opt / (2 * math.log(1 / alpha) + math.log(1 + 2 * math.log(1 / alpha)))


def prior(p: float, rho: float) -> tuple[float, float]:
    r = max(rho - p * (1 - p), 1e-3 * p * (1 - p))
    return r / (1 - p), r / p


def two_sided(hits: float, total: float, p: float, rho: float) -> float:
    a, b = prior(p, rho)
    below = float(betainc(a, b, p))
    one, two = log_e_above(hits, total, p, (a, b)), log_e_below(hits, total, p, (a, b))
    most = max(one, two)
    return most + math.log((1 - below) * math.exp(one - most) + below * math.exp(two - most))


def turning(inside: float, outside: float, excluded: Callable[[float], bool]) -> float:
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if excluded(middle) else (middle, outside)
    return inside


def test_confseqs_two_sided_mixture() -> None:
    """beta_binomial_log_mixture(10, 100, g=.2, h=.8), two-sided and one-sided."""
    both = two_sided(135, 625, 0.2, tuned(100, 0.05))
    one = log_e_above(135, 625, 0.2, prior(0.2, tuned(100, 0.1)))

    assert (-0.6941012, -0.07134019) == pytest.approx((both, one), abs=1e-6)


def test_confseqs_mixture_bounds() -> None:
    """beta_binomial_mixture_bound(100, g=.2, h=.8): the sum at which the e-value is 20, two-sided and one-sided."""
    need = math.log(20)
    rho, single = tuned(100, 0.05), prior(0.2, tuned(100, 0.1))
    both = turning(0, 100, lambda s: two_sided(125 + s, 625, 0.2, rho) >= need)
    one = turning(0, 100, lambda s: log_e_above(125 + s, 625, 0.2, single) >= need)

    assert (31.4308, 28.41238) == pytest.approx((both, one), abs=1e-4)


@pytest.mark.parametrize(
    ("hits", "total", "t_opt", "expected"),
    [
        (700, 1000, 100, (0.651629, 0.745949)),
        (15, 50, 50, (0.129556, 0.511896)),
        (5, 50, 50, (0.013021, 0.269264)),
        (1, 50, 50, (0.0, 0.13489)),
        (100, 200, 1, (0.328923, 0.671076)),
        (1, 2, 50, (0.0, 1.0)),
        (0, 1, 50, (0.0, 1.0)),
    ],
)
def test_confseqs_bernoulli_intervals(hits, total, t_opt, expected) -> None:
    """bernoulli_confidence_interval at 5 %: the shares that the two-sided mixture, tuned for each, has not excluded."""
    need = math.log(20)

    def excluded(p: float) -> bool:
        return two_sided(hits, total, p, tuned(t_opt * p * (1 - p), 0.05)) >= need

    inside = min(max(hits / total, 1e-6), 1 - 1e-6)
    low = turning(inside, 1e-6, excluded) if excluded(1e-6) else 0.0
    high = turning(inside, 1 - 1e-6, excluded) if excluded(1 - 1e-6) else 1.0

    assert expected == pytest.approx((low, high), abs=2e-6)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (3, 10), (50, 100), (7, 400), (500, 1000)])
def test_both_halves_of_a_uniform_prior_have_a_closed_form(hits, total) -> None:
    """Half of each direction's e-value at 1/2 is 2^n / ((n + 1) C(n, k))."""
    halves = [math.exp(test(hits, total, 0.5, UNIFORM)) / 2 for test in (log_e_above, log_e_below)]
    expected = math.exp(total * math.log(2) - math.log(total + 1) - math.log(math.comb(total, hits)))

    assert expected == pytest.approx(sum(halves), rel=1e-9)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(LIMITS))
def test_whole_counts_are_those_of_the_plain_test(one, two, limit) -> None:
    """Without another prior it is the test that judges whole counts."""
    bad, total = min(one, two), max(one, two)

    plain = log_e_fail(bad, total, limit), log_e_pass(bad, total, limit)

    assert plain == pytest.approx(
        (log_e_above(bad, total, limit), log_e_below(bad, total, limit)), abs=1e-11, rel=1e-12
    )


@given(st.floats(0, 1000), st.floats(0, 1000), st.sampled_from(LIMITS))
def test_fractions_lie_between_their_neighbours(hits, misses, limit) -> None:
    """A fraction of a hit speaks for more than none and for less than a whole one."""
    total = hits + misses + 1

    assert log_e_above(hits, total, limit) < log_e_above(hits + 0.5, total, limit) < log_e_above(hits + 1, total, limit)


def test_the_ends_of_the_scale() -> None:
    """At 0 the first hit is infinitely strong, at 1 nothing is; no trial is no evidence."""
    assert [math.inf, 0.0, 0.0, -math.inf] == [
        log_e_above(0.1, 5, 0.0),
        log_e_above(0, 0, 0.3),
        log_e_above(5, 5, 1.0),
        log_e_above(4, 5, 1.0),
    ]
    assert log_e_above(0, 5, 0.0) < 0


@pytest.mark.parametrize(
    ("hits", "total", "share", "weights"),
    [
        (-1, 1, 0.1, UNIFORM),
        (2, 1, 0.1, UNIFORM),
        (math.nan, 1, 0.1, UNIFORM),
        (0, math.inf, 0.1, UNIFORM),
        (0, 1, 1.1, UNIFORM),
        (0, 1, math.nan, UNIFORM),
        (0, 1, 0.1, (0.0, 1.0)),
    ],
)
@pytest.mark.parametrize("test", [log_e_above, log_e_below])
def test_what_is_out_of_range_is_an_error(test, hits, total, share, weights) -> None:
    """Counts, shares and priors out of range are a mistake of the caller, never a number."""
    with pytest.raises(ValueError, match=r"must satisfy|from 0 to 1|positive parameters"):
        test(hits, total, share, weights)
