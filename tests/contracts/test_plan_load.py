from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from gitslo.core.parse_load import percentile
from gitslo.core.parse_plan import parse_plan
from gitslo.core.parse_target import parse_authority, parse_server_name
from gitslo.core.variables import environment_of
from gitslo.errors import Refused
from gitslo.load.schedule import Schedule
from gitslo.model import (
    Abort,
    Arrivals,
    Call,
    Checks,
    Endpoint,
    Feeder,
    LoadSection,
    LoadStage,
    Plan,
    SchemaForm,
    SchemaSource,
    StageForm,
    Target,
    TargetScheme,
    TlsSettings,
    TlsVersion,
)

FILES = {
    "users.csv": b'\xef\xbb\xbfid, name\r\n1,"Ann, the first"\r\n\r\n2,"say ""hi"""\r\n',
    "rows.jsonl": b'{"id": 1, "tags": ["a"]}\n\n{"tags": null, "id": "x"}\n',
    "pricing.protoset": b"\x0a\x00",
    "pricing.proto": b'import "acme/money.proto";',
    "acme/money.proto": b"money",
    "order.graphql": b"",
}

WHOLE = """\
schema: gitslo/v1
targets:
  web:
    http: https://shop.dev.svc
    http2: true
    tls: {ca: shop-ca, certificate: tester, server_name: shop.example.com, min_version: 1.3}
    auth: tester
    authority: Shop.example.com:8443
    resolve: "[2001:db8::1]:8443"
  open: {http: "https://open.dev.svc", tls: {insecure: true}}
  prices: {grpc: "prices.dev.svc:9090", tls: {ca: shop-ca}, auth: tester}
  plain: {grpc: "plain.dev.svc:9090"}
  first: {http: "http://first.dev.svc"}
  tls: {grpc: "tls.dev.svc:443", tls: true}
load:
  browse:
    target: web
    arrivals: poisson
    connections: 4
    streams: 16
    connect_timeout: 1s
    connection_age: 5m
    redirects: 2
    gzip: true
    trace: 1%
    data: {users: {csv: users.csv}, rows: {jsonl: ./rows.jsonl}}
    abort: {errors: 50%, latency: {p99.9: 2s}, within: 20s, requests: 10}
    checks: {contains: ok}
    headers: {X-Tenant: "${env.TENANT}"}
    endpoints:
      item: {get: "/items/${users.id}", expect: [200, 404], checks: {matches: ["a+", b], json: "total > `0`",
        headers: {Cache-Control: no-store, X-Id: true}, max_size: 1KiB, sample: 10%}}
      graph: {post: /graphql, weight: 2, graphql: {query: "{ a }", variables: {id: "${seq}"}, operation: A}}
    stages:
      - {hold: 60/m, count: 90}
      - {hold: 3/s, count: 1000}
  quote:
    target: prices
    timeout: 2s
    abort: off
    call:
      method: acme.Pricing/Quote
      schema: {protoset: ./pricing.protoset}
      messages: [{sku: "${seq}"}, {}]
      metadata: {x-tenant: "${env.TENANT}", key-bin: aGk=}
      deadline: 1s
      repeat: 3
      interval: 10ms
      gzip: true
      expect: [OK, NOT_FOUND]
      checks: {json: "price.units != null"}
    stages: [{hold: 500/s, for: 3m}]
  several:
    target: plain
    abort: {errors: off, latency: {p50: 1s}}
    endpoints:
      a: {call: {method: acme.Pricing/Quote, message: {sku: "1"}}, weight: 9}
      b: {call: {method: acme.Pricing/List, schema: {proto: pricing.proto, imports: [acme/money.proto]}}}
    stages: [{hold: 5/s, for: 3m}]
  old:
    target: first
    get: /
    keep_alive: false
    cookies: true
    stages: [{hold: 5/s, for: 3m}]
objectives:
  - browse.errors < 1%
  - several.a.latency.p99 < 60ms
"""


