from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.stats import log_e_mean_above, log_e_mean_below
from tests.stats.simulated import most

NEED = math.log(20)
UNIT = st.floats(0, 1)


def capital(samples: list[float], m: float) -> float:
    """The product as it is written down, each bet from the samples before it."""
    value = 1.0
    for index, x in enumerate(samples):
        means = [(0.5 + math.fsum(samples[:i])) / (i + 1) for i in range(index + 1)]
        spread = math.fsum((samples[i] - means[i + 1]) ** 2 for i in range(index))
        edge = means[-1] - m
        bet = edge / ((0.25 + spread) / (index + 1) + edge**2)
        value *= 1 + min(max(bet, 0), 0.5 / m) * (x - m)
    return value


@given(st.lists(UNIT, max_size=30), st.floats(0.01, 1))
def test_it_is_the_product_of_its_bets(samples, limit) -> None:
    """The bets are aGRAPA with c = 1/2, and the result is a logarithm."""
    assert math.log(capital(samples, limit)) == pytest.approx(log_e_mean_above(samples, limit, low=0, high=1), abs=1e-9)


@given(st.lists(UNIT, max_size=30), st.floats(0.05, 0.95))
def test_both_directions_mirror_each_other(samples, limit) -> None:
    """A mean of at least m is a mean of at most 1 - m of what is missing to 1."""
    mirrored = [1 - sample for sample in samples]

    assert log_e_mean_above(mirrored, 1 - limit, low=0, high=1) == pytest.approx(
        log_e_mean_below(samples, limit, low=0, high=1), abs=1e-9
    )


def test_the_unit_does_not_matter() -> None:
    """Milliseconds from 200 to 1,200 say what shares from 0 to 1 say."""
    samples = [0.1, 0.9, 0.4, 0.35, 0.8]

    assert log_e_mean_above(samples, 0.4, low=0, high=1) == pytest.approx(
        log_e_mean_above([200 + 1000 * sample for sample in samples], 600, low=200, high=1200)
    )


def test_the_ends_of_the_scale() -> None:
    """Against a mean of the least value one larger sample decides; nothing exceeds the largest; none is no evidence."""
    assert [math.inf, 0.0, 0.0, 0.0, math.inf] == [
        log_e_mean_above([0, 0, 0.1], 0, low=0, high=1),
        log_e_mean_above([0, 0], 0, low=0, high=1),
        log_e_mean_above([1, 1, 1], 1, low=0, high=1),
        log_e_mean_above([], 0.5, low=0, high=1),
        log_e_mean_below([1, 0.9], 1, low=0, high=1),
    ]


@given(st.lists(st.sampled_from((0.0, 1.0)), max_size=60), st.floats(0.01, 0.99))
def test_it_is_never_ruined(samples, limit) -> None:
    """A bet risks at most half of the capital, so the logarithm stays finite inside the scale."""
    assert log_e_mean_above(samples, limit, low=0, high=1) >= len(samples) * math.log(0.5) - 1e-9


@pytest.mark.heavy
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_mean_at_its_limit_is_rarely_decided(share) -> None:
    """Looking after every sample, at most 5 % of the runs with the mean at the limit decide, in each direction."""
    runs, wrong = 300, [0, 0]
    draw = random.Random(5)  # noqa: S311 - a seeded simulation
    for _ in range(runs):
        samples = [draw.betavariate(4 * share, 4 * (1 - share)) for _ in range(100)]
        for direction, test in enumerate((log_e_mean_above, log_e_mean_below)):
            wrong[direction] += any(test(samples[:count], share, low=0, high=1) >= NEED for count in range(1, 101))

    assert max(wrong) <= most(runs, 0.05)


def test_a_mean_beyond_its_limit_is_found() -> None:
    """A mean of .6 against .5 with a spread of .1 decides for a fail within 100 samples, and never for a pass."""
    draw = random.Random(6)  # noqa: S311 - a seeded simulation
    samples = [min(1, max(0, draw.gauss(0.6, 0.1))) for _ in range(100)]

    assert log_e_mean_above(samples, 0.5, low=0, high=1) >= NEED
    assert log_e_mean_below(samples, 0.5, low=0, high=1) <= 0


@pytest.mark.parametrize(
    ("samples", "limit", "low", "high"),
    [
        ([1.1], 0.5, 0, 1),
        ([-0.1], 0.5, 0, 1),
        ([math.nan], 0.5, 0, 1),
        ([0.5], 1.5, 0, 1),
        ([0.5], math.nan, 0, 1),
        ([0.5], 0.5, 1, 0),
        ([0.5], 0.5, 0, math.inf),
    ],
)
@pytest.mark.parametrize("test", [log_e_mean_above, log_e_mean_below])
def test_what_is_out_of_range_is_an_error(test, samples, limit, low, high) -> None:
    """A sample beyond its bounds breaks the proof, so it is no number but a mistake."""
    with pytest.raises(ValueError, match=r"lies from|bounds are finite"):
        test(samples, limit, low=low, high=high)
