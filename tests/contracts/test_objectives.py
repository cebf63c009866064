from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.objectives import Known, NoObjective, Terms, parse_objective
from gitslo.model import (
    Baseline,
    BaselineForm,
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Quantity,
    Role,
    Seconds,
    Share,
    Test,
)

RATIO, GAUGE, HISTOGRAM = MetricForm.RATIO, MetricForm.GAUGE, MetricForm.HISTOGRAM
METRICS = [
    MetricSection("lost", "s", RATIO, {}),
    MetricSection("cpu", "s", GAUGE, {}, between=(0.0, 1.0)),
    MetricSection("load", "s", GAUGE, {}, between=(0.0, 64.0)),
    MetricSection("queue", "s", GAUGE, {}),
    MetricSection("db", "s", HISTOGRAM, {}),
]
KNOWN = Known(
    {"browse": ("list", "pay"), "one": ()},
    {"browse": Seconds(2.0), "one": Seconds(2.0)},
    {each.name: each for each in METRICS},
    {"cpu": Quantity.SHARE, "load": Quantity.NUMBER},
)
LAST = Baseline(BaselineForm.LAST_PASS)
THRESHOLD = Terms(test=Test.THRESHOLD)


def about(
    source: str, metric: Metric, quantile: float | None, text: str, limit: float, quantity: Quantity
) -> Objective:
    return Objective(text, "", None, metric, limit, quantile, Role.DECIDE, source, quantity)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("browse.errors < 1%", Objective("browse.errors < 1%", "browse", None, Metric.ERRORS, 0.01, None, Role.DECIDE)),
        (
            "browse.latency.p95 < 250ms",
            Objective("browse.latency.p95 < 250ms", "browse", None, Metric.LATENCY, 0.25, 0.95, Role.DECIDE),
        ),
        (
            "browse.pay.latency.p99.9 < 800ms",
            Objective("browse.pay.latency.p99.9 < 800ms", "browse", "pay", Metric.LATENCY, 0.8, 0.999, Role.DECIDE),
        ),
        (
            "browse.pay.errors < 0.50%",
            Objective("browse.pay.errors < 0.50%", "browse", "pay", Metric.ERRORS, 0.005, None, Role.DECIDE),
        ),
        ("  one.errors<1%  ", Objective("one.errors < 1%", "one", None, Metric.ERRORS, 0.01, None, Role.DECIDE)),
        ("one.latency.p50 < 2s", Objective("one.latency.p50 < 2s", "one", None, Metric.LATENCY, 2.0, 0.5, Role.DECIDE)),
    ],
)
def test_a_sentence_is_a_limit(sentence: str, expected: Objective) -> None:
    """Load, endpoint, metric, limit and quantile; the text has single blanks and the author's numbers."""
    assert expected == parse_objective(sentence, Role.DECIDE, KNOWN)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("lost<2%", about("lost", Metric.SHARE, None, "lost < 2%", 0.02, Quantity.SHARE)),
        ("cpu < 80%", about("cpu", Metric.MEAN, None, "cpu < 80%", 0.8, Quantity.SHARE)),
        ("load < 8", about("load", Metric.MEAN, None, "load < 8", 8.0, Quantity.NUMBER)),
        ("load.p90 < 16.5", about("load", Metric.QUANTILE, 0.9, "load.p90 < 16.5", 16.5, Quantity.NUMBER)),
        ("queue.p95 < -10", about("queue", Metric.QUANTILE, 0.95, "queue.p95 < -10", -10.0, Quantity.NUMBER)),
        ("queue.p95 < 150%", about("queue", Metric.QUANTILE, 0.95, "queue.p95 < 150%", 1.5, Quantity.SHARE)),
        ("queue.p95 < 512MiB", about("queue", Metric.QUANTILE, 0.95, "queue.p95 < 512MiB", 2.0**29, Quantity.BYTES)),
        (" db.p99.9  <  50ms ", about("db", Metric.QUANTILE, 0.999, "db.p99.9 < 50ms", 0.05, Quantity.SECONDS)),
        ("db.p50 < 1m30s", about("db", Metric.QUANTILE, 0.5, "db.p50 < 1m30s", 90.0, Quantity.SECONDS)),
    ],
)
def test_a_metric_has_limits_of_its_own_kind(sentence: str, expected: Objective) -> None:
    """A ratio's share, a gauge's mean or quantile, a histogram's quantile; the limit's unit is told beside it."""
    assert expected == parse_objective(sentence, Role.DECIDE, KNOWN)


