"""Objectives on metrics of other systems: ratios, gauges, histograms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gitslo.core.judge import Judgement, explain, judge
from gitslo.model import (
    AttemptEvidence,
    Counted,
    Evidence,
    Finding,
    Method,
    Metric,
    MetricForm,
    MetricSection,
    MetricSeries,
    Objective,
    Phase,
    Plan,
    Quantity,
    Role,
    Sample,
    Second,
    Seconds,
    Tally,
    Test,
    Verdict,
)
from tests.judge.plans import plan

NOTHING = Evidence()
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
RATIO = Objective("served < 1%", "", None, Metric.SHARE, 0.01, None, Role.DECIDE, source="served")
MEAN = Objective("cpu < 80%", "", None, Metric.MEAN, 0.8, None, Role.DECIDE, source="cpu", quantity=Quantity.SHARE)
QUEUE = Objective("queue.p90 < 100", "", None, Metric.QUANTILE, 100.0, 0.9, Role.DECIDE, source="queue")
SLOW = Objective(
    "db.p99 < 50ms", "", None, Metric.QUANTILE, 0.05, 0.99, Role.DECIDE, source="db", quantity=Quantity.SECONDS
)

SECTIONS = (
    MetricSection("served", "prom", MetricForm.RATIO, {"bad": "b", "total": "t"}),
    MetricSection("cpu", "prom", MetricForm.GAUGE, {"value": "c"}, between=(0.0, 1.0)),
    MetricSection("queue", "prom", MetricForm.GAUGE, {"value": "q"}),
    MetricSection("db", "prom", MetricForm.HISTOGRAM, {"buckets": "d"}),
)


def of(*objectives: Objective) -> Plan:
    return replace(plan(*objectives), load=(), metrics=SECTIONS)


def windows(objective: Objective, count: int, total: int, bad: int, *, late: int = 0, every: float = 15.0) -> Tally:
    rows = tuple(Second(round(index * every), total, bad, late) for index in range(count))
    return Tally(objective.text, Phase.STEADY, rows, Seconds(every))


def series(name: str, *values: float, every: float = 15.0) -> MetricSeries:
    samples = tuple(Sample(index * every, value) for index, value in enumerate(values))
    return MetricSeries(name, Phase.STEADY, Seconds(every), samples)


def seen(
    *parts: Tally | MetricSeries, seconds: float = 600.0, unknown: tuple[tuple[str, str], ...] = ()
) -> AttemptEvidence:
    return AttemptEvidence(
        attempt=1,
        started=0.0,
        judged_seconds=((Phase.STEADY, Seconds(seconds)),),
        tallies=tuple(part for part in parts if isinstance(part, Tally)),
        series=tuple(part for part in parts if isinstance(part, MetricSeries)),
        unknown=unknown,
    )


def ended(plan: Plan, current: AttemptEvidence) -> Finding:
    return judge(plan, NOTHING, current, final=True).findings[0]


def look(plan: Plan, current: AttemptEvidence) -> Judgement:
    return judge(plan, NOTHING, current, final=False)


# --------------------------------------------------------------------------- ratios


@pytest.mark.parametrize(("bad", "expected"), [(0, PASS), (10, INCONCLUSIVE), (60, FAIL)])
def test_a_ratio_is_judged_by_its_windows(bad: int, expected: Verdict) -> None:
    """Events of disjoint windows are counted like requests, in both directions and at any look."""
    assert ended(of(RATIO), seen(windows(RATIO, 40, 1_000, bad))).verdict is expected
    assert look(of(RATIO), seen(windows(RATIO, 40, 1_000, bad))).verdict is (
        None if expected is INCONCLUSIVE else expected
    )


@pytest.mark.parametrize("bad", [0, 900])
def test_fewer_than_eight_windows_decide_nothing(bad: int) -> None:
    """However many events a few windows hold, they say nothing of how windows differ."""
    finding = ended(of(RATIO), seen(windows(RATIO, 7, 100_000, bad * 100)))

    assert (finding.verdict, finding.log_e_fail, finding.log_e_pass) == (INCONCLUSIVE, None, None)
    assert explain(finding) == "Undecided: 7 windows are known, and fewer than 8 decide nothing."


def test_what_is_not_certain_counts_against_a_pass_only() -> None:
    """A bucket that holds the limit holds both kinds."""
    certain = windows(SLOW, 40, 1_000, 60)
    doubtful = windows(SLOW, 40, 1_000, 60, late=60)

    assert ended(of(SLOW), seen(certain)).verdict is FAIL
    assert ended(of(SLOW), seen(doubtful)).verdict is INCONCLUSIVE


def test_a_histogram_says_how_many_are_above() -> None:
    """The quantile itself is not known from buckets; how many are above the limit is."""
    finding = ended(of(SLOW), seen(windows(SLOW, 40, 1_000, 1)))

    assert (finding.measured, finding.counted) == (None, Counted.EVENTS)
    assert explain(finding) == (
        "40 of 40,000 events were above 50 ms (0.1 %) and 1 % may: the limit is kept,"
        " unless trouble comes in bursts rarer than once in 10 min."
    )


def test_one_bad_window_is_one_burst() -> None:
    """A window is longer than the longest burst that is spared, so the worst one is spared whole."""
    good = windows(RATIO, 40, 1_000, 0)
    rows = tuple(replace(row, bad=1_000) if index == 20 else row for index, row in enumerate(good.seconds))
    finding = ended(of(RATIO), seen(replace(good, seconds=rows)))

    assert finding.verdict is INCONCLUSIVE
    assert explain(finding) == (
        "Undecided: 2.5 % measured, all of it in one 15 s burst: not enough evidence for a rate above 1 %."
    )


@pytest.mark.parametrize("objective", [RATIO, MEAN, QUEUE, SLOW])
def test_what_is_unknown_is_judged_in_no_direction(objective: Objective) -> None:
    """Missing or partial data never passes, and never fails."""
    data = (
        windows(RATIO, 40, 1_000, 0),
        windows(SLOW, 40, 1_000, 900),
        series("cpu", *[0.1] * 80),
        series("queue", *[1e6] * 80),
    )
    finding = ended(of(objective), seen(*data, unknown=((objective.source, "the source says that data is missing"),)))

    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "the source says that data is missing")
    assert ended(of(objective), seen()).verdict is INCONCLUSIVE


# --------------------------------------------------------------------------- gauges


@pytest.mark.parametrize(("level", "expected"), [(0.2, PASS), (0.8, INCONCLUSIVE), (0.99, FAIL)])
def test_the_mean_of_a_bounded_gauge_is_tested(level: float, expected: Verdict) -> None:
    """Betting on block means decides both ways, and not at the limit."""
    finding = ended(of(MEAN), seen(series("cpu", *(level + 0.004 * (index % 3 - 1) for index in range(160)))))

    assert (finding.verdict, finding.method, finding.counted) == (expected, Method.MEAN, Counted.BLOCKS)
    assert finding.measured == pytest.approx(level, abs=0.001)


def test_samples_that_are_too_alike_are_few() -> None:
    """A slow gauge has few independent stretches, and too few of them decide nothing."""
    slow = [0.5 + 0.3 * math.sin(index / 20) for index in range(60)]
    finding = ended(of(MEAN), seen(series("cpu", *slow)))

    assert finding.verdict is INCONCLUSIVE
    assert "so alike that" in finding.reason


def test_a_value_that_cannot_be_leaves_nothing_to_promise() -> None:
    """The bounds of `between` are what the test rests on."""
    finding = ended(of(MEAN), seen(series("cpu", *[0.1] * 80, 1.5)))

    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "the value 1.5 is outside of `between`, 0 to 1")


def test_a_mean_passes_no_sooner_than_the_plan_says() -> None:
    """`min_duration` holds for gauges, too."""
    finding = ended(of(MEAN), seen(series("cpu", *[0.1] * 80, every=0.1), seconds=8.0))

    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "judged for 8 s of the 10 s that a pass needs")


@pytest.mark.parametrize(("share", "expected"), [(0.0, PASS), (0.6, FAIL)])
def test_a_quantile_of_a_gauge_is_a_share_of_its_samples(share: float, expected: Verdict) -> None:
    """`queue.p90 < 100`: at most a tenth of the samples above 100."""
    values = [500.0 if (index * 7) % 10 < share * 10 else 3.0 for index in range(160)]
    finding = ended(of(QUEUE), seen(series("queue", *values)))

    assert (finding.verdict, finding.counted, finding.total) == (expected, Counted.SAMPLES, 160)
    assert finding.measured == (500.0 if share else 3.0)


def test_a_faulty_attempt_makes_a_mean_no_stronger() -> None:
    """Where the load was not delivered, a low mean passes nothing."""
    low = seen(series("cpu", *[0.1] * 160))
    finding = ended(of(MEAN), replace(low, no_pass=("only half was delivered",)))

    assert finding.verdict is INCONCLUSIVE


# --------------------------------------------------------------------------- thresholds


def threshold(objective: Objective) -> Objective:
    return replace(objective, test=Test.THRESHOLD)


@pytest.mark.parametrize(("level", "expected"), [(0.79, PASS), (0.80, PASS), (0.81, FAIL)])
def test_a_threshold_compares_the_estimate(level: float, expected: Verdict) -> None:
    """Exactly at the limit is good; and the sentence says that chance can turn it."""
    finding = ended(of(threshold(MEAN)), seen(series("cpu", *[level] * 3)))

    assert (finding.verdict, finding.method) == (expected, Method.THRESHOLD)
    assert not finding.method.controlled
    assert explain(finding).endswith("by a plain comparison, which chance alone can turn.")


def test_a_threshold_decides_at_the_end_only() -> None:
    """A point estimate looked at again and again crosses every limit in the end."""
    current = seen(series("cpu", *[0.99] * 80))

    assert look(of(threshold(MEAN)), current).verdict is None
    assert judge(of(threshold(MEAN)), NOTHING, current, final=True).verdict is FAIL


def test_a_threshold_without_data_decides_nothing() -> None:
    """Missing data never passes, by whatever method."""
    finding = ended(of(threshold(RATIO)), seen())

    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "nothing was measured for it")


def test_a_threshold_on_a_histogram_compares_the_share_above() -> None:
    """p99 is above the limit exactly where more than 1 % of the events are."""
    assert ended(of(threshold(SLOW)), seen(windows(SLOW, 8, 1_000, 10))).verdict is PASS
    assert ended(of(threshold(SLOW)), seen(windows(SLOW, 8, 1_000, 11))).verdict is FAIL


def test_a_threshold_spends_no_alpha() -> None:
    """M counts what is tested with error control."""
    both = judge(of(RATIO, threshold(MEAN)), NOTHING, seen(windows(RATIO, 40, 1_000, 0)), final=False)

    assert both.findings[0].need_fail == math.log(20)
