from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.objectives import Known, NoObjective, parse_objective
from gitslo.model import Metric, Objective, Role, Seconds

KNOWN = Known({"browse": ("list", "pay"), "one": ()}, {"browse": Seconds(2.0), "one": Seconds(2.0)}, ("lost",))


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
        ("lost < 2%", 0),
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


@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from(["browse", ".", "errors", "latency", "p95", "<", " ", "1%", "pay", "1s", "of"])).map(
            "".join
        ),
    )
)
def test_any_text_is_an_objective_or_none(sentence: str) -> None:
    """No other exception; and the text of an objective is itself an objective, the same one."""
    try:
        objective = parse_objective(sentence, Role.REPORT, KNOWN)
    except NoObjective as error:
        again = None
        assert 0 <= error.offset <= len(sentence)  # noqa: PT017 - both outcomes are right, each has its rule
    else:
        again = parse_objective(objective.text, Role.REPORT, KNOWN)
        assert objective == again
