"""Objectives relative to a baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from gitslo.core.judge import Judgement, explain, judge
from gitslo.model import (
    AttemptEvidence,
    Baseline,
    BaselineForm,
    BaselineSample,
    Evidence,
    Finding,
    LoadSummary,
    Method,
    Objective,
    Percentiles,
    RatePerSecond,
    Role,
    Seconds,
    Verdict,
)
from tests.judge.plans import errors, evidence, latency, plan

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
LAST = Baseline(BaselineForm.LAST_PASS)
ERRORS = replace(errors("browse.errors < 150% of baseline", 1.5), baseline=LAST)
LATENCY = replace(latency("browse.latency.p95 < 120% of baseline", 1.2, 0.95), baseline=LAST)
ABSOLUTE = errors("browse.errors < 10%", 0.1)


def distribution(median: float, total: int) -> tuple[tuple[float, int], ...]:
    """Log-normal response times, sigma 0.5, in buckets that are 2 % wide."""
    normal = NormalDist(math.log(median), 0.5)
    edges = [0.001 * 1.02**step for step in range(500)]
    below = [round(total * normal.cdf(math.log(edge))) for edge in edges]
    return tuple((edge, high - low) for edge, low, high in zip(edges, [0, *below], below, strict=False) if high > low)


def current(objective: Objective, bad: int, total: int, median: float = 0.05) -> AttemptEvidence:
    summary = LoadSummary(
        load="browse",
        endpoint=None,
        requests=total,
        errors=(),
        planned_rate=RatePerSecond(100.0),
        achieved_rate=RatePerSecond(100.0),
        latency=Percentiles(),
        schedule_lag_p99=Seconds(0.0),
        distribution=distribution(median, total - bad),
    )
    return replace(evidence((objective.text, bad, total), (ABSOLUTE.text, bad, total)), loads=(summary,))


def baseline(
    objective: Objective, bad: int, total: int, median: float = 0.05, *, historical: bool = True
) -> BaselineSample:
    return BaselineSample(objective.text, "run 12", historical, total, bad, 1.0, distribution(median, total - bad))


def ended(objective: Objective, now: AttemptEvidence, *then: BaselineSample) -> Judgement:
    return judge(plan(ABSOLUTE, objective), Evidence(), replace(now, baselines=then), final=True)


def finding(objective: Objective, now: AttemptEvidence, *then: BaselineSample) -> Finding:
    return ended(objective, now, *then).findings[1]


@pytest.mark.parametrize(("bad", "expected"), [(60, PASS), (150, INCONCLUSIVE), (400, FAIL)])
def test_errors_are_compared_by_their_share_on_each_side(bad: int, expected: Verdict) -> None:
    """Under equal rates each failure is the candidate's with the chance of its part of the traffic."""
    found = finding(ERRORS, current(ERRORS, bad, 10_000), baseline(ERRORS, 200, 20_000))

    assert (found.verdict, found.method, found.decides) == (expected, Method.BASELINE, True)
    assert found.measured == pytest.approx(bad / 100)


@pytest.mark.parametrize(("median", "expected"), [(0.045, PASS), (0.06, INCONCLUSIVE), (0.08, FAIL)])
def test_quantiles_are_compared_by_bounds_on_both_sides(median: float, expected: Verdict) -> None:
    """An earlier run's percentile is an estimate, too, and never a fixed limit."""
    found = finding(LATENCY, current(LATENCY, 0, 20_000, median), baseline(LATENCY, 0, 20_000))

    assert found.verdict is expected
    assert found.measured == pytest.approx(median / 0.05, rel=0.03)


def test_few_requests_on_one_side_decide_nothing() -> None:
    """What a short baseline does not bound cannot be exceeded."""
    found = finding(LATENCY, current(LATENCY, 0, 20_000, 0.08), baseline(LATENCY, 0, 30))

    assert found.verdict is INCONCLUSIVE


def test_the_first_run_has_nothing_to_compare_with() -> None:
    """Without a baseline it is not applicable: the first run is not held for ever."""
    judged = ended(ERRORS, current(ERRORS, 0, 10_000))

    assert judged.verdict is PASS
    assert judged.findings[1].decides is False
    assert explain(judged.findings[1]) == ("Not applicable: there is no earlier pass to compare with.")


def test_two_services_that_hardly_fail_are_not_compared() -> None:
    """Too few failures on both sides say nothing, and the limit that stands for itself decides."""
    judged = ended(ERRORS, current(ERRORS, 1, 10_000), baseline(ERRORS, 0, 10_000))

    assert judged.verdict is PASS
    assert judged.findings[1].reason == "not applicable: 1 failures on both sides are too few to compare"


def test_a_comparison_waits_for_the_end() -> None:
    """An earlier run's counts do not grow with ours: what decides is all of both."""
    now = replace(current(ERRORS, 400, 10_000), baselines=(baseline(ERRORS, 200, 20_000),))

    assert judge(plan(ABSOLUTE, ERRORS), Evidence(), now, final=False).verdict is None


def test_an_earlier_time_is_labelled() -> None:
    """A historical baseline says nothing about causes, and its sentence says that it was another time."""
    then, now = baseline(ERRORS, 200, 20_000), baseline(ERRORS, 200, 20_000, historical=False)
    spoken = [explain(finding(ERRORS, current(ERRORS, 400, 10_000), each)) for each in (then, now)]

    assert spoken == [
        "4 % failed, and 1 % in run 12, at an earlier time: more than 150 % of it.",
        "4 % failed, and 1 % in run 12: more than 150 % of it.",
    ]


def test_clustered_requests_count_for_less_on_both_sides() -> None:
    """The larger design effect of the two divides all counts."""
    even = finding(ERRORS, current(ERRORS, 400, 10_000), baseline(ERRORS, 200, 20_000))
    clustered = finding(ERRORS, current(ERRORS, 400, 10_000), replace(baseline(ERRORS, 200, 20_000), effect=50.0))

    assert (even.verdict, clustered.verdict) == (FAIL, INCONCLUSIVE)
    assert clustered.effect == 50.0
    assert clustered.decides is (clustered.log_e_fail is not None)


def test_a_closed_gate_blocks_a_comparison() -> None:
    """Our own lag decides no fail, here as elsewhere."""
    now = replace(current(ERRORS, 400, 10_000), no_fail=("the generator lagged",))
    found = finding(ERRORS, now, baseline(ERRORS, 200, 20_000))

    assert (found.verdict, found.reason) == (INCONCLUSIVE, "the numbers would decide a fail, but the generator lagged")


def test_what_is_only_reported_decides_nothing() -> None:
    """`role: report` is the usual role of a relative limit."""
    judged = ended(replace(ERRORS, role=Role.REPORT), current(ERRORS, 400, 10_000), baseline(ERRORS, 200, 20_000))

    assert (judged.verdict, judged.findings[1].verdict) == (PASS, FAIL)