@pytest.mark.parametrize(
    ("sentence", "terms", "expected"),
    [
        (
            "browse.latency.p95 < 120% of baseline",
            Terms(baseline=LAST),
            Objective(
                "browse.latency.p95 < 120% of last-pass",
                "browse",
                None,
                Metric.LATENCY,
                1.2,
                0.95,
                Role.DECIDE,
                baseline=LAST,
            ),
        ),
        (
            "browse.pay.errors<150%   of  baseline",
            Terms(baseline=Baseline(BaselineForm.TARGET, "old")),
            Objective(
                "browse.pay.errors < 150% of target:old",
                "browse",
                "pay",
                Metric.ERRORS,
                1.5,
                None,
                Role.DECIDE,
                baseline=Baseline(BaselineForm.TARGET, "old"),
            ),
        ),
        (
            "queue < 5",
            THRESHOLD,
            replace(
                about("queue", Metric.MEAN, None, "queue < 5 at the end", 5.0, Quantity.NUMBER), test=Test.THRESHOLD
            ),
        ),
        (
            "browse.errors < 1%",
            Terms(unit=JudgedUnit.SECONDS),
            Objective(
                "browse.errors < 1% in all but 1% of seconds",
                "browse",
                None,
                Metric.ERRORS,
                0.01,
                None,
                Role.DECIDE,
                unit=JudgedUnit.SECONDS,
            ),
        ),
        (
            "db.p99 < 50ms",
            Terms(unit=JudgedUnit.SECONDS, allow=Share(0.005)),
            replace(
                about("db", Metric.QUANTILE, 0.99, "db.p99 < 50ms in all but 0.5% of windows", 0.05, Quantity.SECONDS),
                unit=JudgedUnit.SECONDS,
                allow=Share(0.005),
            ),
        ),
    ],
)
def test_what_stands_beside_a_sentence_is_part_of_its_text(sentence: str, terms: Terms, expected: Objective) -> None:
    """So no two objectives of a plan have one text, and a report's line says how each was judged."""
    assert expected == parse_objective(sentence, Role.DECIDE, KNOWN, terms)


def test_the_quantile_is_what_is_allowed() -> None:
    """p99.9 allows one in a thousand, without the rounding of a subtraction."""
    assert [0.05, 0.01, 0.001] == [
        parse_objective(f"browse.latency.p{p} < 1s", Role.DECIDE, KNOWN).allowed for p in ("95", "99", "99.9")
    ]


