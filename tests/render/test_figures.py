from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core import figures

NOT_KNOWN = [None, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0123, "12.3 ms"),
        (0.00012345, "0.123 ms"),
        (0.9999, "1,000 ms"),
        (0.0, "0 ms"),
        (1.25, "1.25 s"),
        (59.96, "60 s"),
        (60, "1 min"),
        (93.5, "93.5 s"),
        (600, "10 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    """Three figures and the unit that people use."""
    assert figures.duration(seconds) == expected


@pytest.mark.parametrize(
    ("part", "expected"), [(0.012, "1.2 %"), (0.0005, "0.05 %"), (1.0, "100 %"), (0.0, "0 %"), (1e-13, "0 %")]
)
def test_shares(part: float, expected: str) -> None:
    """A share is shown in per cent."""
    assert figures.share(part) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0"), (3481, "3,481"), (10**7, "10,000,000"), (None, "not known")]
)
def test_counts(number: int | None, expected: str) -> None:
    """Thousands are set apart."""
    assert figures.count(number) == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (5.2, "e^5.2 = 181"),
        (math.log(20), "e^3.0 = 20"),
        (0.0, "e^0.0 = 1"),
        (-0.04, "e^0.0 = 0.961"),
        (-3.2, "e^-3.2 = 0.0408"),
        (13.9, "over 10^6"),
        (4115.0, "over 10^6"),
        (-800.0, "under 10^-6"),
        (13.8, "e^13.8 = 984,609"),
    ],
)
def test_e_values(log: float, expected: str) -> None:
    """The power people compare and the number it is; far out only how far."""
    assert figures.e_value(log) == expected


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("browse.latency.p95 < 250ms", "250 ms"),
        ("browse.pay.latency.p99.9 < 250ms", "250 ms"),
        ("browse.errors < 25%", "25 %"),
        ("latency.errors < 25%", "25 %"),
        ("readiness", "0.25"),
    ],
)
def test_a_quantity_has_its_objectives_unit(objective: str, expected: str) -> None:
    """Latency is a duration, errors are a share."""
    assert figures.quantity(0.25, objective) == expected


@pytest.mark.parametrize("number", NOT_KNOWN)
def test_what_is_not_known_is_said(number: float | None) -> None:
    """Never zero, never NaN."""
    assert {each(number) for each in (figures.duration, figures.share, figures.rate, figures.e_value)} == {"not known"}
    assert figures.quantity(number, "x.errors < 1%") == "not known"


@settings(derandomize=True, database=None, deadline=None)
@given(st.floats())
def test_every_number_is_short(number: float) -> None:
    """No float prints as a screenful, an exponent or NaN."""
    bounded = max(-1e9, min(1e9, number)) if math.isfinite(number) else number
    for each in (figures.duration, figures.share, figures.rate, figures.e_value):
        shown = each(bounded)
        assert len(shown) < 40
        assert "nan" not in shown
        assert "inf" not in shown
