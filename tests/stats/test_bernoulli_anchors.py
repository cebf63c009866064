from __future__ import annotations

import math

import pytest

from gitslo.core.stats import log_e_fail, log_e_pass

# Computed once with mpmath at 50 digits, the share taken as the nearest double: the definition, with
# the tail below the mean as its hypergeometric series (DLMF 8.17.8) and the other tail as its complement.
FIFTY_DIGITS = [
    (10_020_000, 10**9, 0.01, 9.66716983998309983, -10.6267335694629469),
    (9_980_000, 10**9, 0.01, -13.3132911495535092, 12.3804362353946015),
    (11_000_000, 10**9, 0.01, 48906.6769575293091, -14.5153661078720767),
]


@pytest.mark.parametrize(("bad", "total", "limit", "against", "towards"), FIFTY_DIGITS)
def test_fifty_digits(bad, total, limit, against, towards) -> None:
    """At a billion requests within 1e-6 of high precision, and as exact relatively where log E is large."""
    assert (against, towards) == pytest.approx(
        (log_e_fail(bad, total, limit), log_e_pass(bad, total, limit)), abs=1e-6, rel=1e-12
    )


@pytest.mark.parametrize("total", [1, 10, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("limit", [0.001, 0.01, 0.05, 0.3])
def test_the_sign_is_right_far_from_the_limit(total, limit) -> None:
    """All bad speaks for a fail, all good for a pass, at every size; neither tail is clamped."""
    signs = [
        log_e_fail(total, total, limit) > 0 > log_e_pass(total, total, limit),
        log_e_pass(0, total, limit) > 0 > log_e_fail(0, total, limit),
    ]

    assert [True, True] == signs


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.05, 0.3])
def test_a_clean_service_proves_more_with_every_request(limit) -> None:
    """From one request to a billion log E_pass of no bad request only grows, and log E_fail only falls."""
    sizes = [2**power for power in range(30)]
    towards = [log_e_pass(0, total, limit) for total in sizes]
    against = [log_e_fail(0, total, limit) for total in sizes]

    assert (sorted(towards), sorted(against, reverse=True)) == (towards, against)
    assert all(map(math.isfinite, (*towards, *against)))