def plan(text: str = WHOLE) -> Plan:
    return parse_plan(text.encode(), file="slo.yaml", read_file=lambda path: FILES[path])


def test_every_setting_of_a_target_is_understood() -> None:
    """TLS, identity, authority and the address to connect to; names stay names."""
    assert {
        "web": Target(
            "web",
            TargetScheme.HTTP,
            "shop.dev.svc",
            443,
            tls=True,
            http2=True,
            settings=TlsSettings("shop-ca", "tester", "shop.example.com", TlsVersion.TLS_1_3),
            auth="tester",
            authority="shop.example.com:8443",
            resolve=("2001:db8::1", 8443),
        ),
        "open": Target("open", TargetScheme.HTTP, "open.dev.svc", 443, tls=True, settings=TlsSettings(insecure=True)),
        "prices": Target(
            "prices",
            TargetScheme.GRPC,
            "prices.dev.svc",
            9090,
            tls=True,
            settings=TlsSettings("shop-ca"),
            auth="tester",
        ),
        "plain": Target("plain", TargetScheme.GRPC, "plain.dev.svc", 9090),
        "first": Target("first", TargetScheme.HTTP, "first.dev.svc", 80),
        "tls": Target("tls", TargetScheme.GRPC, "tls.dev.svc", 443, tls=True),
    } == plan().targets


def test_every_setting_of_an_http_load_is_understood() -> None:
    """What a section says counts for its endpoints, and what an endpoint says goes before it."""
    assert (
        LoadSection(
            name="browse",
            target="web",
            endpoints=(
                Endpoint(
                    "item",
                    "GET",
                    "/items/${users.id}",
                    (("X-Tenant", "${env.TENANT}"),),
                    checks=Checks(
                        matches=("a+", "b"),
                        json=("total > `0`",),
                        headers=(("cache-control", "no-store"), ("x-id", None)),
                        max_size=1024,
                        sample=0.1,
                    ),
                    expect=frozenset({200, 404}),
                ),
                Endpoint(
                    "graph",
                    "POST",
                    "/graphql",
                    (("X-Tenant", "${env.TENANT}"), ("Content-Type", "application/json")),
                    b'{"query":"{ a }","variables":{"id":"${seq}"},"operationName":"A"}',
                    2,
                    Checks(contains=("ok",), graphql=True),
                ),
            ),
            timeout=5.0,
            warmup=0.0,
            stages=(LoadStage(StageForm.HOLD, 1.0, 90.0), LoadStage(StageForm.HOLD, 3.0, 1000 / 3)),
            connections=4,
            arrivals=Arrivals.POISSON,
            streams=16,
            connect_timeout=1.0,
            connection_age=300.0,
            redirects=2,
            gzip=True,
            trace=0.01,
            data=(
                Feeder("users", ("id", "name"), (("1", "Ann, the first"), ("2", 'say "hi"'))),
                Feeder("rows", ("id", "tags"), (("1", '["a"]'), ("x", "null"))),
            ),
            abort=Abort(0.5, (0.999, 2.0), 20.0, 10),
        )
        == plan().load[0]
    )


def test_every_setting_of_a_grpc_load_is_understood() -> None:
    """One call under the section's own name, or several; messages are JSON as it is written shortest."""
    quote, several = plan().load[1:3]

    assert (
        Call(
            "quote",
            "acme.Pricing/Quote",
            ('{"sku":"${seq}"}', "{}"),
            (("x-tenant", "${env.TENANT}"), ("key-bin", "aGk=")),
            SchemaSource(SchemaForm.PROTOSET, (("pricing.protoset", b"\x0a\x00"),)),
            deadline=1.0,
            repeat=3,
            interval=0.01,
            gzip=True,
            checks=Checks(json=("price.units != null",)),
            expect=frozenset({"OK", "NOT_FOUND"}),
        ),
    ) == quote.calls
    assert (
        Call("a", "acme.Pricing/Quote", ('{"sku":"1"}',), weight=9),
        Call(
            "b",
            "acme.Pricing/List",
            schema=SchemaSource(
                SchemaForm.PROTO,
                (("pricing.proto", b'import "acme/money.proto";'), ("acme/money.proto", b"money")),
            ),
        ),
    ) == several.calls
    assert ((), Abort(errors=None), Abort(errors=None, latency=(0.5, 1.0))) == (
        several.endpoints,
        quote.abort,
        several.abort,
    )


