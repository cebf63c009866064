from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.stats import Burst, ClusteredCounts, clustering, log_e_above, log_e_fail, log_e_pass
from gitslo.core.stats.clustering import BLOCK_LENGTHS
from gitslo.model import Second
from tests.stats.simulated import most

NEED = math.log(20)


def effect_by_definition(seconds: Sequence[tuple[int, int, int]], least: int) -> float:
    """The largest design effect over the block lengths, from the sums as they are written down."""
    bad, total = sum(bad for _, _, bad in seconds), sum(total for _, total, _ in seconds)
    share = bad / total if total else 0
    largest = 1.0
    for length in BLOCK_LENGTHS:
        blocks: dict[int, tuple[int, int]] = {}
        for at, n, y in seconds:
            block = (at - seconds[0][0]) // length
            before = blocks.get(block, (0, 0))
            blocks[block] = before[0] + y, before[1] + n
        counted = [(y, n) for y, n in blocks.values() if n]
        newest = (seconds[-1][0] - seconds[0][0]) // length
        open_one = (seconds[-1][0] - seconds[0][0] + 1) % length != 0 and blocks[newest][1] > 0
        if len(counted) - open_one >= least and len(counted) > 1 and 0 < share < 1:
            squares = sum((y - share * n) ** 2 for y, n in counted)
            factor = len(counted) / (len(counted) - 1)
            largest = max(largest, factor * squares / (share * (1 - share) * total))
    return largest


@st.composite
def runs(draw) -> list[tuple[int, int, int]]:
    """Seconds with gaps and changing rates, some of them bad."""
    at, seconds = draw(st.integers(0, 20)), []
    for _ in range(draw(st.integers(1, 60))):
        total = draw(st.integers(0, 50))
        seconds.append((at, total, draw(st.integers(0, total))))
        at += draw(st.sampled_from((1, 1, 1, 2, 20)))
    return seconds


@given(runs())
def test_the_effect_is_that_of_its_definition(seconds) -> None:
    """Second by second the sums give the same as all blocks at once, with gaps and unequal totals."""
    counts = ClusteredCounts(0.01)
    for position, (at, total, bad) in enumerate(seconds, start=1):
        counts.add(at, total, 0)
        counts.add(at, total, bad)
        look, seen = counts.look(), seconds[:position]

        assert effect_by_definition(seen, 8) == pytest.approx(look.effect, rel=1e-9)
        assert effect_by_definition(seen, 2) == pytest.approx(look.effect_for_fail, rel=1e-9)


@given(runs())
def test_the_worst_five_seconds_are_spared(seconds) -> None:
    """What is spared is the largest excess over the limit in five seconds in a row, of all that have been seen."""
    counts = ClusteredCounts(0.1)
    for at, total, bad in seconds:
        counts.add(at, total, bad)
    excess = [sum(bad - 0.1 * total for when, total, bad in seconds if at - 5 < when <= at) for at, _, _ in seconds]

    assert max(0.0, *excess) == pytest.approx(counts.look().spared, abs=1e-9)


def test_equal_blocks_give_the_variance_of_their_shares() -> None:
    """With as many requests in every second it is the variance of the shares over the binomial variance."""
    bad = [0, 0, 10, 0, 0, 0, 0, 0]
    shares = [one / 100 for one in bad]
    mean = sum(shares) / 8
    variance = sum((share - mean) ** 2 for share in shares) / 7
    look = clustering([Second(at, 100, one) for at, one in enumerate(bad)], 0.01)

    assert (1, variance / (mean * (1 - mean) / 100)) == pytest.approx((look.block, look.effect))
    assert (10 / look.effect, 800 / look.effect) == (look.effective_bad, look.effective_total)


def test_a_burst_within_a_second_is_seen() -> None:
    """Twenty requests that fail together in a tenth of a second count as about one."""
    counts = ClusteredCounts(0.01)
    for at in range(60):
        counts.add(at, 200, 20 if at % 10 == 3 else 0)

    assert 5 < counts.look().effective_bad < 8


