"""Arrivals are computed from the stages and from nothing else."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.load.schedule import PoissonSchedule, Schedule, interleave
from gitslo.model import LoadStage, StageForm
from tests.load.jobs import hold, ramp

PROPERTY = settings(derandomize=True, database=None, deadline=None, max_examples=200)
rates = st.floats(0.0, 500.0) | st.integers(0, 500).map(float)
lengths = st.floats(0.01, 8.0) | st.integers(1, 8).map(float)
stages = st.lists(st.builds(LoadStage, st.sampled_from(StageForm), rates, lengths), min_size=1, max_size=5)


@PROPERTY
@given(stages)
def test_the_count_is_the_integral_of_the_rate(given_stages):
    """As many arrivals as the area under the rate, to the nearest whole number."""
    before, area = 0.0, 0.0
    for stage in given_stages:
        low = before if stage.form is StageForm.RAMP else stage.rate
        area += (low + stage.rate) / 2 * stage.duration
        before = stage.rate

    assert abs(Schedule(given_stages).count() - area) <= 0.5 + 1e-6


@PROPERTY
@given(stages)
def test_moments_are_monotone_and_inside(given_stages):
    """Nothing is due before the start, after the end, or before its predecessor."""
    schedule = Schedule(given_stages)
    moments = schedule.moments(0, schedule.count())

    assert len(moments) == schedule.count()
    assert moments == sorted(moments)
    assert all(0.0 <= moment <= schedule.duration + 1e-9 for moment in moments)


@PROPERTY
@given(stages, st.integers(1, 7))
def test_the_union_of_the_shards_is_the_unsharded_schedule(given_stages, shards):
    """Worker w owns arrivals i mod W = w: together they send exactly what one would have sent."""
    schedule = Schedule(given_stages)
    count = schedule.count()
    parts = [schedule.moments(shard, count, shards) for shard in range(shards)]

    assert sorted(moment for part in parts for moment in part) == schedule.moments(0, count)


@PROPERTY
@given(stages, st.lists(st.floats(0.0, 20.0), max_size=3))
def test_blocks_cut_the_schedule_and_lose_nothing(given_stages, edges):
    """Blocks are neighbours, lie in one second each, and cross no edge."""
    schedule = Schedule(given_stages)
    blocks = list(schedule.blocks(edges))

    assert [block.first for block in blocks] == [0, *(block.stop for block in blocks)][: len(blocks)]
    assert (blocks[-1].stop if blocks else 0) == schedule.count()
    for block in blocks:
        moments = schedule.moments(block.first, block.stop)
        assert all(block.start - 1e-6 <= moment <= block.second + 1 + 1e-6 for moment in moments)
        assert not any(block.start + 1e-6 < edge < moments[-1] - 1e-6 for edge in edges if moments[0] < edge - 1e-6)


def test_a_hold_is_even():
    """200/s: one every 5 ms, the first half an interval after the start, 200 in every second."""
    schedule = Schedule([hold(200, 3)])

    assert schedule.moments(0, 3) == pytest.approx([0.0025, 0.0075, 0.0125])
    assert [(block.second, block.stop - block.first) for block in schedule.blocks()] == [(0, 200), (1, 200), (2, 200)]


def test_a_ramp_starts_at_the_rate_before_it():
    """0 to 100/s in 2 s holds 100 arrivals; from there to 50/s in 2 s another 150."""
    schedule = Schedule([ramp(100, 2), ramp(50, 2)])

    assert (schedule.index(2.0), schedule.count()) == (100, 250)
    assert schedule.moments(49, 50)[0] == pytest.approx(2 * math.sqrt(49.5 / 100))


def test_a_pause_is_a_hold_at_zero():
    """Nothing is due while the rate is 0."""
    schedule = Schedule([hold(10, 1), hold(0, 5), hold(10, 1)])

    assert schedule.count() == 20
    assert schedule.moments(10, 11) == pytest.approx([6.05])


@PROPERTY
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_interleaving_keeps_the_weights(weights):
    """In one period every endpoint comes exactly as often as its weight says."""
    pattern = interleave(weights)
    scale = math.gcd(*weights)

    assert [pattern.count(index) for index in range(len(weights))] == [weight // scale for weight in weights]


def test_interleaving_is_spread():
    """3:1 is not three of one and then one of the other side by side at every border."""
    assert interleave([3, 1]) == (0, 0, 1, 0)


@pytest.mark.parametrize("weights", [[], [0], [1, -1], [1_000_003, 1]])
def test_senseless_weights_are_refused(weights):
    """A weight that is no share of anything is an error, not a guess."""
    with pytest.raises(ValueError, match="weights"):
        interleave(weights)


def test_an_arrival_may_be_due_where_a_ramp_starts_at_zero():
    """An integral of exactly i + 1/2 at the foot of a ramp is a moment like any other."""
    schedule = Schedule([ramp(1, 1), ramp(0, 2), ramp(1, 1)])

    assert schedule.moments(0, schedule.count()) == pytest.approx([1.0, 3.0], abs=1e-6)


@PROPERTY
@given(stages, st.integers(0, 2**32), st.lists(st.floats(0.0, 20.0), max_size=3), st.integers(1, 5))
def test_poisson_shards_are_slices_of_one_process(given_stages, seed, edges, shards):
    """Whoever has the seed has the same arrivals, monotone and inside, however they are shared out."""
    whole, parts = PoissonSchedule(given_stages, seed), PoissonSchedule(given_stages, seed)
    every = [m for block in whole.blocks(edges) for m in whole.moments(block.first, block.stop)]
    union = [
        m
        for block in parts.blocks(edges)
        for shard in range(shards)
        for m in parts.moments(block.first + shard, block.stop, shards)
    ]

    assert every == sorted(every)
    assert sorted(union) == every
    assert len(every) == PoissonSchedule(given_stages, seed).count()
    assert all(0.0 <= moment <= whole.duration + 1e-9 for moment in every)


def test_poisson_arrivals_are_those_of_independent_users():
    """The number in a second has the mean and the variance of the rate; gaps have a coefficient of variation of 1."""
    schedule = PoissonSchedule([hold(50, 2000)], 7)
    counts = [0] * 2000
    moments = []
    for block in schedule.blocks():
        counts[block.second] += block.stop - block.first
        moments += schedule.moments(block.first, block.stop)
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    spread = math.sqrt(sum((gap - 1 / 50) ** 2 for gap in gaps) / len(gaps)) * 50

    # Five standard errors: of the mean 0.16, of the variance 0.032 of itself, of the gaps' spread 0.0032.
    assert abs(mean - 50) < 0.8
    assert abs(variance / 50 - 1) < 0.16
    assert abs(spread - 1) < 0.016


@pytest.mark.parametrize(
    "made", [lambda: Schedule([hold(100, 10)], 42), lambda: PoissonSchedule([hold(100, 10)], 1, 42)]
)
def test_a_count_ends_the_schedule(made):
    """After so many arrivals there are none."""
    schedule = made()

    assert schedule.count() == 42
