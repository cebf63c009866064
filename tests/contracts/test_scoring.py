from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.parse_plan import parse_plan
from gitslo.core.parse_scoring import parse_criterion
from gitslo.errors import Refused
from gitslo.model import (
    Aggregate,
    Comparator,
    Comparison,
    Criterion,
    CriterionForm,
    Include,
    ScoredObjective,
    Scoring,
)
from tests.contracts.reading import beside

LESS, AT_MOST, EQUAL = Comparator.LESS, Comparator.LESS_OR_EQUAL, Comparator.EQUAL
AT_LEAST, MORE = Comparator.GREATER_OR_EQUAL, Comparator.GREATER
FIXED, CHANGE, RELATIVE = CriterionForm.FIXED, CriterionForm.CHANGE, CriterionForm.RELATIVE


@pytest.mark.parametrize(
    ("text", "comparator", "form", "value"),
    [
        ("<600", LESS, FIXED, 600.0),
        ("<=600", AT_MOST, FIXED, 600.0),
        ("=0", EQUAL, FIXED, 0.0),
        (">=0.5", AT_LEAST, FIXED, 0.5),
        ("> 5000", MORE, FIXED, 5000.0),
        ("<= +10 %", AT_MOST, RELATIVE, 10.0),
        ("<=+10%", AT_MOST, RELATIVE, 10.0),
        ("<=10%", AT_MOST, RELATIVE, 10.0),
        (">=-80%", AT_LEAST, RELATIVE, -80.0),
        ("<=+80", AT_MOST, CHANGE, 80.0),
        (">=-80", AT_LEAST, CHANGE, -80.0),
        ("<600ms", LESS, FIXED, 0.6),
        ("<=+1.5s", AT_MOST, CHANGE, 1.5),
        (">=-80ms", AT_LEAST, CHANGE, -0.08),
        ("<512MiB", LESS, FIXED, 2.0**29),
    ],
)
def test_a_criterion_is_read_as_keptn_reads_it(
    text: str, comparator: Comparator, form: CriterionForm, value: float
) -> None:
    """Blanks count for nothing; a `%` is relative, without a sign an increase; a sign alone is a difference."""
    assert Criterion("".join(text.split()), comparator, form, value) == parse_criterion(text)


@pytest.mark.parametrize(
    "text",
    ["", "600", "+10%", "<", "<=", "<<5", "==5", "=<5", "=>5", "!=5", "<=++5", "<=+-5", "<=5%%", "<=x", "<=5 apples"],
)
def test_anything_else_is_refused(text: str) -> None:
    """In words that say what a criterion is."""
    with pytest.raises(Refused) as refused:
        parse_criterion(text)

    assert (1, True) == (
        len(refused.value.problems),
        refused.value.problems[0].message.startswith(("expected", "there")),
    )


@given(st.text(st.sampled_from("<>=+-%.0159 msMiB"), max_size=12))
@settings(derandomize=True, database=None, deadline=None, max_examples=500)
def test_any_text_is_a_criterion_or_none(text: str) -> None:
    """No other exception; and a criterion's text is itself that criterion."""
    try:
        criterion = parse_criterion(text)
    except Refused:
        return

    assert criterion == parse_criterion(criterion.text)


HEAD = """\
schema: gitslo/v1
targets: {web: {http: "http://web.svc"}}
load: {browse: {target: web, get: /, timeout: 2s, stages: [{hold: 50/s, for: 2m}]}}
metrics:
  bad: {source: prom, ratio: {bad: b, total: t}}
  queue: {source: prom, gauge: g}
  db: {source: prom, histogram: h}
scoring:
"""


def scoring(text: str) -> Scoring | None:
    return parse_plan((HEAD + text).encode(), file="slo.yaml", read_file=beside).scoring


def test_everything_that_is_said_is_understood() -> None:
    """Each field of a scoring stands in the model; the values of shares and durations in their own unit."""
    text = """\
  pass: 90%
  warning: 75%
  compare: {results: 3, include: pass_or_warn, aggregate: p90}
  objectives:
    - of: browse.latency.p95
      name: rt
      pass: [["<=+10%", "<600ms"], ["<200ms"]]
      warning: [["<=800ms"]]
      weight: 2
      key: true
    - {of: bad, pass: [["<=0.01"]]}
    - {of: queue}
"""
    ten, six = parse_criterion("<=+10%"), parse_criterion("<600ms")
    expected = Scoring(
        (
            ScoredObjective(
                "browse.latency.p95",
                ((ten, six), (parse_criterion("<200ms"),)),
                ((parse_criterion("<=800ms"),),),
                2,
                True,
                "rt",
            ),
            ScoredObjective("bad", ((parse_criterion("<=0.01"),),)),
            ScoredObjective("queue"),
        ),
        0.9,
        0.75,
        Comparison(3, Include.PASS_OR_WARN, Aggregate.P90),
    )

    assert expected == scoring(text)


def test_a_plan_of_a_scoring_alone_is_one() -> None:
    """It decides, so no objective has to."""
    found = scoring('  pass: 90%\n  objectives: [{of: browse.errors, pass: [["<=0.01"]]}]\n')

    assert Scoring((ScoredObjective("browse.errors", ((parse_criterion("<=0.01"),),)),), 0.9) == found