def test_a_burst_of_five_seconds_needs_longer_blocks() -> None:
    """The length that gave the effect is that of a block which holds the burst."""
    counts = ClusteredCounts(0.01)
    for at in range(120):
        counts.add(at, 200, 200 if 60 <= at < 65 else 0)
    look = counts.look()

    assert (True, True) == ((look.block or 0) >= 5, look.effective_bad < 1.1)


def test_a_ramp_alone_is_no_cluster() -> None:
    """Requests that fail at one share have no design effect, however their rate rises."""
    seconds = [Second(at, 100 * at, at) for at in range(1, 61)]

    assert 1.0 == clustering(seconds, 0.01).effect


@pytest.mark.parametrize("bad", [0, 1])
def test_all_good_and_all_bad_are_no_cluster(bad) -> None:
    """Where all requests are alike there is no variance, and nothing is divided."""
    look = clustering([Second(at, 50, 50 * bad) for at in range(40)], 0.01)

    assert (1.0, None, 1.0) == (look.effect, look.block, look.effect_for_fail)
    assert log_e_pass(2000 * bad, 2000, 0.01) == pytest.approx(look.log_e_pass())


def test_fewer_than_eight_blocks_have_no_effect_on_a_pass() -> None:
    """Seven seconds give none, eight do; a fail looks at two."""
    seconds = [Second(at, 100, 100 * (at == 3)) for at in range(8)]
    seven, eight = clustering(seconds[:7], 0.01), clustering(seconds, 0.01)

    assert (None, 1.0, 1) == (seven.block, seven.effect, eight.block)
    assert seven.effect_for_fail > 50


def test_the_newest_second_may_grow() -> None:
    """A second that is still being counted is replaced, and the result is as if it had come whole."""
    whole, grown = ClusteredCounts(0.01), ClusteredCounts(0.01)
    for at in range(30):
        whole.add(at, 20, at % 3)
        for total in (0, 7, 20):
            grown.add(at, total, min(total, at % 3))
            grown.look()

    assert (whole.look(), whole.burst()) == (grown.look(), grown.burst())


def test_attempts_are_apart() -> None:
    """No block and no five seconds reach from one attempt into the next: their sums are added."""
    one, two = [(at, 100, 30 * (at >= 7)) for at in range(9)], [(at, 100, 30 * (at < 2)) for at in range(9)]
    counts = ClusteredCounts(0.01)
    for attempt in (one, two):
        for second in attempt:
            counts.add(*second)
        counts.next_attempt()
    look = counts.look()
    # After a gap of 120 s every length begins a block.
    apart = [*one, *((at + 120, total, bad) for at, total, bad in two)]

    assert (1800, 120) == (look.total, look.bad)
    assert 60 - 0.01 * 200 == pytest.approx(look.spared)  # the second attempt's first two seconds
    assert effect_by_definition(apart, 8) == pytest.approx(look.effect)


def test_an_empty_attempt_adds_nothing() -> None:
    """Without a second there is nothing to say, in neither direction."""
    counts = ClusteredCounts(0.01)
    counts.next_attempt()
    look = counts.look()

    assert (0, 0, 1.0, 0.0, 0.0) == (look.bad, look.total, look.effect, look.log_e_fail(), look.log_e_pass())
    assert counts.burst() is None


def test_no_five_seconds_fail_a_service() -> None:
    """Whatever happens within five seconds does not fail it; in the sixth an outage does."""
    counts = ClusteredCounts(0.01)
    decided = []
    for at in range(6):
        counts.add(at, 200, 200)
        decided.append(counts.look().log_e_fail() >= NEED)

    assert [False] * 5 + [True] == decided


def test_a_limit_of_zero_knows_no_bursts() -> None:
    """Where nothing may fail the first bad request decides."""
    assert math.inf == clustering([Second(0, 10, 1)], 0.0).log_e_fail()


