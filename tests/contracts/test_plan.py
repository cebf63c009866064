from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Endpoint,
    GrpcHealthReadiness,
    HttpReadiness,
    JudgePolicy,
    LoadSection,
    LoadStage,
    Plan,
    Role,
    StageForm,
    Target,
    TargetScheme,
    TcpReadiness,
)
from tests.contracts.reading import beside

WHOLE = """\
schema: gitslo/v1
targets:
  shop: {http: "https://shop.dev.svc:8443/base/"}
  six: {http: "http://[::1]"}
  prices: {grpc: "prices.dev.svc:9090"}
  cache: {tcp: "[2001:db8::1]:6379"}
readiness:
  - {http: shop, path: /readyz, expect: 204, json: "status == 'ok'", within: 30s}
  - {grpc_health: prices, service: acme.Prices}
  - {tcp: cache, within: 10s}
load:
  browse:
    target: shop
    headers: {X-Tenant: test, Accept: text/plain}
    endpoints:
      list: {get: /items?limit=1, weight: 9, headers: {accept: application/json}}
      pay: {post: /pay, body_file: pay.json}
      put: {put: /x, json: {b: [1, null], a: "é"}}
      text: {patch: /x, body: "é"}
    timeout: 2s
    warmup: 20s
    stages:
      - {ramp: 200/s, for: 30s}
      - {hold: 200/s, for: 5m}
    expect: [200, 404]
    connections: 10
    max_in_flight: 1000
  one:
    target: six
    head: /
    stages: [{hold: 60/m, for: 2m}]
objectives:
  - browse.errors < 1%
  - {that: browse.pay.latency.p99 < 800ms, role: report}
judge: {false_fail: 1%, false_pass: 2%, min_duration: 90s, max_duration: 10m}
"""


def plan(text: str = WHOLE) -> Plan:
    return parse_plan(text.encode(), file="slo.yaml", read_file=beside)


def test_everything_that_is_said_is_understood() -> None:
    """Each field of a plan stands in the model."""
    found = plan()

    assert {
        "shop": Target("shop", TargetScheme.HTTP, "shop.dev.svc", 8443, tls=True, path="/base"),
        "six": Target("six", TargetScheme.HTTP, "::1", 80),
        "prices": Target("prices", TargetScheme.GRPC, "prices.dev.svc", 9090),
        "cache": Target("cache", TargetScheme.TCP, "2001:db8::1", 6379),
    } == found.targets
    assert (
        HttpReadiness("shop", "/readyz", 204, "status == 'ok'", 30.0),
        GrpcHealthReadiness("prices", "acme.Prices", 180.0),
        TcpReadiness("cache", 10.0),
    ) == found.readiness
    tenant = ("X-Tenant", "test")
    assert (
        LoadSection(
            "browse",
            "shop",
            (
                Endpoint("list", "GET", "/items?limit=1", (tenant, ("accept", "application/json")), b"", 9),
                Endpoint("pay", "POST", "/pay", (tenant, ("Accept", "text/plain")), b'{"amount": 1}'),
                Endpoint(
                    "put",
                    "PUT",
                    "/x",
                    (tenant, ("Accept", "text/plain"), ("Content-Type", "application/json")),
                    '{"b":[1,null],"a":"é"}'.encode(),
                ),
                Endpoint("text", "PATCH", "/x", (tenant, ("Accept", "text/plain")), "é".encode()),
            ),
            2.0,
            20.0,
            (LoadStage(StageForm.RAMP, 200.0, 30.0), LoadStage(StageForm.HOLD, 200.0, 300.0)),
            frozenset({200, 404}),
            10,
            1000,
        )
        == found.load[0]
    )
    assert (
        LoadSection("one", "six", (Endpoint("one", "HEAD", "/"),), 5.0, 0.0, (LoadStage(StageForm.HOLD, 1.0, 120.0),))
        == found.load[1]
    )
    assert [Role.DECIDE, Role.REPORT] == [objective.role for objective in found.objectives]
    assert JudgePolicy(0.01, 0.02, 90.0, 600.0) == found.judge


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema: gitslo/v1\n", "# a comment\nschema: 'gitslo/v1'\n"),
        ("timeout: 2s", "timeout: 2000ms"),
        ("{tcp: cache, within: 10s}", "{within: 10s, tcp: cache}"),
        ("60/m", "1/s"),
    ],
)
def test_the_digest_is_over_what_is_meant(old: str, new: str) -> None:
    """Comments, quotes, order of fields and other spellings of a number do not change it."""
    assert old in WHOLE

    assert plan().digest == plan(WHOLE.replace(old, new)).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("errors < 1%", "errors < 2%"),
        ("timeout: 2s", "timeout: 3s"),
        ("weight: 9", "weight: 8"),
        ("expect: 204", "expect: 200"),
        ("min_duration: 90s", "min_duration: 91s"),
        ("role: report", "role: decide"),
        ("8443", "8444"),
        ("expect: [200, 404]", "expect: [200]"),
    ],
)
def test_another_meaning_has_another_digest(old: str, new: str) -> None:
    """Every number of a plan counts."""
    assert old in WHOLE

    assert plan().digest != plan(WHOLE.replace(old, new)).digest


