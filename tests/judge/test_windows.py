from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.gather import SECONDS_KEPT, course
from gitslo.core.windows import (
    SAMPLES_KEPT,
    alone,
    beside_load,
    covered,
    due,
    gap,
    longest_wait,
    series,
    tallies,
    watch,
    windows,
)
from gitslo.model import JudgedUnit, JudgePolicy, Plan, Sample, ScoredObjective, Scoring, Seconds, Share
from gitslo.ports import WindowCounts
from tests.judge.plans import HOLD, RAMP, plan, section
from tests.run.scripted_metrics import counts, gauge, histogram, mean, quantile, ratio, share

POLICY = JudgePolicy(max_duration=Seconds(600.0))
EVERY_FIFTEEN = watch(plan(share()), ratio(), Seconds(15.0))


def stretches(*sections: object) -> tuple[tuple[float, float], ...]:
    return beside_load([course(each, POLICY, 0) for each in sections])


def test_windows_are_as_long_as_the_plan_says_else_as_a_scrape() -> None:
    """In whole seconds, of which a count of a window is told; never shorter than one."""
    lengths = [
        watch(plan(share()), ratio(every=every), Seconds(scrape)).every
        for every, scrape in ((None, 15.0), (30.0, 15.0), (2.5, 1.0), (0.2, 1.0), (None, 0.5))
    ]

    assert lengths == [15, 30, 3, 1, 1]


def test_what_is_judged_beside_a_load_is_held() -> None:
    """A section is under its judged load, and no other one is in a ramp or warms up."""
    one = section("a", (HOLD, 10, 40), (RAMP, 20, 10), (HOLD, 20, 50), warmup=5)
    two = section("b", (HOLD, 10, 120), warmup=60)
    three = section("c", (RAMP, 10, 30), (HOLD, 10, 10))

    assert stretches(one) == ((5.0, 40.0), (50.0, 100.0))
    assert stretches(one, two) == ((60.0, 120.0),)
    assert stretches(one, three) == ((30.0, 40.0), (50.0, 100.0))


def test_windows_lie_side_by_side_in_each_stretch() -> None:
    """None reaches over a stretch's end, and each stretch begins with one, at a whole second."""
    assert windows(((5.0, 40.0), (50.5, 81.0)), 10) == (5, 15, 25, 51, 61, 71)


def test_alone_the_first_window_begins_one_window_after_readiness() -> None:
    """What rolled out has settled, and the longest window decides for all."""
    slow = watch(plan(share()), ratio(every=60.0), Seconds(15.0))

    assert alone([EVERY_FIFTEEN, slow], Seconds(600.0)) == ((60.0, 660.0),)


def test_a_window_is_due_one_scrape_after_its_end() -> None:
    """Before, what was counted in it cannot have been seen."""
    assert due((0, 15, 30), EVERY_FIFTEEN, 44.9) == (0,)
    assert due((0, 15, 30), EVERY_FIFTEEN, 45.0) == (0, 15)


def test_the_last_windows_are_waited_for_as_long_as_the_slowest_needs() -> None:
    """One scrape, then two windows or scrapes."""
    slow = watch(plan(share()), ratio(every=60.0), Seconds(15.0))

    assert longest_wait([EVERY_FIFTEEN]) == 45.0
    assert longest_wait([EVERY_FIFTEEN, slow]) == 135.0
    assert longest_wait([]) == 0.0


def test_a_tenth_of_holes_is_the_most() -> None:
    """From the first known window on; what comes before it was not there yet."""
    asked = range(0, 200, 10)
    known = [at for at in asked if at >= 50]

    assert gap(asked, known, "") is None
    assert gap(asked, [at for at in known if at != 90], "") is None
    assert gap(asked, [at for at in known if at not in {90, 190}], "gone") == "2 of 15 windows are not known: gone"
    assert gap(asked, [], "gone") == "nothing is known of it: gone"


