"""Counters that are scraped: resets, holes, late scrapes, what begins and what ends."""

from __future__ import annotations

import pytest

from gitslo.core.counters import Counter, Gained, begun, gains, silent, together

A, B = ("shop", "a"), ("shop", "b")
WINDOWS = ((60.0, 120.0), (120.0, 180.0), (180.0, 240.0))


def counter(*values, name="c", process=A, start=0.0, every=15.0):
    """Scraped every 15 s; None is no number, and a missing scrape is `...`."""
    samples = [
        (start + every * index, None if value is None else (float(value),))
        for index, value in enumerate(values)
        if value is not ...
    ]
    return Counter(name, process, together(samples))


def steady(per=1, count=20, **more):
    return counter(*(per * each for each in range(count)), **more)


def told(found):
    """(most, certain) of each window, or why there is none."""
    return [each.unknown or (*each.most, *each.certain) for each in found]


def gained(*counters, windows=WINDOWS, **more):
    return told(gains(counters, windows, every=15.0, **more))


def test_increases_are_added_up() -> None:
    """Over all counters, window by window."""
    assert [(12, 12)] * 3 == gained(steady(1), steady(2, name="d", process=B))


def test_a_reset_counts_from_zero() -> None:
    """The counter that began again has counted what it says."""
    values = [*range(100, 106), *range(3, 20)]

    assert [(6, 6), (4, 4), (4, 4)] == gained(counter(*values))


def test_what_begins_began_at_zero_and_not_for_certain() -> None:
    """What it had at its first sample is most likely of this window, and is counted as such."""
    new = counter(*([...] * 9), 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, name="d")

    assert [(4, 4), (4 + 5 + 3, 4 + 3), (8, 8)] == gained(steady(1), new)


def test_what_was_seen_before_did_not_begin() -> None:
    """A counter that comes back with at least what it had has missed scrapes; with less, it began again."""
    new = counter(*([...] * 9), 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, name="d")

    assert "scrapes of d are missing" == gained(steady(1), new, earlier={"d": 5.0})[1]
    assert (4 + 5 + 3, 4 + 3) == gained(steady(1), new, earlier={"d": 6.0})[1]


def test_which_begin_has_to_be_asked_about() -> None:
    """Only those without a sample at or before the first window's start."""
    old, new = steady(1), counter(..., ..., ..., ..., ..., 1, 2, name="d")

    assert (new,) == begun((old, new, Counter("e", A, ())), 60.0)


def test_a_missed_scrape_is_a_hole() -> None:
    """Where windows are as short as the interval its window is not known; what was counted in it is in the next."""
    holed = counter(0, 1, 2, ..., 4, 5, 6, 7)
    short = tuple((15.0 * n, 15.0 * (n + 1)) for n in range(1, 6))

    assert [(1, 1), "scrapes of c are missing", (2, 2), (1, 1), (1, 1)] == gained(holed, windows=short)


def test_a_late_scrape_is_none() -> None:
    """One that falls just behind a window's edge: its events are in the next window, and none is lost."""
    times = (14.99, 29.99, 45.01, 60.02, 74.98, 90.0)
    late = Counter("c", A, tuple((at, (float(index),)) for index, at in enumerate(times)))
    short = tuple((15.0 * n, 15.0 * (n + 1)) for n in range(1, 5))

    assert [(1, 1), (0, 0), (1, 1), (2, 2)] == gained(late, windows=short)


def test_no_number_is_not_known() -> None:
    """NaN, from it and to it."""
    assert ["scrapes of c are missing", (4, 4), (4, 4)] == gained(counter(0, 1, 2, 3, 4, 5, None, 7, 8, *range(9, 20)))


def test_the_last_scrape_of_a_window_is_waited_for() -> None:
    """Before something is scraped after its end, a window is not known: its last scrape may still come."""
    assert [(4, 4), "nothing was scraped after the window's end"] == gained(
        counter(*range(9)), windows=((45.0, 105.0), (105.0, 165.0))
    )


