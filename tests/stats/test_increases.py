from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.stats import Increase, increases


def values(samples, *, start=0.0, window=30.0, count=2):
    return [one.value for one in increases(samples, start=start, window=window, count=count)]


def test_windows_on_scrapes_share_the_one_between_them() -> None:
    """The sample at an edge ends one window and begins the next: nothing is lost between them."""
    samples = [(0, 5.0), (15, 7.0), (30, 10.0), (45, 10.0), (60, 14.0)]

    assert (Increase(0, 30, 5.0), Increase(30, 60, 4.0)) == increases(samples, start=0, window=30, count=2)


def test_a_step_across_an_edge_counts_where_it_ends() -> None:
    """Off the scrapes a window begins with the last sample before it."""
    assert [5.0, 4.0] == values([(-2, 5.0), (13, 7.0), (28, 10.0), (43, 10.0), (58, 14.0), (73, 99.0)])


def test_a_drop_is_a_reset() -> None:
    """A restarted counter has gained what it shows, and the window says that it was restarted."""
    samples = [(0, 100.0), (10, 110.0), (20, 3.0), (30, 5.0)]

    assert (Increase(0, 30, 15.0, resets=1),) == increases(samples, start=0, window=30, count=1)


def test_a_counter_that_stands_still_gained_nothing() -> None:
    """Zero where zero is known."""
    assert [0.0, 0.0] == values([(0, 7.0), (30, 7.0), (60, 7.0)])


@pytest.mark.parametrize("bad", [None, math.nan, -1.0, math.inf])
def test_what_is_not_known_is_never_zero(bad) -> None:
    """A sample that is no count makes the windows unknown that it belongs to, and no other."""
    samples = [(at, float(at)) for at in range(0, 121, 10)]
    samples[5] = (50, bad)

    assert [30.0, None, 30.0, 30.0] == values(samples, count=4)
    samples[5], samples[6] = (50, 50.0), (60, bad)
    assert [30.0, None, None, 30.0] == values(samples, count=4)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], [None, None]),
        ([(10, 1.0)], [None, None]),
        ([(0, 1.0)], [None, None]),
        ([(10, 1.0), (20, 2.0)], [None, None]),  # it began within the first window: what was before is not known
        ([(0, 1.0), (30, 2.0)], [1.0, None]),
        ([(0, 1.0), (60, 9.0)], [None, 8.0]),  # nothing ends in the first: the step counts in the second
        ([(-31, 1.0), (30, 2.0), (60, 3.0)], [None, 1.0]),  # a hole before the first
    ],
)
def test_without_two_samples_it_is_unknown(samples, expected) -> None:
    """A window has an increase if one sample begins it, not long before, and another one lies in it."""
    assert expected == values(samples)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=80), st.integers(1, 6), st.floats(0, 1))
def test_windows_add_up(steps, every, offset) -> None:
    """Over windows that follow each other the increases sum to what the counter gained, wherever the edges lie."""
    total, samples = 0, []
    for index, step in enumerate(steps):
        total += step
        samples.append((10.0 * index, float(total)))
    window = 10.0 * every
    count = (len(samples) - 1) // every
    found = increases(samples, start=offset * 9.99, window=window, count=count)
    first, last = 0, max(index for index in range(len(samples)) if 10.0 * index <= offset * 9.99 + count * window)

    assert samples[last][1] - samples[first][1] == pytest.approx(sum(one.value or 0 for one in found))
    assert None not in [one.value for one in found]


def test_resets_never_make_it_negative() -> None:
    """A counter that restarts at random gains in every window, and at most what was counted."""
    draw = random.Random(3)  # noqa: S311 - a seeded simulation
    true, shown, samples = 0, 0, [(0.0, 0.0)]
    for at in range(1, 400):
        shown = 0 if draw.random() < 0.05 else shown
        step = draw.randrange(20)
        true, shown = true + step, shown + step
        samples.append((10.0 * at, float(shown)))
    found = increases(samples, start=0, window=30, count=133)

    assert all(one.value is not None and one.value >= 0 for one in found)
    assert true * 0.9 < sum(one.value or 0 for one in found) <= true


@pytest.mark.parametrize(
    ("samples", "window"),
    [([(0, 1.0), (0, 2.0)], 30), ([(10, 1.0), (0, 2.0)], 30), ([], 0), ([], -1), ([], math.nan)],
)
def test_what_is_out_of_order_is_an_error(samples, window) -> None:
    """Samples come in order, and a window has a length."""
    with pytest.raises(ValueError, match=r"ordered by time|has a length"):
        increases(samples, start=0, window=window, count=1)