@given(runs(), st.sampled_from((0.01, 0.05, 0.5)))
def test_counts_within_the_limit_never_fail(seconds, limit) -> None:
    """However they are clustered, a share of bad requests that keeps the limit is no fail."""
    counts = ClusteredCounts(limit)
    for at, total, bad in seconds:
        counts.add(at, total, bad)
    look = counts.look()

    assert look.bad > limit * look.total or look.log_e_fail() < NEED


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0, 0, 0], None),
        ([0, 1, 0], Burst(1, 1, 1)),
        ([1, 0, 9, 9, 0, 1], Burst(2, 2, 18)),
        ([5, 0, 0, 5], Burst(0, 4, 10)),
        ([9, 0, 0, 9, 0, 90, 90, 0, 2], Burst(5, 2, 180)),
    ],
)
def test_the_shortest_stretch_with_nearly_all_bad_requests(seconds, expected) -> None:
    """At least nine tenths of them, in as few seconds as possible."""
    counts = ClusteredCounts(0.01)
    for at, bad in enumerate(seconds):
        counts.add(at, 100, bad)

    assert expected == counts.burst()


def test_a_burst_lies_in_one_attempt() -> None:
    """Bad requests of several attempts are no burst, unless one of them has nearly all."""
    counts = ClusteredCounts(0.01)
    for bad in (10, 10):
        counts.add(3, 100, bad)
        counts.next_attempt()
    apart = counts.burst()
    counts.add(7, 1000, 900)

    assert (None, Burst(7, 1, 900)) == (apart, counts.burst())


@pytest.mark.parametrize(
    "mistake",
    [
        lambda counts: counts.add(0, 1, 2),
        lambda counts: counts.add(0, 1, -1),
        lambda counts: (counts.add(3, 1, 0), counts.add(2, 1, 0)),
    ],
)
def test_what_is_out_of_range_is_an_error(mistake: Callable[[ClusteredCounts], object]) -> None:
    """Impossible counts, seconds that go backwards and limits that are no share are the caller's mistake."""
    with pytest.raises(ValueError, match=r"must satisfy|comes after"):
        mistake(ClusteredCounts(0.1))
    for limit in (1.1, -0.1, math.nan):
        with pytest.raises(ValueError, match="share from 0 to 1"):
            ClusteredCounts(limit)


def test_a_second_costs_the_same_after_hours() -> None:
    """Adding a second and looking takes as many calls after an hour as after a minute."""
    counts = ClusteredCounts(0.01)
    made: list[int] = []
    for at in range(3601):
        if at in {60, 3600}:
            calls: list[str] = []
            sys.setprofile(lambda *call, calls=calls: calls.append(call[1]))
            counts.add(at, 1000, at % 17)
            counts.look()
            sys.setprofile(None)
            made.append(len(calls))
        else:
            counts.add(at, 1000, at % 17)

    assert made[1] <= made[0] * 1.5


# --------------------------------------------------------------------------- by simulation


RUNS = 200
RATE = 200
SECONDS = 120


def independent(draw: random.Random, share: float) -> list[int]:
    """Bad requests of each second where each fails alone."""
    return [sum(draw.random() < share for _ in range(RATE)) for _ in range(SECONDS)]


def bursts(draw: random.Random, share: float, length: float, within: float = 1.0) -> list[int]:
    """Where a share `within` of the requests fails in bursts of `length` seconds with exponential gaps."""
    covered = share / within
    gap = length * (1 - covered) / covered
    bad = [0] * SECONDS
    at = -draw.random() * length if draw.random() < covered else draw.expovariate(1 / gap)
    while at < SECONDS:
        first, last = max(0, math.ceil(at * RATE)), min(SECONDS * RATE, math.ceil((at + length) * RATE))
        for request in range(first, last):
            bad[request // RATE] += draw.random() < within
        at += length + draw.expovariate(1 / gap)
    return bad


@dataclass(frozen=True)
class Outcome:
    """How many of the runs failed, and passed after the first minute, at any of their looks."""

    failed: int = 0
    plainly_failed: int = 0
    passed: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.failed + other.failed, self.plainly_failed + other.plainly_failed, self.passed + other.passed
        )


