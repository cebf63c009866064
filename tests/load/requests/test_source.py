"""What is sent: constant requests, requests that differ, and what cannot be sent at all."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import replace

import pytest

from gitslo.errors import Refused
from gitslo.load.http1.request import request_bytes
from gitslo.load.requests.content import Content, authority
from gitslo.load.requests.source import Source, sources
from gitslo.model import Endpoint, Feeder, LoadSection, Seconds, Share, Target, TargetScheme

TARGET = Target("shop", TargetScheme.HTTP, "shop.test", 8080, path="/base")
USERS = Feeder("users", ("name", "id"), (("Ada", "1"), ("Bob b", "2"), ('C"\\é', "3")))


def section(*endpoints: Endpoint, **changes: object) -> LoadSection:
    return replace(LoadSection("load", "shop", endpoints, Seconds(1.0), Seconds(0.0), ()), **changes)


def made(
    *endpoints: Endpoint, shard: int = 0, shards: int = 1, authorization: str = "", **changes: object
) -> tuple[Source, ...]:
    environment = {"REGION": "eu", "EVIL": "a\r\nX: y"}
    return sources(section(*endpoints, **changes), TARGET, "7", shard, shards, environment, authorization)


def test_a_constant_request():
    """Method, base path, an honest User-Agent, the run, own headers and body: the same object at every draw."""
    (source,) = made(Endpoint("pay", "POST", "/pay?x=1", (("Content-Type", "text/plain"),), b"body"))
    text = request_bytes(source.content, authority(TARGET)).decode()

    assert text.splitlines()[:2] == ["POST /base/pay?x=1 HTTP/1.1", "Host: shop.test:8080"]
    assert re.search(r"\r\nUser-Agent: gitslo/\S+ \(load; run 7\)\r\nAccept: \*/\*\r\nGitslo-Run: 7\r\n", text)
    assert text.endswith("Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody")
    assert not source.varies
    assert source.draw() is source.content


def test_the_bytes_of_http1():
    """A length where there is, or could be, a body; `Connection: close` where it is the only request."""
    content = Content("GET", "/", (("A", "1"),), b"")

    assert request_bytes(content, "h") == b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n"
    assert request_bytes(content, "h", close=True) == b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nConnection: close\r\n\r\n"
    assert request_bytes(Content("PUT", "/", (), b""), "h") == b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (TARGET, "shop.test:8080"),
        (replace(TARGET, port=80), "shop.test"),
        (replace(TARGET, port=443, tls=True), "shop.test"),
        (replace(TARGET, host="::1"), "[::1]:8080"),
        (replace(TARGET, authority="www.shop.example"), "www.shop.example"),
    ],
)
def test_what_host_says(target, said):
    """The plan's own word, or host and port without what follows from the scheme."""
    assert authority(target) == said


@pytest.mark.parametrize("target", [replace(TARGET, host="a\r\nX: y"), replace(TARGET, authority="a b")])
def test_a_host_that_breaks_the_header_is_refused(target):
    """Nothing in a target can add a header."""
    with pytest.raises(Refused):
        authority(target)


def test_the_authors_headers_replace_ours_but_not_the_operators():
    """A User-Agent or Gitslo-Run of the plan's is sent as given, once; the operator's Authorization is what is sent."""
    own = (("user-agent", "me"), ("gitslo-run", "x"), ("authorization", "mine"))
    (source,) = made(Endpoint("a", "GET", "/", own), authorization="Bearer t", gzip=True)

    assert source.content.headers == (
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip"),
        ("Authorization", "Bearer t"),
        ("user-agent", "me"),
        ("gitslo-run", "x"),
    )
    source.refresh("")
    assert ("authorization", "mine") in source.content.headers


def test_a_fresh_authorization_is_used_at_once():
    """By constant requests and by those that differ."""
    constant, varying = made(Endpoint("a", "GET", "/"), Endpoint("b", "GET", "/${seq}"), authorization="Bearer 1")
    for source in (constant, varying):
        source.refresh("Bearer 2")

    assert [dict(source.draw().headers)["Authorization"] for source in (constant, varying)] == ["Bearer 2"] * 2
    with pytest.raises(Refused):
        constant.refresh("Bearer\r\nX: y")


