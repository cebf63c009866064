from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.gather import (
    SECONDS_KEPT,
    course,
    judged_until,
    slimmed,
    tallies,
    watermark,
    whole_seconds,
)
from gitslo.model import JudgedUnit, JudgePolicy, LoadSummary, Percentiles, Phase, RatePerSecond, Second, Seconds, Share
from gitslo.ports import ObjectiveSeconds
from tests.judge.plans import HOLD, RAMP, errors, latency, section

POLICY = JudgePolicy(max_duration=Seconds(600.0))


def stretches(found) -> list[tuple[float, float]]:
    return [(start, end) for _, start, end in found.judged]


def test_ramps_and_warm_up_are_not_judged() -> None:
    """Only holds, and of those only what lies after the warm-up."""
    found = course(section("a", (RAMP, 200, 30), (HOLD, 200, 60), (RAMP, 0, 10), warmup=40), POLICY, 0)

    assert stretches(found) == [(40.0, 90.0)]
    assert found.duration == 100.0


def test_the_load_ends_when_max_duration_has_been_judged() -> None:
    """`max_duration` bounds the judged seconds, and what comes after them is not sent."""
    policy = replace(POLICY, max_duration=Seconds(50.0))
    found = course(section("a", (HOLD, 10, 40), (RAMP, 20, 5), (HOLD, 20, 40), (RAMP, 0, 5)), policy, 0)

    assert stretches(found) == [(0.0, 40.0), (45.0, 55.0)]
    assert found.duration == 55.0
    assert [stage.duration for stage in found.section.stages] == [40.0, 5.0, 10.0]


def test_an_extension_repeats_the_last_hold() -> None:
    """The warm-up is kept, at the hold's rate; as much is judged as of that hold before."""
    found = course(section("a", (HOLD, 10, 40), (RAMP, 20, 30), (HOLD, 20, 60), warmup=20), POLICY, 1)

    assert [(stage.form, stage.rate, stage.duration) for stage in found.section.stages] == [(HOLD, 20, 80.0)]
    assert stretches(found) == [(20.0, 80.0)]


@given(st.floats(0, 100), st.floats(1, 100), st.floats(1, 100))
def test_an_extension_is_never_longer_than_the_first_attempt(warmup, ramp, hold) -> None:
    """So the operator's ceiling on the duration and the claim's deadline hold for it, too."""
    one = section("a", (RAMP, 10, ramp), (HOLD, 10, hold), warmup=warmup)
    first, again = course(one, POLICY, 0), course(one, POLICY, 3)

    assert again.duration <= first.duration + 1e-6
    assert judged_until(again, 1e9) == pytest.approx(judged_until(first, 1e9))


def counted(seconds: int, objective: str = "a.errors < 1%") -> ObjectiveSeconds:
    return ObjectiveSeconds(objective, tuple(Second(at, 10, at % 3, 1) for at in range(seconds)))


def test_seconds_that_are_shared_with_a_ramp_are_left_out() -> None:
    """A second is judged whole or not at all; the last one of the load may be short, it holds nothing else."""
    found = course(section("a", (RAMP, 10, 2.5), (HOLD, 10, 4.25)), POLICY, 0)
    (tally,) = tallies(found, [counted(8)])

    assert [second.at for second in tally.seconds] == [3, 4, 5, 6]
    assert tally.phase is Phase.STEADY


def test_a_ramp_down_after_the_hold_is_left_out() -> None:
    """The second in which a hold ends and a ramp begins is not judged."""
    found = course(section("a", (HOLD, 10, 2.5), (RAMP, 0, 2.5)), POLICY, 0)

    assert [second.at for second in tallies(found, [counted(5)])[0].seconds] == [0, 1]


def test_evidence_is_of_bounded_size() -> None:
    """Beyond 1,800 counts the oldest seconds share theirs; the sums stay, in order."""
    found = course(section("a", (HOLD, 10, 20_000)), JudgePolicy(max_duration=Seconds(20_000.0)), 0)
    (tally,) = tallies(found, [counted(20_000)])
    moments = [second.at for second in tally.seconds]

    assert len(tally.seconds) <= SECONDS_KEPT
    assert (tally.total, tally.late) == (200_000, 20_000)
    assert tally.bad == sum(at % 3 for at in range(20_000))
    assert moments == sorted(moments)
    assert moments[-1] > 19_900


def test_short_evidence_keeps_every_second() -> None:
    """Nothing is merged while it fits."""
    found = course(section("a", (HOLD, 10, SECONDS_KEPT)), JudgePolicy(max_duration=Seconds(1e4)), 0)

    assert len(tallies(found, [counted(SECONDS_KEPT)])[0].seconds) == SECONDS_KEPT


def test_seconds_without_arrivals_are_no_evidence() -> None:
    """A second in which nothing was intended is left out."""
    found = course(section("a", (HOLD, 10, 3)), POLICY, 0)
    (tally,) = tallies(found, [ObjectiveSeconds("a.errors < 1%", (Second(0, 0, 0), Second(1, 10, 0)))])

    assert [second.at for second in tally.seconds] == [1]


def test_a_second_is_bad_when_the_limit_is_broken_within_it() -> None:
    """With `unit: seconds` a second counts once, and is uncertain where only uncertain requests break the limit."""
    objective = replace(errors(), unit=JudgedUnit.SECONDS, allow=Share(0.05))
    counted = (Second(0, 100, 1), Second(1, 100, 2), Second(2, 100, 2, 1), Second(3, 100, 90, 2))
    seconds = ObjectiveSeconds(objective.text, counted)
    [tally] = tallies(course(section("browse", (HOLD, 100, 4)), POLICY, 0), (seconds,), (objective,))

    assert tally.seconds == (Second(0, 1, 0), Second(1, 1, 1), Second(2, 1, 1, 1), Second(3, 1, 1))
    assert objective.allowed == 0.05


def test_the_watermark_is_the_slowest_objective() -> None:
    """A latency is known after its limit, an error after the time-out; nothing is waited for without objectives."""
    a = section("a", timeout=2.0)

    assert watermark(a, (latency("a.latency.p95 < 250ms"),)) == 0.25
    assert watermark(a, (latency("a.latency.p95 < 250ms"), errors("a.errors < 1%"))) == 2.0
    assert watermark(a, ()) == 0.0


def test_whole_seconds_survive_rounding() -> None:
    """An elapsed time a hair below a whole second is that second."""
    assert [whole_seconds(x) for x in (-1.0, 0.3, 2.9999999999, 3.2)] == [0, 0, 3, 3]


def test_large_histograms_are_dropped_endpoints_first() -> None:
    """Numbers for the verdict always stay; detail for people goes first."""

    def summary(endpoint: str | None, size: int) -> LoadSummary:
        rate = RatePerSecond(1.0)
        return LoadSummary("a", endpoint, 1, (), rate, rate, Percentiles(), Seconds(0.0), "x" * size)

    kept = slimmed([summary("one", 30_000), summary(None, 30_000), summary("two", 10_000)])

    assert [len(load.histogram) for load in kept] == [0, 30_000, 10_000]