def test_a_body_file_is_part_of_the_digest() -> None:
    """Its bytes are in the plan, and so in the digest; the digest itself is not."""
    other = parse_plan(WHOLE.encode(), file="f", read_file=lambda _: b"{}")

    assert (True, False) == (replace(plan(), digest="") == replace(plan(), digest=""), plan().digest == other.digest)


def test_body_files_lie_in_the_plans_folder() -> None:
    """Only names below the folder are asked for; `./` is the folder."""
    asked: list[str] = []

    def read_file(path: str) -> bytes:
        asked.append(path)
        raise Refused(Problem("is larger than 256 KiB", file=path))

    text = WHOLE.replace("body_file: pay.json", "body_file: ./bodies/pay.json")
    with pytest.raises(Refused, match=r"/load/browse/endpoints/pay/body_file: .* is larger than 256 KiB"):
        parse_plan(text.encode(), file="f", read_file=read_file)

    assert ["bodies/pay.json"] == asked


@pytest.mark.parametrize(
    "host",
    [
        "0177.0.0.1",
        "2130706433",
        "0x7f.1",
        "127.1",
        "127.0.0.1.",
        "256.1.1.1",
        "exa mple",
        "a..b",
        "-a",
        "a_b",
        "%31.svc",
        "ⓔxample.com",
        "[::1",
        "[127.0.0.1]",
        "",
        "a" * 300,
    ],
)
def test_a_host_can_be_read_in_one_way_only(host: str) -> None:
    """The allow-list is matched on the host as it is written: other spellings of an address are refused."""
    text = WHOLE.replace("https://shop.dev.svc:8443/base/", f"https://{host}:8443/")
    with pytest.raises(Refused, match="/targets/shop/http"):
        plan(text)


def test_all_mistakes_are_told_at_once() -> None:
    """A broken part does not hide what is wrong with the others, and does not make up more."""
    text = (
        WHOLE.replace("timeout: 2s", "timeout: 2")
        .replace("browse.errors < 1%", "brows.errors < 1%")
        .replace("expect: 204", "expect: 2040")
    )
    with pytest.raises(Refused) as refused:
        plan(text)

    assert ["/readiness/0/expect", "/load/browse/timeout", "/objectives/0"] == [
        each.pointer for each in refused.value.problems
    ]


def test_mistakes_without_end_are_cut() -> None:
    """A file of nothing but mistakes is told in a hundred lines."""
    text = WHOLE + "".join(f"x{i}: 1\n" for i in range(5000))
    with pytest.raises(Refused) as refused:
        plan(text)

    assert (101, "and more problems") == (len(refused.value.problems), refused.value.problems[-1].message)


@pytest.mark.parametrize(
    ("sentence", "line", "column"),
    [
        ("browse.errors < 0%", 33, 21),
        ("'browse.errors < 0%'", 33, 22),
        ('"browse.errors < 0%"', 33, 22),
        ("browse.errors\n      < 0%", 33, 5),
        ('"browse.errors \\u003c 0%"', 33, 5),
        (">-\n      browse.errors < 0%", 33, 5),
    ],
)
def test_columns_inside_a_sentence(sentence: str, line: int, column: int) -> None:
    """Exact where the text stands in the file as it is read; else the sentence's start."""
    with pytest.raises(Refused) as refused:
        plan(WHOLE.replace("browse.errors < 1%", sentence))
    problem = refused.value.problems[0]

    assert ("/objectives/0", line, column) == (problem.pointer, problem.line, problem.column)


@pytest.mark.parametrize(
    ("old", "new", "pointers"),
    [
        ("{hold: 200/s, for: 5m}", "{hold: 200/s, for: 0s}", ["/load/browse/stages", "/load/browse/stages/1/for"]),
        ("stages: [{hold: 60/m, for: 2m}]", "stages:", ["/load/one/stages"]),
        ("target: six", "target: 6", ["/load/one/target"]),
        ("min_duration: 90s", "min_duration: 90", ["/judge/min_duration"]),
        ("https://shop.dev.svc:8443/base/", "https://shop.dev.svc/b\u00e4se", ["/targets/shop/http"]),
        ("prices.dev.svc:9090", "a:b:c", ["/targets/prices/grpc"]),
        ("status == 'ok'", "x" * 1001, ["/readiness/0/json"]),
        ("objectives:\n", "objectives: []\nolder:\n", ["/objectives", "/older"]),
    ],
)
def test_each_mistake_is_told_where_it_is(old: str, new: str, pointers: list[str]) -> None:
    """Of the field itself and, where it changes what can be proven, of what follows from it; of nothing else."""
    assert old in WHOLE
    with pytest.raises(Refused) as refused:
        plan(WHOLE.replace(old, new))

    assert pointers == [problem.pointer for problem in refused.value.problems]
