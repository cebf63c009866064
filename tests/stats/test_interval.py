from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.stats import clean_requests_to_pass, interval, log_e_fail, log_e_pass


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.sampled_from((0.9, 0.95, 0.99)))
def test_the_interval_holds_what_was_measured(one, two, confidence) -> None:
    """The measured share always lies inside, and the ends are shares."""
    bad, total = min(one, two), max(one, two)
    low, high = interval(bad, total, confidence)

    assert 0.0 <= low <= bad / total <= high <= 1.0


@pytest.mark.parametrize(("bad", "total"), [(0, 400), (3, 1000), (70, 1000), (999, 1000), (5000, 10**6)])
def test_the_ends_are_where_the_tests_turn(bad, total) -> None:
    """A limit just outside is excluded by one of the two e-processes, one just inside by neither."""
    need = math.log(2 / 0.05)
    low, high = interval(bad, total, 0.95)

    assert log_e_pass(bad, total, min(1.0, high * 1.0001)) >= need > log_e_pass(bad, total, high * 0.9999)
    if bad:
        assert log_e_fail(bad, total, low * 0.9999) >= need > log_e_fail(bad, total, low * 1.0001)
    else:
        assert low == 0.0


def test_nothing_counted_excludes_nothing() -> None:
    """Without a request every share is possible."""
    assert interval(0, 0, 0.95) == (0.0, 1.0)


@pytest.mark.parametrize(("bad", "total"), [(0, 0), (0, 100), (3, 200), (50, 1000)])
def test_the_missing_clean_requests_are_exact(bad, total) -> None:
    """With so many more clean requests it passes, with one fewer it does not."""
    need = math.log(20)
    more = clean_requests_to_pass(bad, total, 0.01, need)

    assert more is not None
    assert log_e_pass(bad, total + more, 0.01) >= need > log_e_pass(bad, total + more - 1, 0.01)


def test_what_passes_needs_nothing() -> None:
    """Enough is enough; and no number of requests proves a limit of 0."""
    assert clean_requests_to_pass(0, 1000, 0.01, math.log(20)) == 0
    assert clean_requests_to_pass(0, 1000, 0.0, math.log(20)) is None