def test_numbers_differ_over_all_workers_and_endpoints():
    """`${seq}` of worker w of W is w + k W, whichever endpoint draws it."""
    numbers = []
    for shard in range(3):
        first, second = made(Endpoint("a", "GET", "/${seq}"), Endpoint("b", "GET", "/${seq}"), shard=shard, shards=3)
        numbers.append([int(source.draw().path.removeprefix("/base/")) for source in (first, second, first)])

    assert numbers == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_one_value_per_request():
    """A variable that is used twice in a request has one value there, and another in the next."""
    (source,) = made(Endpoint("a", "POST", "/${uuid}?n=${seq}", (("X-Id", "${uuid}"),), b"${uuid} ${seq}"))
    drawn = [source.draw() for _ in range(600)]

    for number, content in enumerate(drawn):
        name = content.path.removeprefix("/base/").partition("?")[0]
        assert uuid.UUID(name).version == 4
        assert str(uuid.UUID(name)) == name
        assert dict(content.headers)["X-Id"] == name
        assert content.body == f"{name} {number}".encode()
    assert len({content.path for content in drawn}) == 600


def test_time():
    """Unix seconds, and milliseconds."""
    (source,) = made(Endpoint("a", "GET", "/${timestamp}/${timestamp_ms}"))
    before = time.time()
    seconds, millis = map(int, source.draw().path.split("/")[2:])

    assert int(before) <= seconds <= time.time()
    assert int(before * 1e3) <= millis <= time.time() * 1e3


def test_rows():
    """One row a request, from the start again at the end; escaped where they stand in a path."""
    (source,) = made(Endpoint("a", "GET", "/${users.id}/${users.name}"), data=(USERS,))

    assert [source.draw().path for _ in range(4)] == [
        "/base/1/Ada",
        "/base/2/Bob%20b",
        '/base/3/C"\\%C3%A9',
        "/base/1/Ada",
    ]


@pytest.mark.parametrize(
    ("shards", "ids"), [(1, ["1231"]), (2, ["1313", "2222"]), (3, ["1111", "2222", "3333"]), (4, None)]
)
def test_workers_share_out_the_rows(shards, ids):
    """Worker w of W takes the rows w, w + W, ...; with more workers than rows, some take the same."""
    found = []
    for shard in range(shards):
        (source,) = made(Endpoint("a", "GET", "/${users.id}"), data=(USERS,), shard=shard, shards=shards)
        found.append("".join(source.draw().path[-1] for _ in range(4)))

    assert found == (ids or ["1111", "2222", "3333", "1111"])


def test_a_value_stays_within_its_json_string():
    """In a JSON body a value is escaped; elsewhere it is itself."""
    kind = (("Content-Type", "application/json; charset=utf-8"),)
    body = b'{"name": "${users.name}", "id": ${users.id}}'
    (quoted,) = made(Endpoint("a", "POST", "/", kind, body), data=(USERS,))
    (plain,) = made(Endpoint("a", "POST", "/", (), b"${users.name}"), data=(USERS,))
    bodies = [quoted.draw().body for _ in USERS.rows]

    assert [json.loads(found) for found in bodies] == [{"name": name, "id": int(n)} for name, n in USERS.rows]
    assert [plain.draw().body.decode() for _ in USERS.rows] == [name for name, _ in USERS.rows]


def test_a_binary_body_is_no_template():
    """What is no text is sent byte by byte as it is."""
    body = b"\xff${seq}${nothing"

    assert made(Endpoint("a", "POST", "/", (), body))[0].draw().body == body


def test_the_environment_is_constant():
    """The operator's variables do not make a request vary, and a literal costs nothing either."""
    (source,) = made(Endpoint("a", "GET", "/${env.REGION}/$${seq}?${env.EVIL}"))

    assert not source.varies
    assert source.draw().path == "/base/eu/${seq}?a%0D%0AX:%20y"


