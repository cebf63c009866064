from __future__ import annotations

import math
import random
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.stats import log_e_fail, log_e_pass
from gitslo.core.stats.bernoulli import _beta_above, _fraction
from tests.stats import precise

LIMITS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.9)


@pytest.mark.parametrize(
    ("test", "bad", "total", "limit", "expected"),
    [
        (log_e_fail, 3, 100, 0.01, 0.300746),
        (log_e_pass, 0, 400, 0.01, 24.5239),
        (log_e_pass, 30, 1000, 0.05, 23.18),
        (log_e_fail, 70, 1000, 0.05, 1.267),
    ],
)
def test_published_anchors(test, bad, total, limit, expected) -> None:
    """The e-values that the specification prints."""
    assert expected == pytest.approx(math.exp(test(bad, total, limit)), rel=2e-4)


@pytest.mark.parametrize(("limit", "clean"), [(0.1, 36), (0.05, 74), (0.01, 377), (0.005, 756), (0.001, 3787)])
def test_clean_requests_that_prove_a_limit(limit, clean) -> None:
    """The published sample sizes: so many clean requests pass at 95 %, one fewer does not."""
    need = math.log(20)

    assert log_e_pass(0, clean, limit) >= need > log_e_pass(0, clean - 1, limit)


def test_far_tails_are_not_clamped() -> None:
    """2,000 bad of 1,000,000 against 1 % speak against a fail; clamping an underflow once said e^4115 for it."""
    assert log_e_fail(2000, 10**6, 0.01) == pytest.approx(float(precise.log_e_fail(2000, 10**6, 0.01)), abs=1e-9)
    assert log_e_fail(2000, 10**6, 0.01) < -12
    assert log_e_pass(2000, 10**6, 0.01) > 4000


def _cases() -> list[tuple[int, int, float]]:
    chosen = random.Random(20).random  # noqa: S311 - a seeded simulation
    cases = []
    for limit in LIMITS:
        for _ in range(12):
            total = int(10 ** ((6 if limit >= 0.005 else 4) * chosen()))
            sigma = math.sqrt(total * limit * (1 - limit))
            bad = round(total * limit + (24 * chosen() - 12) * sigma)
            cases.append((min(total, max(0, bad)), total, limit))
        cases += [(0, 1, limit), (1, 1, limit), (0, 50_000, limit), (300, 300, limit)]
    return cases


@pytest.mark.heavy
@pytest.mark.parametrize("limit", LIMITS)
def test_agrees_with_sixty_digits(limit) -> None:
    """Within 1e-6 of high-precision arithmetic wherever |log E| is at most 50, and relatively beyond."""
    for bad, total, at in _cases():
        if at != limit:
            continue
        for ours, theirs in ((log_e_fail, precise.log_e_fail), (log_e_pass, precise.log_e_pass)):
            found, exact = ours(bad, total, limit), float(theirs(bad, total, limit))

            assert exact == pytest.approx(found, abs=1e-6 if abs(exact) <= 50 else 1e-9 * abs(exact)), (bad, total)


@pytest.mark.parametrize(("bad", "limit"), [(940_300, 0.01), (1_030_000, 0.01), (5_023_973, 0.05), (10_033_000, 0.1)])
def test_holds_at_a_hundred_million(bad, limit) -> None:
    """Beyond any run's size the same accuracy: nothing large is subtracted from anything large."""
    for ours, theirs in ((log_e_fail, precise.log_e_fail), (log_e_pass, precise.log_e_pass)):
        assert float(theirs(bad, 10**8, limit)) == pytest.approx(ours(bad, 10**8, limit), abs=1e-6)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(LIMITS))
def test_every_count_has_a_value(one, two, limit) -> None:
    """Up to a billion requests both directions are finite, and they never both reach a decision at 95 %."""
    bad, total = min(one, two), max(one, two)
    against, towards = log_e_fail(bad, total, limit), log_e_pass(bad, total, limit)

    assert math.isfinite(against)
    assert math.isfinite(towards)
    assert min(against, towards) < math.log(20)


def test_the_fraction_agrees_with_the_central_formula() -> None:
    """Both ways to a tail give the same number where both can be walked."""
    for x, y, p in ((400.5, 9600.5, 0.06), (3.5, 2000.5, 0.02), (4_000_000.5, 6_000_000.5, 0.402)):
        central = _beta_above(p, 1 - p, x, y)
        tail = y * math.log1p(-p) + x * math.log(p) + math.log(_fraction(1 - p, y, x) / y)
        tail -= math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

        assert math.log(central) == pytest.approx(tail, abs=1e-7)


def test_one_hit_has_a_closed_form() -> None:
    """For one request against 1/2: E = (B(3/2, 1/2) - B_half) / (1/2 * half of pi), by exact integration."""
    # The integral of t^(1/2) (1-t)^(-1/2) over [1/2, 1] is pi/4 + 1/2; the prior's over it is pi/2.
    expected = math.log((math.pi / 4 + 0.5) / (math.pi / 2) / 0.5)

    assert expected == pytest.approx(log_e_fail(1, 1, 0.5), abs=1e-12)


