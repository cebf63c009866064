from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.query_text import FACTS, TIMES, check, render, stand_in, times
from gitslo.core.template import in_path
from gitslo.errors import Refused

VALUES = {
    **dict(zip(FACTS, ("shop/dev", "shop", "dev", "0a1b"), strict=True)),
    **times(1_700_000_000.0, 1_700_000_060.0),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("sum(x)", "sum(x)"),
        ('x{app="${service}",rev="${revision}"}', 'x{app="shop",rev="0a1b"}'),
        ("${start}-${end}", "1700000000-1700000060"),
        ("${start_ms}-${end_ms}", "1700000000000-1700000060000"),
        ("${start_rfc3339}/${end_rfc3339}", "2023-11-14T22:13:20Z/2023-11-14T22:14:20Z"),
        ("rate(x[${window}s])", "rate(x[60s])"),
        ("$${start} costs $5", "${start} costs $5"),
        ("$__interval and {{name}}", "$__interval and {{name}}"),
    ],
)
def test_a_query_says_its_window(text: str, expected: str) -> None:
    """Each variable of the set has one meaning; nothing else is one."""
    assert expected == render(text, VALUES)


def test_moments_have_milliseconds_where_they_need_them() -> None:
    """A window need not begin on a whole second; a rounding error is none."""
    assert {
        "start": "1700000000.25",
        "end": "1700000001.001",
        "start_ms": "1700000000250",
        "end_ms": "1700000001001",
        "start_rfc3339": "2023-11-14T22:13:20.250Z",
        "end_rfc3339": "2023-11-14T22:13:21.001Z",
        "window": "0.751",
    } == times(1_700_000_000.25, 1_700_000_001.0010001)


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("x${", 1, "is not closed"),
        ("x${}", 3, "names no variable"),
        ("ab ${strat}", 5, "there is no variable `strat`"),
        ("${env.HOME}", 2, "there is no variable `env.HOME`"),
        ("${start} ${seq}", 11, "there is no variable `seq`"),
    ],
)
def test_the_set_is_closed(text: str, offset: int, words: str) -> None:
    """Neither the environment of the daemon nor a load's variables: and the place is exact."""
    (fault,) = check(text)

    assert (offset, True, True) == (fault.offset, words in fault.message, bool(fault.hint))


def test_a_variable_without_a_value_is_refused() -> None:
    """Nothing is sent with a hole in it."""
    with pytest.raises(Refused, match="there is no service here"):
        render("${service}", times(0.0, 1.0))


def test_values_are_written_as_their_place_needs() -> None:
    """In a path, in JSON, in a string: the caller knows which."""
    assert "/a%20b?x=${y}" == render("/${service}?x=$${y}", {"service": "a b"}, written=in_path)


@given(st.text(st.sampled_from("${}abc_startendwindow "), max_size=40))
@settings(derandomize=True, database=None, deadline=None, max_examples=300)
def test_what_is_accepted_can_be_sent(text: str) -> None:
    """A query without a fault is rendered, whatever it is; one with a fault never is."""
    faults = check(text)
    if faults:
        assert all(0 <= fault.offset <= len(text) for fault in faults)
        with pytest.raises(Refused):
            stand_in(text)
    else:
        assert "${" not in stand_in(text).replace("${", "", text.count("$${"))


def test_the_names_are_those_that_are_documented() -> None:
    """The closed set, as the how-to lists it."""
    assert {*FACTS, *TIMES} == {
        "environment", "service", "stage", "revision", "start", "end", "start_ms", "end_ms", "start_rfc3339",
        "end_rfc3339", "window",
    }  # fmt: skip