def judged(limit: float, bad: Sequence[int]) -> Outcome:
    """One run with a look at every second."""
    counts = ClusteredCounts(limit)
    failed = plain = passed = False
    seen = 0
    for at, one in enumerate(bad):
        counts.add(at, RATE, one)
        seen += one
        above = seen > limit * RATE * (at + 1)
        if not (above or at >= 59):
            continue  # neither can be decided: it saves nine tenths of the time
        look = counts.look()
        failed = failed or (above and look.log_e_fail() >= NEED)
        plain = plain or (above and at >= 9 and log_e_fail(seen, RATE * (at + 1), limit) >= NEED)
        passed = passed or (not above and at >= 59 and look.log_e_pass() >= NEED)
    return Outcome(failed, plain, passed)


def simulated(limit: float, run: Callable[[random.Random], list[int]], seed: int) -> Outcome:
    draw = random.Random(seed)  # noqa: S311 - a seeded simulation
    return sum((judged(limit, run(draw)) for _ in range(RUNS)), Outcome())


@pytest.mark.parametrize("share", [0.005, 0.01])
@pytest.mark.parametrize("length", [0.1, 1.0, 5.0])
def test_a_service_that_keeps_its_limit_in_bursts_rarely_fails(share, length) -> None:
    """At half a limit of 1 % and at it, bursts of 0.1, 1 and 5 s fail at most 5 % of runs, looked at every second."""
    found = simulated(0.01, lambda draw: bursts(draw, share, length), seed=31)

    assert found.failed <= most(RUNS, 0.05)


@pytest.mark.heavy
@pytest.mark.parametrize(("limit", "within"), [(0.01, 0.2), (0.05, 1.0), (0.05, 0.5), (0.05, 0.2)])
def test_so_it_is_with_higher_limits_and_weaker_bursts(limit, within) -> None:
    """At limits of 1 and 5 %, where all, half or a fifth of the requests of bursts of 5 s fail."""
    found = simulated(limit, lambda draw: bursts(draw, limit, 5.0, within), seed=32)

    assert found.failed <= most(RUNS, 0.05)


def test_the_plain_test_would_have_failed_it() -> None:
    """The same bursts on plain counts fail most runs: the simulation can find an error."""
    found = simulated(0.01, lambda draw: bursts(draw, 0.01, 0.1), seed=31)

    assert found.plainly_failed > RUNS * 0.45


@pytest.mark.heavy
def test_the_effect_alone_would_have_failed_it() -> None:
    """Divided by the design effect only, bursts of 5 s fail more than 5 % of runs at a limit of 5 %."""
    draw = random.Random(32)  # noqa: S311 - a seeded simulation
    failed = 0
    for _ in range(RUNS):
        counts, worst = ClusteredCounts(0.05), 0.0
        for at, bad in enumerate(bursts(draw, 0.05, 5.0)):
            counts.add(at, RATE, bad)
            look = counts.look()
            if at >= 9 and look.bad > 0.05 * look.total:
                worst = max(worst, log_e_above(look.effective_bad, look.effective_total, 0.05))
        failed += worst >= NEED

    assert failed > most(RUNS, 0.05)


@pytest.mark.heavy
def test_a_service_at_its_limit_is_not_passed_by_bursts_that_it_has_shown() -> None:
    """Bursts of 0.1 s, one every 10 s, exactly at the limit: passed after a minute in at most 5 % of runs."""
    found = simulated(0.01, lambda draw: bursts(draw, 0.01, 0.1), seed=33)

    assert found.passed <= most(RUNS, 0.05)


@pytest.mark.heavy
def test_independent_errors_are_found() -> None:
    """Twice the limit fails in every run of two minutes, and the limit itself in hardly one."""
    twice = simulated(0.01, lambda draw: independent(draw, 0.02), seed=34)
    at_it = simulated(0.01, lambda draw: independent(draw, 0.01), seed=35)

    assert (RUNS, True) == (twice.failed, at_it.failed <= most(RUNS, 0.05))


@pytest.mark.heavy
def test_a_clean_service_with_few_errors_passes() -> None:
    """A fifth of the limit, each request alone, passes in every run."""
    assert RUNS == simulated(0.01, lambda draw: independent(draw, 0.002), seed=36).passed
