from __future__ import annotations

import math
import random

import pytest

from gitslo.core.stats import BlockMeans, judge_mean
from gitslo.core.stats.betting import log_e_mean_above, log_e_mean_below
from gitslo.core.stats.blocks import autocorrelation, block_length
from tests.stats.simulated import most

NEED = math.log(20)


def gauge(draw: random.Random, phi: float, count: int, mean: float = 0.5, spread: float = 0.1) -> list[float]:
    """An autoregressive gauge of the first order, within [0, 1]."""
    values, state = [], draw.gauss(0, 1)
    for _ in range(count):
        values.append(min(1.0, max(0.0, mean + spread * state)))
        state = phi * state + math.sqrt(1 - phi * phi) * draw.gauss(0, 1)
    return values


@pytest.mark.heavy
@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
def test_a_gauge_at_its_limit_is_rarely_decided(phi) -> None:
    """At most 5 % of the runs with the mean at the limit decide, at any of 40 looks, in each direction."""
    runs, wrong = 120, [0, 0]
    draw = random.Random(11)  # noqa: S311 - a seeded simulation
    for _ in range(runs):
        samples = gauge(draw, phi, 400)
        looks = [judge_mean(samples[:count], 0.5, low=0, high=1) for count in range(10, 401, 10)]
        wrong[0] += any((look.log_e_above or 0) >= NEED for look in looks)
        wrong[1] += any((look.log_e_below or 0) >= NEED for look in looks)

    assert max(wrong) <= most(runs, 0.05)


def test_raw_scrapes_would_have_decided() -> None:
    """The same gauge with a memory of .9, bet on scrape by scrape, fails far too often."""
    draw = random.Random(11)  # noqa: S311 - a seeded simulation
    runs = [gauge(draw, 0.9, 400) for _ in range(40)]
    wrong = sum(
        any(log_e_mean_above(samples[:count], 0.5, low=0, high=1) >= NEED for count in range(10, 401, 10))
        for samples in runs
    )

    assert wrong > 10


@pytest.mark.parametrize(("phi", "count"), [(0.0, 300), (0.6, 500), (0.8, 1500)])
def test_a_gauge_beyond_its_limit_is_found(phi, count) -> None:
    """Half a standard deviation above the limit decides for a fail, and half below for a pass."""
    draw = random.Random(12)  # noqa: S311 - a seeded simulation
    above = judge_mean(gauge(draw, phi, count, 0.55), 0.5, low=0, high=1)
    below = judge_mean(gauge(draw, phi, count, 0.45), 0.5, low=0, high=1)

    assert [True, True] == [(above.log_e_above or 0) >= NEED, (below.log_e_below or 0) >= NEED]


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
def test_the_memory_is_estimated_without_bias(phi) -> None:
    """Over many short series the mean estimate is near the truth, where the plain one is short of it."""
    draw = random.Random(13)  # noqa: S311 - a seeded simulation
    found = [autocorrelation(gauge(draw, phi, 60)) or 0 for _ in range(400)]

    assert phi == pytest.approx(sum(found) / 400, abs=0.06)


def test_blocks_are_bet_on_in_their_order() -> None:
    """The means of complete blocks, from the first sample on; what is left over at the end does not count."""
    samples = [0.1, 0.5, 0.3, 0.2, 0.6, 0.4, 0.9, 0.1] * 5 + [1.0]
    found = judge_mean(samples, 0.5, low=0, high=1)
    length = block_length(samples)
    assert length is not None
    means = [sum(samples[i : i + length]) / length for i in range(0, len(samples) - length + 1, length)]

    assert (length, len(means)) == (found.length, found.blocks)
    assert [log_e_mean_above(means, 0.5, low=0, high=1), log_e_mean_below(means, 0.5, low=0, high=1)] == pytest.approx(
        [found.log_e_above, found.log_e_below]
    )


def test_fewer_than_eight_blocks_say_nothing() -> None:
    """Seven blocks of two are no evidence, eight are."""
    samples = [0.0, 1.0] * 8
    seven, eight = judge_mean(samples[:15], 0.5, low=0, high=1), judge_mean(samples, 0.5, low=0, high=1)

    assert BlockMeans(None, None, 7, 2) == seven
    assert (8, 2) == (eight.blocks, eight.length)
    assert (eight.log_e_above, eight.log_e_below) != (None, None)


@pytest.mark.parametrize("count", range(4))
def test_a_memory_cannot_be_seen_in_three_samples(count) -> None:
    """Without an estimate there are no blocks."""
    assert (None, BlockMeans(None, None, 0, None)) == (
        autocorrelation([0.5] * count),
        judge_mean([0.5] * count, 0.4, low=0, high=1),
    )


def test_a_gauge_that_never_moves_has_no_memory() -> None:
    """Zero for a quarter of an hour is evidence, in blocks of two."""
    found = judge_mean([0.0] * 60, 0.5, low=0, high=1)

    assert (0.0, 2, 30) == (autocorrelation([0.1] * 10), found.length, found.blocks)
    assert (found.log_e_below or 0) >= NEED


def test_a_memory_as_long_as_the_samples_leaves_no_block() -> None:
    """A gauge that only climbs says nothing yet."""
    climbing = [index / 40 for index in range(40)]

    assert (None, 0) == (judge_mean(climbing, 0.1, low=0, high=1).log_e_above, len(climbing) // 41)
    assert judge_mean(climbing[:5], 0.1, low=0, high=1).blocks == 0


@pytest.mark.parametrize("samples", [[0.5, 1.5], [0.5, math.nan], [0.5] * 50 + [-1.0]])
def test_what_is_out_of_range_is_an_error(samples) -> None:
    """However few there are, a sample beyond its bounds is the caller's mistake."""
    with pytest.raises(ValueError, match="lies from"):
        judge_mean(samples, 0.5, low=0, high=1)