@pytest.mark.parametrize(
    ("sentence", "offset"),
    [
        ("", 0),
        ("  ", 2),
        ("browse", 6),
        ("browse.", 6),
        ("brwse.errors < 1%", 0),
        ("browse.pya.errors < 1%", 7),
        ("browse.pay", 10),
        ("browse.pay.error < 1%", 11),
        ("browse.latency < 1s", 15),
        ("browse.latency.p0 < 1s", 15),
        ("browse.latency.p101 < 1s", 15),
        ("browse.errors.p95 < 1%", 13),
        ("browse.errors", 13),
        ("browse.errors <", 15),
        ("browse.errors <= 1%", 14),
        ("browse.errors == 1%", 14),
        ("browse.errors > 1%", 14),
        ("browse.errors < 1% or more", 19),
        ("browse.errors < 0%", 16),
        ("browse.errors < 0.0%", 16),
        ("browse.errors < 100%", 16),
        ("browse.errors < 1", 16),
        ("browse.latency.p95 < 1%", 21),
        ("browse.latency.p95 < 0ms", 21),
        ("browse.latency.p95 < 2001ms", 21),
        ("browse.latency.p95 < 120% of baseline", 21),
        ("browse.latency.p95 < 120% of last-pass", 26),
        ("browse.latency.p95 < 120 of baseline", 21),
        ("browse.errors < 0% of baseline", 16),
        ("browse.errors < 10001% of baseline", 16),
        ("lst < 2%", 0),
        ("lost", 4),
        ("lost <", 6),
        ("lost < 0%", 7),
        ("lost < 100%", 7),
        ("lost < 2", 7),
        ("lost.p95 < 2%", 4),
        ("lost.errors < 2%", 4),
        ("lost < 120% of baseline", 12),
        ("cpu < 80", 6),
        ("cpu < 0%", 6),
        ("cpu < 100%", 6),
        ("cpu < 101%", 6),
        ("cpu.mean < 80%", 3),
        ("cpu.max < 80%", 4),
        ("cpu.latency.p95 < 80%", 4),
        ("cpu > 80%", 4),
        ("cpu < 80 %", 9),
        ("load < 80%", 7),
        ("load < -1", 7),
        ("queue < 5", 0),
        ("queue.p95 < 512Mi", 12),
        ("queue.p95 < 400d", 12),
        ("queue.p95 < 1.5B", 12),
        ("queue. < 5", 6),
        ("db < 50ms", 2),
        ("db.p100 < 50ms", 3),
        ("db.p99 < 0ms", 9),
        ("db.p99 < -1", 9),
        ("one.get.errors < 1%", 4),
        ("one.latncy.p95 < 1s", 4),
        ("browse.latency.p95 < 250", 21),
    ],
)
def test_the_place_is_exact(sentence: str, offset: int) -> None:
    """The character at which a sentence goes wrong."""
    with pytest.raises(NoObjective) as error:
        parse_objective(sentence, Role.DECIDE, KNOWN)

    assert (offset, True) == (error.value.offset, bool(error.value.message))


WORDS = [
    "browse",
    "lost",
    "cpu",
    "load",
    "queue",
    "db",
    ".",
    "errors",
    "latency",
    "p95",
    "<",
    " ",
    "1%",
    "pay",
    "1s",
    "5",
]
TERMS = [
    Terms(),
    THRESHOLD,
    Terms(baseline=LAST),
    Terms(baseline=Baseline(BaselineForm.TARGET, "old")),
    Terms(unit=JudgedUnit.SECONDS),
    Terms(unit=JudgedUnit.SECONDS, allow=Share(0.2)),
]


@pytest.mark.heavy
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from([*WORDS, "of", " of baseline", "512MiB", "-2", "150%"])).map("".join),
        st.tuples(
            st.sampled_from(
                ["browse.errors", "one.latency.p99", "lost", "cpu", "load.p50", "queue", "queue.p9", "db.p99.9"]
            ),
            st.sampled_from(["<", " < ", "  <"]),
            st.sampled_from(["1%", "0.5%", "99%", "250ms", "1m30s", "5", "-2.5", "64KiB", "0.7"]),
            st.sampled_from(["", " ", " of baseline"]),
        ).map("".join),
    ),
    st.sampled_from(TERMS),
)
@settings(derandomize=True, database=None, deadline=None, max_examples=500)
def test_any_text_is_an_objective_or_none(sentence: str, terms: Terms) -> None:
    """No other exception; and the text of an objective, without what stands beside it, is the same objective again."""
    try:
        objective = parse_objective(sentence, Role.REPORT, KNOWN, terms)
    except NoObjective as error:
        again = None
        assert 0 <= error.offset <= len(sentence)  # noqa: PT017 - both outcomes are right, each has its rule
    else:
        text = re.sub(r" of (last-pass|target:old)$", " of baseline", objective.text)
        again = parse_objective(re.sub(r" (at the end|in all but .*)$", "", text), Role.REPORT, KNOWN, terms)
        assert objective == again