def test_holes_are_no_time_that_was_judged() -> None:
    """The rest of a stretch beside its last window counts, but only where nothing was missed."""
    held = ((0.0, 70.0),)

    assert covered(EVERY_FIFTEEN, [0, 15, 30, 45], held, whole=False) == 60.0
    assert covered(EVERY_FIFTEEN, [0, 15, 30, 45], held, whole=True) == 70.0
    assert covered(EVERY_FIFTEEN, [0, 15, 45], held, whole=True) == 45.0
    assert covered(EVERY_FIFTEEN, [], ((0.0, 5.0),), whole=True) == 0.0


def test_a_window_without_events_is_no_row() -> None:
    """Nothing happened in it, which is known and says nothing about a share."""
    found = tallies(plan(share()), EVERY_FIFTEEN, {0: counts(10, 1), 15: counts(0, 0), 30: counts(5, 0)})

    assert [(row.at, row.total, row.bad) for row in found[0].seconds] == [(0, 10, 1), (30, 5, 0)]


def test_a_window_can_be_the_unit() -> None:
    """With `unit: seconds` a window counts once, bad when the limit is broken within it."""
    of = plan(replace(share(), unit=JudgedUnit.SECONDS))
    found = tallies(of, EVERY_FIFTEEN, {0: counts(1000, 10), 15: counts(1000, 11)})

    assert [(row.total, row.bad) for row in found[0].seconds] == [(1, 0), (1, 1)]


def test_every_objective_on_a_metric_has_its_tally() -> None:
    """By its sentence; a metric that is scored has one under its own name."""
    two = plan(share(), share("server_errors < 5%", 0.05))
    scored = replace(two, scoring=Scoring((ScoredObjective("server_errors"),), Share(0.9)))

    assert [tally.objective for tally in tallies(two, EVERY_FIFTEEN, {})] == [
        "server_errors < 1%",
        "server_errors < 5%",
    ]
    assert [tally.objective for tally in tallies(scored, EVERY_FIFTEEN, {})][2:] == ["server_errors"]


def test_a_histogram_has_one_count_per_limit() -> None:
    """Two objectives may share one; what is not certain is `late`."""
    of = plan(quantile("db.p99 < 50ms"), quantile("db.p50 < 10ms", 0.01, 0.5), quantile("db.p95 < 50ms", 0.05, 0.95))
    found = watch(of, histogram(), Seconds(15.0))
    rows = [tally.seconds[0] for tally in tallies(of, found, {0: WindowCounts(9, (5, 3), (4, 1))})]

    assert found.limits == (0.01, 0.05)
    assert [(row.bad, row.late) for row in rows] == [(3, 2), (5, 1), (3, 2)]


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(st.integers(1, 5000))
def test_counts_are_bounded_and_nothing_of_them_is_lost(number: int) -> None:
    """Windows share a count, from the oldest on."""
    found = tallies(plan(share()), EVERY_FIFTEEN, {15 * index: counts(3, 1) for index in range(number)})[0]

    assert len(found.seconds) <= SECONDS_KEPT
    assert (found.total, found.bad) == (3 * number, number)


@pytest.mark.parametrize(("number", "spacing"), [(600, 15.0), (601, 30.0), (1200, 30.0), (1201, 60.0), (5000, 240.0)])
def test_samples_are_bounded_whatever_their_values(number: int, spacing: float) -> None:
    """Every second window is left out until they are few enough, and the spacing says so."""
    of: Plan = plan(mean())
    found = watch(of, gauge(), Seconds(15.0))
    starts = tuple(range(0, 15 * number, 15))
    kept = series(found, starts, {at: float(at) for at in starts})[0]

    assert len(kept.samples) <= SAMPLES_KEPT
    assert kept.every == spacing
    assert [sample.at for sample in kept.samples[:2]] == [15.0, 15.0 + spacing]


def test_samples_are_rounded_before_they_are_judged() -> None:
    """What is stored is what was judged."""
    kept = series(watch(plan(mean()), gauge(), Seconds(15.0)), (0, 15), {0: 1 / 3, 15: 123456789.0})[0]

    assert kept.samples == (Sample(15.0, 0.3333333), Sample(30.0, 123456800.0))