def test_settings_of_http_1_are_understood() -> None:
    """A connection for each request, and cookies."""
    old = plan().load[3]

    assert (False, True, Abort()) == (old.keep_alive, old.cookies, old.abort)


@pytest.mark.parametrize(("count", "rate"), [(1000, 3.0), (90, 1.0), (1, 7.0), (99_999, 333.3), (10, 0.1)])
def test_a_hold_by_count_sends_so_many(count: int, rate: float) -> None:
    """The stage lasts as long as the rate takes for them, whatever rounding does to the division."""
    text = WHOLE.replace("{hold: 3/s, count: 1000}", f"{{hold: {rate}/s, count: {count}}}")
    stage = plan(text).load[0].stages[1]

    assert count == Schedule((stage,)).count()


def test_the_variables_of_the_operators_are_known_of_a_load() -> None:
    """What the run and the check hold against the operator's file: each once, wherever it stands."""
    assert [("TENANT",), ("TENANT",), (), ()] == [environment_of(section) for section in plan().load]


# --------------------------------------------------------------------------- digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    streams: 16\n", "    streams: 100\n"),
        ("    redirects: 2\n", "    redirects: 0\n"),
        ("    abort: {errors: 50%, latency: {p99.9: 2s}, within: 20s, requests: 10}\n", "    abort: {errors: 90%}\n"),
        ("min_version: 1.3", 'min_version: "1.2"'),
        ("      repeat: 3\n", "      repeat: 1\n"),
    ],
)
def test_a_default_that_is_written_out_is_no_other_plan(old: str, new: str) -> None:
    """The digest is the same whether a default is said or not: a new field does not throw away any verdict."""
    line = old if old.endswith("\n") else f", {old}"
    assert line in WHOLE

    assert plan(WHOLE.replace(line, "")).digest == plan(WHOLE.replace(old, new)).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("arrivals: poisson", "arrivals: uniform"),
        ("sample: 10%", "sample: 11%"),
        ("abort: off", "abort: {errors: 91%}"),
        ("http2: true\n", "http2: false\n"),
        ("ca: shop-ca}, auth", "ca: other}, auth"),
        ('"[2001:db8::1]:8443"', '"[2001:db8::2]:8443"'),
        ("x-tenant", "x-other"),
        ("key-bin: aGk=", "key-bin: aGo="),
    ],
)
def test_every_new_setting_is_part_of_the_digest(old: str, new: str) -> None:
    """Another meaning is another plan."""
    assert old in WHOLE
    text = WHOLE.replace(old, new)
    if "http2" in old:
        text = text.replace("    streams: 16\n", "")

    assert plan().digest != plan(text).digest


def test_rows_and_types_are_part_of_the_digest() -> None:
    """Files beside the plan are what it says, too."""
    digests = {plan().digest}
    for path in ("users.csv", "rows.jsonl", "pricing.protoset", "acme/money.proto"):
        other = {**FILES, path: FILES[path].replace(b"1,", b"3,").replace(b"1", b"3") + b"\n"}
        digests.add(parse_plan(WHOLE.encode(), file="f", read_file=other.__getitem__).digest)

    assert 5 == len(digests)


