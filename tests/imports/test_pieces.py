from __future__ import annotations

from decimal import Decimal

import pytest

from gitslo.core.imports.criteria import contains, read_criterion
from gitslo.core.imports.draft import plan_name
from gitslo.core.imports.flagger_builtin import built_in
from gitslo.core.imports.flagger_commands import read_command
from gitslo.core.imports.keptn_analysis import quantity
from gitslo.core.imports.plantext import Block, Entry, Flow, Item, Rows, Word, write
from gitslo.core.imports.reading import Cell, read_files


def cells(*texts: str) -> tuple[Cell, ...]:
    (document,) = read_files((("a.yaml", str(list(texts)).encode()),)).documents
    return tuple(document.items())


def groups(text: str):
    """`<600 & >5 | <5` -> groups of criteria."""
    for group in text.split("|") if text else ():
        found = (read_criterion(cell) for cell in cells(*group.split("&")))
        yield tuple(each for each in found if each is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<600", "<600"),
        ("> 5000", ">5000"),
        ("<= +10 %", "<=+10%"),
        ("<=1%", "<=+1%"),
        (">=-80", ">=-80"),
        ("=0", "=0"),
        ("==.5", "=0.5"),
        ("600", None),
        ("<", None),
        ("!=5", None),
    ],
)
def test_a_criterion_of_keptn(text: str, expected: str | None) -> None:
    """As lighthouse-service reads it: blanks do not count, and `%` is relative with or without a sign."""
    (cell,) = cells(text)
    found = read_criterion(cell)

    assert expected == (None if found is None else str(found))


@pytest.mark.parametrize(
    ("passes", "warns", "expected"),
    [
        ("<=1", "<=0.5", True),
        ("<=1", "<=1", True),
        ("<1", "<=1", False),
        ("<600", "<=800", False),
        (">5", ">4", False),
        (">5", ">=6", True),
        ("<600 & >5", "<500 & >10", True),
        ("<5 | >10", "<4 | >11", True),
        ("<5", "<4 | >11", False),
        ("=5", "=5", True),
        ("<=+10%", "<=5", None),
        ("<5", "<=+10%", None),
        ("", "<5", None),
    ],
)
def test_whether_a_warning_can_apply(passes: str, warns: str, expected: bool | None) -> None:
    """It never does where all that meets it passes; changes against earlier results leave it open."""
    assert expected is contains(groups(passes), groups(warns))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("hey -z 1m -q 10 -c 2 http://a/b", ("hey", "http://a/b", 20, 60, "get", ())),
        ("hey -n 100 -q 5 -c 2 -m POST -d x http://a/", ("hey", "http://a/", 10, 10, "post", ())),
        ("hey -c 2 -h2 http://a/", ("hey", "http://a/", None, None, "get", ("-h2",))),
        ("fortio load -qps 50 -t 30s -c 4 http://a/", ("fortio", "http://a/", 50, 30, "get", ("-c",))),
        ("fortio load -qps=50 -n 500 -payload x http://a/", ("fortio", "http://a/", 50, 10, "post", ())),
        ("fortio load -qps 0 http://a/", ("fortio", "http://a/", None, 5, "get", ())),
        ("wrk -t2 -c4 -d30s http://a/", ("wrk", "http://a/", None, 30, "get", ("-t", "-c"))),
        ("wrk2 -R100 -d 30s --latency http://a/", ("wrk", "http://a/", 100, 30, "get", ("--latency",))),
        ("ghz --rps 5 -n 50 --call a.B/C h:1", ("ghz", "h:1", 5, 10, "call", ())),
        ("TOKEN=x hey -q 1 -c 1 http://a/", ("hey", "http://a/", 1, 200, "get", ())),
        ("hey -q 1", None),
        ("ghz h:1", None),
        ("curl http://a/", None),
        ("hey 'http://a/", None),
        ("", None),
    ],
)
def test_a_load_testers_command(command: str, expected: tuple[object, ...] | None) -> None:
    """Tool, URL, requests a second, seconds, method, and what is not carried over."""
    found = read_command(command)

    assert expected == (
        None if found is None else (found.tool, found.url, found.rate, found.seconds, found.method, found.dropped)
    )


@pytest.mark.parametrize(
    ("provider", "counter"),
    [
        ("istio", "istio_requests_total"),
        ("linkerd", "response_total"),
        ("smi:linkerd", "response_total"),
        ("gatewayapi:v1beta1", "http_request_duration_seconds_count"),
        ("appmesh:service", "envoy_cluster_upstream_rq"),
        ("kubernetes", "http_request_duration_seconds_count"),
        ("kubernetes:service", "istio_requests_total"),
        ("something-else", "istio_requests_total"),
        ("skipper", None),
    ],
)
def test_what_a_mesh_counts(provider: str, counter: str | None) -> None:
    """As Flagger chooses its observer: by prefix, by name, or Istio's."""
    found = built_in(provider)

    assert counter == (None if found is None else found.counter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("600", "600"), ("500m", "0.5"), ("1k", "1000"), ("1Ki", "1024"), ("-1.5", "-1.5"), ("1e3", "1000"), ("x", None)],
)
def test_a_quantity_of_kubernetes(text: str, expected: str | None) -> None:
    """Decimal and binary suffixes."""
    assert (None if expected is None else Decimal(expected)) == quantity(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("responseTime P95", "response_time_p95"), ("95th", "th"), ("é", "metric"), ("a" * 99, "a" * 63), ("a-b", "a-b")],
)
def test_a_name_that_a_plan_may_have(text: str, expected: str) -> None:
    """Lower-case letters, digits, `-` and `_`, from a letter on."""
    assert expected == plan_name(text, "metric")


def test_a_plan_is_written_as_it_is_meant() -> None:
    """Strings that YAML would take for something else are in quotes, queries full of quotes in single ones."""
    plan = Block(
        (
            Entry("a", "on"),
            Entry("b", Word("1")),
            Entry("c", 'x{y="z"}', ("why",)),
            Entry("d", Flow((("q", 'x{y="it\'s"}'), ("r", Rows(("<1", ">2", "3")))))),
            Entry("e", Block((Item("p < 1%", ("f:1", "f:2")), Item("a\nb")))),
        )
    )
    written = write(plan, ("head",))

    assert written == (
        "# head\n"
        'a: "on"\n'
        "b: 1\n"
        "# why\n"
        'c: x{y="z"}\n'
        'd: {q: \'x{y="it\'\'s"}\', r: [<1, ">2", "3"]}\n'
        "e:\n"
        "  # f:1\n"
        "  # f:2\n"
        "  - p < 1%\n"
        '  - "a\\nb"\n'
    )


def test_what_nobody_has_read_is_told() -> None:
    """The largest parts; what was read whole, or is empty, is not among them."""
    (document,) = read_files((("a.yaml", b"a: {b: 1, c: {d: 2}}\ne: [1, {f: 2}]\ng:\nh: {i: 1}\n"),)).documents
    a, h = document.get("a"), document.get("h")
    assert a is not None
    assert h is not None
    a.get("b")
    h.take()

    assert ["a/c", "e"] == ["/".join(each.path) for each in document.unread()]
