from __future__ import annotations

import json
from time import monotonic

import pytest

from gitslo.core.jsonpath import search
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Refused

PATIENCE = 10.0
"""Seconds; what is refused takes one or two."""


@pytest.mark.parametrize(
    ("expression", "document", "expected"),
    [
        ("status == 'ok'", {"status": "ok"}, True),
        ("length(@)", [1, 2, 3], 3),
        ("[?up].name", [{"name": "a", "up": True}, {"name": "b", "up": False}], ["a"]),
        ("sort_by(@, &n)[0].n", [{"n": 2}, {"n": 1}], 1),
        ("[db.up, cache.up] == `[true, true]`", {"db": {"up": True}, "cache": {"up": True}}, True),
        ("{a: a, b: b}", {"a": 1}, {"a": 1, "b": None}),
        ("join(',', @)", ["a", "b"], "a,b"),
        ("nothing.here", {"a": 1}, None),
        ("(" * 40 + "a == a" + ") == `true`" * 40, {"a": 1}, True),
    ],
)
def test_what_stands_there_is_found(expression, document, expected) -> None:
    """JMESPath as its authors know it."""
    assert expected == search(expression, document)


@pytest.mark.parametrize(
    ("expression", "document"),
    [
        ("version > '3'", {"version": 4}),
        ("contains(version, `4`)", {"version": "4"}),
        ("length(@)", 4),
        ("[::0]", [1]),
        ("ceil(@)", float("nan")),
        ("ceil(@)", float("inf")),
        ("avg(@)", [10**400, 1]),
    ],
)
def test_an_answer_of_another_kind_is_not_found(expression, document) -> None:
    """What answers decides what it says: a number where text was, or no number at all, is no fault of the check."""
    assert None is search(expression, document)


@pytest.mark.parametrize("expression", ["a b", "nope(@)", "length()", "&a", "[&a]", "[", "!" * 2000])
def test_what_is_no_expression_is_refused(expression) -> None:
    """Its author is told, wherever it is first evaluated."""
    with pytest.raises(Refused, match="JMESPath"):
        search(expression, {"a": 1})


def doubled(step: str, times: int) -> str:
    return "|".join([step] * times)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("expression", "document"),
    [
        (doubled("[@,@][]", 100), [1]),
        (doubled("join('',[@,@])", 60), "ab"),
        (doubled("{a:@,b:@}", 60) + "|to_string(@)", 1),
        (f"[{doubled('[@,@]', 60)}, {doubled('[@,@]', 60)}] | [0] == [1]", 1),
        (doubled("to_string([@,@])", 55), '"'),
        ("join([0], [1])", ["a" * 100_000, [""] * 100_000]),
        ("`[1]`|" + doubled("[@,@][]", 100), None),
    ],
)
def test_an_expression_cannot_ask_for_more_than_its_budget(expression, document) -> None:
    """A line of a repository must not take the daemon's memory or its time: a few signs double a value."""
    began = monotonic()
    with pytest.raises(Refused, match=r"JMESPath.*work"):
        search(expression, document)

    assert monotonic() - began < PATIENCE


def test_a_result_that_unfolds_is_refused() -> None:
    """What is found is written into reasons: it is bounded even where every step of finding it is cheap."""
    with pytest.raises(Refused, match="work"):
        search(doubled("[@,@]", 60), 1)


def test_a_large_answer_fits_the_budget() -> None:
    """The largest body that is read, looked through from end to end, several times."""
    document = json.loads(json.dumps([{"name": f"n{number}", "up": True} for number in range(8_000)]))

    assert search("length([?up]) == length(@) && !contains([].name, 'x') && length([?!up]) == `0`", document) is True


@pytest.mark.heavy
def test_a_plan_with_such_an_expression_is_refused_where_it_stands() -> None:
    """Already when the plan is read, with line and column."""
    plan = (
        "schema: gitslo/v1\n"
        'targets: {shop: {http: "http://shop.dev.svc"}}\n'
        f"readiness: [{{http: shop, path: /readyz, within: 1s, json: '`[1]`|{doubled('[@,@][]', 100)}'}}]\n"
        "load: {browse: {target: shop, endpoints: {all: {get: /}}, stages: [{hold: 1/s, for: 1m}]}}\n"
        "objectives: [browse.errors < 50%]\n"
    )
    with pytest.raises(Refused, match=r"slo.yaml:3:\d+: /readiness/0/json: .*work"):
        parse_plan(plan.encode(), file="slo.yaml", read_file=lambda _: b"")
