"""Keptn's scoring as a part of the decision frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.judge import Judgement, explain, judge, score_of
from gitslo.core.judge.scores import SCORE
from gitslo.core.parse_scoring import parse_criterion
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    LoadSummary,
    Method,
    Percentiles,
    Plan,
    RatePerSecond,
    ScoredObjective,
    ScoreRecord,
    ScoreResult,
    Scoring,
    Seconds,
    Share,
    Verdict,
)
from tests.judge.plans import evidence, plan
from tests.judge.test_metrics import RATIO, SECTIONS, series, windows

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def scored(indicator: str, *criteria: str, warning: str = "", weight: int = 1, key: bool = False) -> ScoredObjective:
    passes = (tuple(parse_criterion(each) for each in criteria),) if criteria else ()
    warns = ((parse_criterion(warning),),) if warning else ()
    return ScoredObjective(indicator, passes, warns, weight, key)


def of(*objectives: ScoredObjective, warns: float | None = None) -> Plan:
    scoring = Scoring(objectives, Share(0.9), None if warns is None else Share(warns))
    return replace(plan(), objectives=(), metrics=SECTIONS, scoring=scoring)


def seen(p95: float | None = 0.2, failed: int = 0) -> AttemptEvidence:
    """A load's summary, a ratio of 0.1 %, and a gauge at 30."""
    summary = LoadSummary(
        load="browse",
        endpoint=None,
        requests=1_000,
        errors=(("status 500", failed),) if failed else (),
        planned_rate=RatePerSecond(100.0),
        achieved_rate=RatePerSecond(100.0),
        latency=Percentiles(p95=p95),
        schedule_lag_p99=Seconds(0.0),
    )
    ratio = replace(windows(RATIO, 40, 1_000, 1), objective="served")
    return replace(evidence(), loads=(summary,), tallies=(ratio,), series=(series("queue", *[30.0] * 40),))


def ended(p: Plan, current: AttemptEvidence, *history: ScoreRecord) -> Judgement:
    return judge(p, Evidence(), current, final=True, scores=history)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (scored("browse.latency.p95", "<250ms"), PASS),
        (scored("browse.latency.p95", "<150ms"), FAIL),
        (scored("browse.errors", "<=0.01"), PASS),
        (scored("served", "<=0.001"), PASS),
        (scored("served", "<=0.0009"), FAIL),
        (scored("queue", "<=30"), PASS),
        (scored("queue", "<30"), FAIL),
    ],
)
def test_every_kind_of_indicator_is_scored(objective: ScoredObjective, expected: Verdict) -> None:
    """A load's percentile or errors, a ratio as a whole, a gauge's mean."""
    assert ended(of(objective), seen()).verdict is expected


def test_the_whole_decides_and_each_is_reported() -> None:
    """One finding for the score, labelled, and one for each objective that says why."""
    judged = ended(of(scored("queue", "<=30", weight=9), scored("browse.errors", "<=0.01")), seen(failed=100))

    assert judged.verdict is PASS
    assert [(f.objective, f.verdict, f.decides, f.method) for f in judged.findings] == [
        (SCORE, PASS, True, Method.SCORE),
        ("score of queue", PASS, False, Method.SCORE),
        ("score of browse.errors", FAIL, False, Method.SCORE),
    ]
    assert explain(judged.findings[0]) == "The score is 90 % of at least 90 % (`browse.errors` failed)."


def test_a_warning_is_for_a_person() -> None:
    """Keptn's warning neither passes nor fails here: it is inconclusive, and says so."""
    judged = ended(of(scored("queue", "<=20", warning="<=40"), warns=0.5), seen())

    assert judged.verdict is INCONCLUSIVE
    assert judged.findings[0].reason.startswith("the score is 50 %: at least 50 % warns")


def test_a_score_waits_for_the_end() -> None:
    """It is a comparison of estimates: looked at again and again it would cross every limit."""
    assert judge(of(scored("queue", "<=20")), Evidence(), seen(), final=False).verdict is None


def test_what_is_not_known_decides_nothing() -> None:
    """Missing data never passes, and fails nothing either."""
    unknown = replace(seen(), unknown=(("queue", "its source was down"),), series=())

    assert ended(of(scored("queue", "<=30")), unknown).verdict is INCONCLUSIVE
    assert ended(of(scored("browse.latency.p95", "<1s")), seen(p95=None)).verdict is INCONCLUSIVE


def test_relative_criteria_are_about_earlier_runs() -> None:
    """Without one they hold; with one they compare."""
    relative = of(scored("queue", "<=+10%"))
    before = ScoreRecord("7", ScoreResult.PASS, (("queue", 20.0),))

    assert ended(relative, seen()).verdict is PASS
    assert ended(relative, seen(), before).verdict is FAIL


@pytest.mark.parametrize(("limit", "gate"), [("<=30", "no_pass"), ("<=20", "no_fail")])
def test_a_closed_gate_holds_for_scores(limit: str, gate: str) -> None:
    """Numbers that must not decide a direction do not, whoever reads them."""
    current = replace(seen(), **{gate: ("a worker was lost",)})

    assert ended(of(scored("queue", limit)), current).verdict is INCONCLUSIVE


def test_a_score_passes_no_sooner_than_the_plan_says() -> None:
    """`min_duration` holds for scores, too."""
    short = replace(seen(), judged_seconds=())

    assert ended(of(scored("queue", "<=30")), short).findings[0].reason == (
        "judged for 0 ms of the 10 s that a pass needs"
    )


def test_what_is_remembered_is_what_was_scored() -> None:
    """The record of a run holds every value that was known."""
    found = score_of(of(scored("queue", "<=30"), scored("browse.latency.p95", "<1s")), (seen(p95=None),), ())

    assert found is not None
    assert found.record("8") == ScoreRecord("8", found.result, (("queue", 30.0),))
