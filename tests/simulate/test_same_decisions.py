from __future__ import annotations

import math

import numpy as np
import pytest

from gitslo.core.stats import ClusteredCounts, judge_means, log_e_above
from gitslo.core.stats.batch_counts import Rows, decide_counts, reaches
from gitslo.core.stats.batch_means import decide_means

NEED_FAIL, NEED_PASS = math.log(2 / 0.05), math.log(20)


def one_by_one(rows: Rows, bad: np.ndarray, limit: float, spared: int) -> tuple[list[bool], list[bool]]:
    """The looks of one run as the product takes them."""
    counts = ClusteredCounts(limit, spared=spared)
    fails, passes, before = [], [], rows.attempt[0]
    for attempt, at, total, one in zip(rows.attempt, rows.at, rows.total, bad, strict=True):
        if attempt != before:
            counts.next_attempt()
            before = attempt
        counts.add(int(at), int(total), int(one))
        look = counts.look()
        fails.append(look.log_e_fail() >= NEED_FAIL)
        passes.append(look.log_e_pass() >= NEED_PASS)
    return fails, passes


def some_rows(draw: np.random.Generator, seconds: int) -> Rows:
    """Two attempts with a gap in the first, and other totals in each row."""
    first = np.sort(draw.choice(np.arange(3, 3 + seconds + 20), seconds, replace=False))
    second = np.arange(seconds // 2)
    attempt = np.repeat([0, 1], [len(first), len(second)])
    return Rows(attempt, np.concatenate([first, second]), draw.integers(1, 60, len(attempt)))


def some_bad(draw: np.random.Generator, rows: Rows, share: float) -> np.ndarray:
    """A run whose bad requests come alone, in bursts, or both."""
    alone = draw.binomial(rows.total, share * draw.random())
    burst = draw.random(len(rows.total)) < share * draw.random()
    return np.where(burst, rows.total, alone)


@pytest.mark.heavy
@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3, 0.9, 0.0, 1.0])
@pytest.mark.parametrize("spared", [5, 1])
def test_counts_are_decided_as_the_product_does(limit, spared) -> None:
    """Every look of every run, with gaps, unequal seconds, two attempts and bursts, says what ClusteredCounts says."""
    draw = np.random.default_rng([7, spared, round(limit * 100)])
    for _ in range(12):
        rows = some_rows(draw, 60)
        shares = draw.choice([0.0, 0.2, 1.0, 2.0, 4.0], 10) * max(limit, 0.01)
        bad = np.stack([some_bad(draw, rows, min(1.0, share)) for share in shares])
        found = decide_counts(rows, bad, limit, need_fail=NEED_FAIL, need_pass=NEED_PASS, spared=spared)
        expected = [one_by_one(rows, one, limit, spared) for one in bad]

        assert ([e[0] for e in expected], [e[1] for e in expected]) == (found.fails.tolist(), found.passes.tolist())


def test_such_runs_hold_both_decisions() -> None:
    """The comparison above is not one of nothing: both verdicts and neither occur."""
    draw = np.random.default_rng(8)
    rows = some_rows(draw, 60)
    bad = np.stack([some_bad(draw, rows, share) for share in (0.0, 0.002, 0.05, 0.3)])
    found = decide_counts(rows, bad, 0.05, need_fail=NEED_FAIL, need_pass=NEED_PASS)

    assert (True, True) == (0 < found.fails.mean() < 1, 0 < found.passes.mean() < 1)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.6, 0.999])
def test_an_e_value_reaches_its_need_where_the_exact_one_does(share) -> None:
    """The bounds that spare most computations never say otherwise than the exact logarithm."""
    draw = np.random.default_rng(9)
    total = np.exp(draw.uniform(-3, 14, 4000))
    hits = total * np.clip(share * np.exp(draw.normal(0, 2, 4000) / np.sqrt(1 + total * share)), 0, 1)
    exact = [log_e_above(hit, of, share) for hit, of in zip(hits, total, strict=True)]

    assert [log >= NEED_PASS for log in exact] == reaches(hits, total, share, NEED_PASS).tolist()
    assert 0.02 < np.mean([log >= NEED_PASS for log in exact]) < 0.9


@pytest.mark.parametrize("phi", [0.0, 0.6, 0.9])
def test_means_are_decided_as_the_product_does(phi) -> None:
    """Every look of every gauge says what `judge_means` says of the same samples, over two attempts."""
    draw = np.random.default_rng([10, round(phi * 10)])
    attempts, runs = [], 12
    level = draw.uniform(0.2, 0.8, (runs, 1))
    level[0] = 0.1
    for length in (50, 25):
        noise = draw.normal(0, 1, (runs, length))
        for at in range(1, length):
            noise[:, at] = phi * noise[:, at - 1] + math.sqrt(1 - phi * phi) * noise[:, at]
        noise[0] = 0.0
        attempts.append(np.clip(level + 0.1 * noise, 0, 1) * 4 - 1)
    limit = 1.0
    found = decide_means(attempts, limit, low=-1.0, high=3.0, need_fail=NEED_FAIL, need_pass=NEED_PASS)
    expected_fails, expected_passes = [], []
    for run in range(runs):
        for number in range(len(attempts)):
            for upto in range(1, attempts[number].shape[1] + 1):
                series = [*(each[run].tolist() for each in attempts[:number]), attempts[number][run, :upto].tolist()]
                tested = judge_means(series, limit, low=-1.0, high=3.0)
                expected_fails.append((tested.log_e_above or 0.0) >= NEED_FAIL)
                expected_passes.append((tested.log_e_below or 0.0) >= NEED_PASS)

    assert (expected_fails, expected_passes) == (found.fails.ravel().tolist(), found.passes.ravel().tolist())
    assert 0 < (found.fails | found.passes).sum() < found.fails.size