@given(st.integers(0, 60), st.sampled_from((0.01, 0.05, 0.3)))
def test_it_is_a_fair_bet_at_the_limit(total, limit) -> None:
    """At the limit itself the e-value's expectation is one, summed over all outcomes: no free evidence."""
    for test in (log_e_fail, log_e_pass):
        mean = math.fsum(
            math.comb(total, bad) * limit**bad * (1 - limit) ** (total - bad) * math.exp(test(bad, total, limit))
            for bad in range(total + 1)
        )

        assert mean == pytest.approx(1.0, abs=1e-9)


@given(st.integers(1, 60), st.sampled_from((0.05, 0.3)), st.floats(0.0, 1.0))
def test_it_loses_on_the_right_side_of_the_limit(total, limit, where) -> None:
    """Below the limit E_fail, above it E_pass, is expected to shrink: the null hypothesis is composite."""
    for test, share in ((log_e_fail, limit * where), (log_e_pass, limit + (1 - limit) * where)):
        mean = math.fsum(
            math.comb(total, bad) * share**bad * (1 - share) ** (total - bad) * math.exp(test(bad, total, limit))
            for bad in range(total + 1)
        )

        assert mean <= 1.0 + 1e-9


@given(st.integers(1, 5000), st.integers(0, 5000), st.sampled_from(LIMITS))
def test_more_bad_requests_speak_more_for_a_fail(total, bad, limit) -> None:
    """Monotone in the bad requests, in opposite directions."""
    bad = min(bad, total - 1)

    assert log_e_fail(bad, total, limit) < log_e_fail(bad + 1, total, limit)
    assert log_e_pass(bad, total, limit) > log_e_pass(bad + 1, total, limit)


def _wrong(test, share: float, limit: float, runs: int, seed: int) -> int:
    """How many of the runs decide wrongly at any of 2,000 looks."""
    draw = random.Random(seed).random  # noqa: S311 - a seeded simulation
    needed = math.log(20)
    known: dict[tuple[int, int], bool] = {}
    wrong = 0
    for _ in range(runs):
        bad = 0
        for total in range(1, 2001):
            bad += draw() < share
            if total % 10:
                continue
            key = (bad, total)
            if key not in known:
                known[key] = test(bad, total, limit) >= needed
            if known[key]:
                wrong += 1
                break
    return wrong


def test_a_service_at_its_limit_rarely_fails() -> None:
    """Looking 200 times at a service that sits exactly at its limit fails it in at most 5 % of runs."""
    runs = 300

    assert _wrong(log_e_fail, 0.05, 0.05, runs, seed=1) <= _slack(runs)


def test_a_service_at_its_limit_rarely_passes() -> None:
    """And passes it in at most 5 % of runs."""
    runs = 300

    assert _wrong(log_e_pass, 0.05, 0.05, runs, seed=2) <= _slack(runs)


def test_a_naive_threshold_would_have_failed_it() -> None:
    """The same runs under the naive rule: nearly all trip. This shows that the simulation can find an error."""
    assert _wrong(lambda bad, total, limit: 100 * (total >= 100 and bad / total > limit), 0.05, 0.05, 100, seed=1) > 70


def _slack(runs: int) -> int:
    """The most wrong runs that a true rate of 5 % gives in all but one of a thousand experiments."""
    rate, left, most = Fraction(1, 20), Fraction(1), -1
    while left > Fraction(1, 1000):
        most += 1
        left -= math.comb(runs, most) * rate**most * (1 - rate) ** (runs - most)
    return most


@pytest.mark.parametrize("test", [log_e_fail, log_e_pass])
def test_no_request_is_no_evidence(test) -> None:
    """Without a request the e-value is one."""
    assert [test(0, 0, limit) for limit in (0.0, 0.01, 1.0)] == [0.0, 0.0, 0.0]


def test_the_ends_of_the_scale() -> None:
    """Against a limit of 0 the first bad request decides, and nothing proves it; likewise a limit of 100 %."""
    assert log_e_fail(1, 10, 0.0) == math.inf
    assert log_e_fail(0, 10, 0.0) < 0
    assert log_e_pass(0, 10**6, 0.0) == 0.0
    assert log_e_pass(1, 10, 0.0) == -math.inf
    assert log_e_fail(10, 10, 1.0) == 0.0
    assert log_e_pass(9, 10, 1.0) == math.inf


@pytest.mark.parametrize(("bad", "total", "limit"), [(-1, 1, 0.1), (2, 1, 0.1), (0, 1, -0.1), (0, 1, 1.1)])
@pytest.mark.parametrize("test", [log_e_fail, log_e_pass])
def test_impossible_counts_are_an_error(test, bad, total, limit) -> None:
    """Counts and limits out of range are a mistake of the caller, never a number."""
    with pytest.raises(ValueError, match=r"must satisfy|share from 0 to 1"):
        test(bad, total, limit)


def test_scipy_is_imported_when_a_number_is_asked_for() -> None:
    """Importing the package costs nothing."""
    code = "import gitslo.core.stats, sys; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
