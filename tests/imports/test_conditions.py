from __future__ import annotations

import pytest

from gitslo.core.imports.argo_web import jmespath_of
from gitslo.core.imports.conditions import Condition, negated, parse_condition


def shown(condition: Condition | None) -> str:
    """Groups with `|` between them, tests with `&`; empty where it is not understood."""
    if condition is None:
        return ""
    groups = (
        " & ".join(
            f"{each.kind}{f'.{each.field}' if each.field else ''} {each.operator} {each.word or each.value}"
            for each in group
        )
        for group in condition
    )
    return " | ".join(groups)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("result[0] < 0.05", "value < 0.05"),
        ("0.95 <= result[0]", "value >= 0.95"),
        ("result[0] > -5", "value > -5"),
        ("asFloat(result) >= 0.9 && asInt(result) != 7", "value >= 0.9 & value != 7"),
        ("len(result) > 0 && result[0] <= 5", "length > 0 & value <= 5"),
        ("result[0] <= 5 || isNaN(result[0])", "value <= 5 | missing == 0"),
        ("isNaN(result[0]) == false", "missing != 0"),
        ("default(result, 0) < 5", "default < 5"),
        ("result", "is == true"),
        ("result == 'ok'", "is == 'ok'"),
        ("result.data.ok && result['a b'] > 1", "is.data.ok == true & value.a b > 1"),
        ("!(result[0] > 5 || result[0] < 1)", "value <= 5 & value >= 1"),
        ("not (result[0] > 5) and (result[0] > 1)", "value <= 5 & value > 1"),
        ("(result[0]) > 5 or result[0] == 0", "value > 5 | value == 0"),
        # More than comparisons of the first value:
        ("all(result, # < 5)", ""),
        ("result[1] < 5", ""),
        ("result[0] / 2 < 5", ""),
        ("results[0] < 5", ""),
        ("len(result)", ""),
        ("5", ""),
        ("result < result", ""),
        ("result[0] <", ""),
        ("-result[0] < 5", ""),
        ("((", ""),
        ("", ""),
        (" && ".join(f"(result[0] < {each} || result[0] > {each})" for each in range(6)), ""),
    ],
)
def test_what_a_condition_asks(text: str, expected: str) -> None:
    """Comparisons, `&&`, `||` and `!`, in groups of which one must hold."""
    assert expected == shown(parse_condition(text))


@pytest.mark.parametrize(
    "text", ["result[0] < 5", "result[0] < 5 && result[0] > 1", "result[0] == 5 || result[0] >= 9"]
)
def test_what_is_negated_twice_is_as_it_was(text: str) -> None:
    """The opposite of the opposite."""
    condition = parse_condition(text)
    assert condition is not None

    assert {frozenset(each) for each in condition} == {frozenset(each) for each in negated(negated(condition))}


@pytest.mark.parametrize(
    ("path", "field", "expected"),
    [
        ("{$.data.ok}", "", "data.ok"),
        ("{$.results[0].value}", "", "results[0].value"),
        ("{$['a b'].c}", "d", '"a b".c.d'),
        ("{$}", "", "@"),
        ("", "ok", "ok"),
        ("{.items[*].x}", "", None),
        ("{range .items}", "", None),
    ],
)
def test_a_json_path_as_jmespath(path: str, field: str, expected: str | None) -> None:
    """Plain paths only."""
    assert expected == jmespath_of(path, field)