def test_the_digest_of_a_small_plan_names_what_it_says_and_nothing_else() -> None:
    """Written out here, so that a change of the model that would change every digest is seen."""
    found = plan(
        "{schema: gitslo/v1, targets: {w: {http: 'http://w.svc'}}, readiness: [{http: w, path: /}],"
        " load: {l: {target: w, get: /, stages: [{hold: 5/s, for: 2m}]}}, objectives: [l.errors < 50%]}"
    )
    said = {
        "targets": {"w": {"name": "w", "scheme": "http", "host": "w.svc", "port": 80}},
        "readiness": [{"target": "w", "path": "/", "expect": 200, "json": None, "within": 180.0}],
        "load": [
            {
                "name": "l",
                "target": "w",
                "endpoints": [{"name": "l", "method": "GET", "path": "/"}],
                "timeout": 5.0,
                "warmup": 0.0,
                "stages": [{"form": "hold", "rate": 5.0, "duration": 120.0}],
            }
        ],
        "objectives": [
            {
                "text": "l.errors < 50%",
                "load": "l",
                "endpoint": None,
                "metric": "errors",
                "limit": 0.5,
                "quantile": None,
                "role": "decide",
            }
        ],
        "judge": {},
        "digest": "",
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))

    assert hashlib.sha256(text.encode()).hexdigest() == found.digest
    assert "" == dataclasses.replace(found, digest="").digest


# --------------------------------------------------------------------------- files beside a plan


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("users.csv", b"id,name\n1\n", "`users.csv`, line 2: the header names 2 columns, and here are 1"),
        ("users.csv", b"id,name\n", "the file `users.csv` has no row"),
        ("users.csv", b"", "the file `users.csv` has no row"),
        ("users.csv", b"id,id\n1,2\n", "the column `id` is there twice"),
        ("users.csv", b"id\n\xff\n", "`users.csv`, line 2: no UTF-8"),
        ("users.csv", b'id\n"a\n', "`users.csv`, line 2: no CSV"),
        ("users.csv", b"1st\n1\n", "expected a column's name, found `1st`"),
        ("rows.jsonl", b'{"a": 1}\n[1]\n', "rows.jsonl`, line 2: expected a JSON object"),
        ("rows.jsonl", b'{"a": 1}\n{"b": 1}\n', "line 2: expected the keys of the first line, and `a` is not in both"),
        ("rows.jsonl", b"{\n", "rows.jsonl`, line 1: no JSON"),
        ("rows.jsonl", b"\n", "rows.jsonl` has no row"),
    ],
)
def test_a_row_that_is_none_is_told_with_its_line(name: str, content: bytes, said: str) -> None:
    """Whoever wrote the file finds the line; templates are not blamed for what could not be read."""
    files = {**FILES, name: content}
    with pytest.raises(Refused) as refused:
        parse_plan(WHOLE.encode(), file="slo.yaml", read_file=files.__getitem__)

    assert [True] == [said in problem.message for problem in refused.value.problems]


# --------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.example", "a.example"), ("A.example:80", "a.example:80"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]:80")],
)
def test_an_authority_is_a_host_with_or_without_a_port(text: str, expected: str) -> None:
    """As it stands in a Host header."""
    assert expected == parse_authority(text)


@pytest.mark.parametrize("text", ["", ":80", "a b", "http://a", "a/b", "user@a", "a:b", "a:99999"])
def test_what_is_no_authority_is_refused(text: str) -> None:
    """Nothing of it may end a header or name a user."""
    with pytest.raises(Refused):
        parse_authority(text)


@pytest.mark.parametrize(("text", "expected"), [("A.example", "a.example"), ("::1", "::1"), ("192.0.2.1", "192.0.2.1")])
def test_a_server_name_is_a_name_or_an_address(text: str, expected: str) -> None:
    """Certificates have both."""
    assert expected == parse_server_name(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("p99", 0.99), ("p99.9", 0.999), ("p0", None), ("p100", None), ("99", None), ("p", None)]
)
def test_a_percentile_is_above_0_and_below_100(text: str, expected: float | None) -> None:
    """As in objectives."""
    assert expected == percentile(text)