def test_a_variable_without_a_value_is_said_to_be_unset():
    """Whether it is allowed has been looked at before: what is missing here is its value, and that is what is said."""
    said = r"endpoint .a.: the path: the environment variable `TENANT` is not set"
    with pytest.raises(Refused, match=said) as refused:
        made(Endpoint("a", "GET", "/${env.TENANT}"))

    assert "must be set where gitslo runs" in refused.value.problems[0].hint


def test_traces_are_a_share_and_the_others_are_constant():
    """Exactly one request in four has a sampled traceparent, with another id each time; the others are `content`."""
    (source,) = made(Endpoint("a", "GET", "/"), trace=Share(0.25))
    drawn = [(source.draw(), source.trace) for _ in range(400)]
    traced = [(dict(content.headers)["traceparent"], trace.decode()) for content, trace in drawn if trace]

    assert source.varies
    assert all(content is source.content for content, trace in drawn if not trace)
    assert "traceparent" not in dict(source.content.headers)
    assert len({trace for _, trace in traced}) == len(traced) == 100
    assert all(re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-01", header) for header, trace in traced)


def test_traces_and_templates_together():
    """A varying request may be traced, too; a traceparent of the plan's own is left alone."""
    (source,) = made(Endpoint("a", "GET", "/${seq}"), trace=Share(0.5))
    drawn = [source.draw() for _ in range(4)]
    (own,) = made(Endpoint("a", "GET", "/", (("Traceparent", "00-x"),)), trace=Share(1.0))

    assert [content.path for content in drawn] == [f"/base/{number}" for number in range(4)]
    assert sum("traceparent" in dict(content.headers) for content in drawn) == 2
    assert not own.varies
    assert own.trace == b""


@pytest.mark.parametrize(
    ("own", "shared", "good", "bad"),
    [((), (), [200, 399], [199, 400]), ((), {404}, [404], [200]), ({201}, {404}, [201], [200, 404])],
)
def test_which_statuses_are_good(own, shared, good, bad):
    """The endpoint's, else the section's, else 200 to 399."""
    (source,) = made(Endpoint("a", "GET", "/", expect=frozenset(own)), expect=frozenset(shared))

    assert [source.good[status] for status in (*good, *bad)] == [1] * len(good) + [0] * len(bad)


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("a", "GE T", "/"),
        Endpoint("a", "CONNECT", "/"),
        Endpoint("a", "GET", "/a b"),
        Endpoint("a", "GET", "/a\r\nX: y"),
        Endpoint("a", "GET", "/é"),
        Endpoint("a", "GET", "/", (("X-A", "1\r\nX-B: 2"),)),
        Endpoint("a", "GET", "/", (("X A", "1"),)),
        Endpoint("a", "GET", "/", (("X-A", "€"),)),
        Endpoint("a", "POST", "/", (("Content-Length", "0"),), b"x"),
        Endpoint("a", "POST", "/", (("transfer-encoding", "chunked"),), b"x"),
        Endpoint("a", "GET", "/", (("Host", "other"),)),
        Endpoint("a", "GET", "/", (("Connection", "close"),)),
        Endpoint("a", "GET", "/${nothing}"),
        Endpoint("a", "GET", "/${users.nothing}"),
        Endpoint("a", "GET", "/${env.NOTHING}"),
        Endpoint("a", "POST", "/", (), b"${"),
        Endpoint("a", "GET", "/", (("X", "${env.EVIL}"),)),
        Endpoint("a", "GET", "/", (("X", "${lines.text}"),)),
    ],
)
def test_what_would_break_the_framing_is_refused(endpoint):
    """Nothing in a plan, its data or the environment can smuggle a second request or a header into the first."""
    lines = Feeder("lines", ("text",), (("fine",), ("a\nb",)))
    with pytest.raises(Refused, match="endpoint 'a'"):
        made(endpoint, data=(USERS, lines))


def test_every_refusal_is_told():
    """Of all endpoints, not of the first only, and with a hint."""
    with pytest.raises(Refused) as refused:
        made(Endpoint("a", "GET", "/${sec}"), Endpoint("b", "GET", "/é"), Endpoint("c", "GET", "/"))

    assert [problem.message[:12] for problem in refused.value.problems] == ["endpoint 'a'", "endpoint 'b'"]
    assert refused.value.problems[0].hint == "did you mean `seq`?"
