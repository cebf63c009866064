from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from bench.verdict.cells import GAUGE_DEVIATION, KINDS, Gauges
from bench.verdict.figures import Cell, Figures, bounds
from bench.verdict.rules import GITSLO, RULES, from_the_start, play, size_and_most
from gitslo.core.simulation.draws import burst_counts, normal_memory
from gitslo.core.simulation.truth import ShareTruth, no_burst_within
from gitslo.core.stats.batch_means import beta_from_normal
from gitslo.model import Seconds, Share

TOTAL = np.full(400, 50, dtype=np.int64)
STARTS = np.arange(400, dtype=float)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_the_rate_that_it_says(kind) -> None:
    """Over many runs the share of bad requests, or the mean, is the true rate: at half the limit and at it."""
    for factor in (0.0, 0.5, 1.0):
        drawn = kind.draw(factor * kind.limit, np.random.default_rng(3), 400)
        if isinstance(drawn, Gauges):
            found = drawn.samples.mean(axis=1)
        else:
            found = drawn.bad[:, drawn.judged :].sum(axis=1) / drawn.total[drawn.judged :].sum()
        error = 4 * found.std() / math.sqrt(len(found)) + 1e-4

        assert factor * kind.limit == pytest.approx(found.mean(), abs=error)


@pytest.mark.parametrize(("length", "within"), [(0.1, 1.0), (1.0, 1.0), (5.0, 1.0), (5.0, 0.2), (37.5, 0.5)])
def test_bursts_are_as_long_and_as_rare_as_said(length, within) -> None:
    """The share is that of the truth; where every request in them is bad, none is so between them."""
    truth = ShareTruth(Share(0.05), Seconds(length), Share(within))
    bad = burst_counts(STARTS, 1.0, TOTAL, truth, np.random.default_rng(4), 600)
    shares = bad.sum(axis=1) / TOTAL.sum()

    assert pytest.approx(0.05, abs=4 * shares.std() / math.sqrt(600)) == shares.mean()
    assert bad.max() <= 50
    if length == 5.0 and within == 1.0:
        assert (bad == 50).sum() > (0 < bad).sum() * 0.6


def test_the_chance_to_miss_all_bursts_is_that_of_the_draws() -> None:
    """What `gitslo simulate` prints is how often runs have none."""
    truth = ShareTruth(Share(0.05), Seconds(5.0))
    bad = burst_counts(STARTS[:60], 1.0, TOTAL[:60], truth, np.random.default_rng(5), 4000)
    missed = float((bad.sum(axis=1) == 0).mean())
    chance, needed = no_burst_within(truth, 60.0)

    assert chance == pytest.approx(missed, abs=0.03)
    assert no_burst_within(truth, needed)[0] == pytest.approx(0.05)


def test_a_gauge_has_its_mean_deviation_and_memory() -> None:
    """Through the beta distribution both moments stay, and so, nearly, does the correlation of neighbours."""
    z = normal_memory(np.random.default_rng(6), 2000, 60, 0.8)
    x = beta_from_normal(z, 0.15, GAUGE_DEVIATION)
    phi = np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1]

    assert (0.15, GAUGE_DEVIATION, 0.8) == pytest.approx((x.mean(), x.std(), phi), abs=0.01)
    assert (0.0, 1.0) == (beta_from_normal(z, 0.0, 0.05).max(), beta_from_normal(z, 1.0, 0.05).min())


def test_looking_further_at_undecided_runs_only_changes_nothing() -> None:
    """The bench's verdicts are those of looking at every run to its end."""
    kind = KINDS[1]
    drawn = kind.draw(1.5 * kind.limit, np.random.default_rng(7), 60)
    own = dict(play(drawn, kind.limit))[GITSLO]
    one_by_one = [from_the_start(type(drawn)(drawn.total, drawn.bad[[run]]), kind.limit) for run in range(60)]

    assert own.verdict.tolist() == [found.verdict[0] for found in one_by_one]
    assert own.seen.tolist() == [found.seen[0] for found in one_by_one]


def test_the_test_of_fixed_size_is_tuned_to_both_errors() -> None:
    """At a limit of 1 % it takes 1,800 requests, of which 25 may be bad."""
    assert (1800, 25) == size_and_most(0.01)


def test_clopper_and_pearson() -> None:
    """No error in 200 runs leaves up to 1.83 % possible; the bounds are those that scipy gives."""
    assert (0.0, 0.018275) == pytest.approx(bounds(0, 200), abs=1e-6)
    assert (0.981725, 1.0) == pytest.approx(bounds(200, 200), abs=1e-6)
    assert tuple(binomtest(10, 212).proportion_ci(method="exact")) == pytest.approx(bounds(10, 212))


def test_what_is_promised_of_a_cell() -> None:
    """False passes are required where bursts come five times in min_duration; false fails but in brownouts."""
    cell = Cell(100, 50, 10, 1.0, 1.0)
    figures = Figures({kind.name: {1.0: dict.fromkeys(RULES, cell)} for kind in KINDS})
    required = {(each.kind.name, each.what): each.required for each in figures.promises()}

    assert (True, True) == (required["bursts of 0.1 s", "false pass"], required["bursts of 5 s", "false fail"])
    assert (False, False) == (required["bursts of 5 s", "false pass"], required["brownouts of 30 s", "false fail"])
    assert not any(each.met for each in figures.promises())