def test_nothing_is_not_known() -> None:
    """An empty set, and one that begins later; unless nothing of it is known to mean nothing."""
    assert ["there is no sample of it"] * 3 == gained()
    assert [(0, 0)] * 3 == gained(beside=[steady(1)], absent=(0.0,))
    assert ["nothing was scraped after the window's end"] * 3 == gained(absent=(0.0,))


# --------------------------------------------------------------------------- what ends

ENDED = counter(*range(8), name="d", process=B)
"""The last sample is at 105 s."""


def test_what_ends_while_its_process_is_scraped_has_ended() -> None:
    """Another counter of the same process went on: afterwards it counts nothing."""
    other = steady(1, process=B)

    assert [(4 + 3, 7), (4, 4), (4, 4)] == gained(ENDED, other)
    assert () == silent((ENDED, other), WINDOWS, 15.0)


def test_what_falls_silent_is_not_known() -> None:
    """Nothing says whether the process is still there: its window is not known, nor are those after it."""
    assert "d ended, and nothing says whether it was still there" == gained(steady(1), ENDED)[1]
    assert (B,) == silent((steady(1), ENDED), WINDOWS, 15.0)


def test_a_target_that_is_gone_has_ended() -> None:
    """It was scraped until it was no target any more."""
    up = {B: tuple((15.0 * n, 1.0) for n in range(8))}

    assert [(4 + 3, 7), (4, 4), (4, 4)] == gained(steady(1), ENDED, up=up)


def test_scrapes_that_fail_hide_what_was_counted() -> None:
    """The process is a target and cannot be scraped: that it counts nothing is not known."""
    up = {B: tuple((15.0 * n, 1.0 if n < 8 else 0.0) for n in range(20))}

    assert ["scrapes of d fail", "scrapes of d fail"] == gained(steady(1), ENDED, up=up)[1:]


def test_a_counter_comes_back_after_failed_scrapes() -> None:
    """Known again from the first window that begins with it; what was counted in a long hole is in no window."""
    back = counter(*range(6), *([...] * 7), *range(13, 24), name="d", process=B)
    windows = (*WINDOWS, (240.0, 300.0))

    assert [*["scrapes of d are missing"] * 3, (8, 8)][:3] == gained(steady(1, count=24), back, windows=windows)[:3]
    assert (8, 8) == gained(steady(1, count=24), back, windows=windows)[3]


def test_slower_scrapes_than_configured_are_no_end() -> None:
    """A target that is scraped once a minute is not silent 20 s after a scrape."""
    slow = steady(1, every=60.0)

    assert [(1, 1)] * 3 == gained(slow, windows=WINDOWS)


# --------------------------------------------------------------------------- several components


def test_one_process_is_reset_as_a_whole() -> None:
    """Where the total drops, all of its parts began again, those too that look as if they had not."""
    samples = [(0.0, (100.0, 3.0)), (15.0, (110.0, 4.0)), (30.0, (20.0, 5.0)), (45.0, (30.0, 6.0))]

    assert ((0.0, (100.0, 3.0)), (15.0, (110.0, 4.0)), (30.0, (130.0, 9.0)), (45.0, (140.0, 10.0))) == together(samples)


def test_components_are_kept_apart() -> None:
    """Each window has as many numbers as the counters have."""
    both = Counter("c", A, tuple((15.0 * n, (10.0 * n, 1.0 * n)) for n in range(20)))

    assert (Gained((40.0, 4.0), (40.0, 4.0)),) * 3 == gains((both,), WINDOWS, every=15.0)


@pytest.mark.parametrize("shift", [0.0, 3.0, 7.5, 14.9])
def test_nothing_is_lost_and_nothing_counted_twice(shift: float) -> None:
    """The windows together gained what the counter gained from the first edge's sample to the last one's."""
    moved = steady(7, count=40, start=shift)
    many = tuple((60.0 + 20.0 * n, 80.0 + 20.0 * n) for n in range(12))

    found = gains((moved,), many, every=15.0)
    at = [max(value[0] for when, value in moved.samples if when <= edge) for edge in (60.0, 300.0)]

    assert at[1] - at[0] == sum(each.most[0] for each in found)
