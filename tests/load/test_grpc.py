from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
from click.testing import CliRunner
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.cli.root import cli
from gitslo.errors import Refused
from gitslo.load.connections.addresses import Addresses
from gitslo.load.connections.pool import Pool
from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.load.grpc.calls import call_sources, timeout_field
from gitslo.load.grpc.full import connections
from gitslo.load.messages import Limit, PreparedMethod
from gitslo.load.record.recorder import Recorder
from gitslo.model import Call, Checks, Feeder, Seconds, TargetScheme, TlsSettings
from gitslo.ports import LoadJob, TlsMaterial
from gitslo.wiring_run import method_schemas
from tests.authority import Authority
from tests.load.grpc_calls import carried_out, section, target
from tests.load.grpc_server import NOT_SERVING, SERVICE, GrpcServer, grpc_server
from tests.load.jobs import CEILINGS, bad, hold, job, total
from tests.load.scripted import plain, scripted
from tests.required import required

BUY, WATCH, COLLECT, CHAT = (f"{SERVICE}/{name}" for name in ("Buy", "Watch", "Collect", "Chat"))
CHECKED = Checks(json=("name == 'x'",))


@pytest.fixture(scope="module")
def running():
    with grpc_server() as server:
        yield server


@pytest.fixture
def shop(running: GrpcServer) -> GrpcServer:
    running.seen.clear()
    running.messages.clear()
    return running


# --------------------------------------------------------------------------- the four kinds


def test_constant_calls_of_one_message(shop) -> None:
    """Many at the same time on one connection; each is one call at the server."""
    done = carried_out(
        target(shop.port), section(Call("buy", BUY, ('{"name": "x", "count": 3}',))), number=50, at_once=10
    )

    assert (50, {}) == (done.good, done.kinds)
    assert 50 == len(shop.seen)
    assert {("x", 3)} == {(came[0].name, came[0].count) for came in shop.messages}
    assert 1 == done.connected


def test_the_health_check_needs_no_types(shop) -> None:
    """Every server that has it answers; what it says of itself can be checked, without reflection, too."""
    plain = Call("health", "grpc.health.v1.Health/Check")

    assert 5 == carried_out(target(shop.port), section(plain), number=5).good


def test_a_server_stream_ends_with_its_trailers(shop) -> None:
    """However many messages come before; the last one is the one that is checked."""
    call = Call("watch", WATCH, ('{"name": "x", "count": 300}',), checks=Checks(json=("total == '300'",)))
    none = Call("none", WATCH, ('{"name": "x"}',))
    done = carried_out(target(shop.port), section(call, none), number=4)

    assert (4, {}) == (done.good, done.kinds)


def test_a_client_stream_sends_its_messages_repeatedly(shop) -> None:
    """In their order, and says that it is done."""
    call = Call("collect", COLLECT, ('{"name": "a"}', '{"name": "b"}'), repeat=3, checks=Checks(json=("total == '6'",)))
    done = carried_out(target(shop.port), section(call))

    assert (1, {}) == (done.good, done.kinds)
    assert ["a", "b", "a", "b", "a", "b"] == [each.name for each in shop.messages[0]]


def test_a_client_streams_interval_lies_between_messages(shop) -> None:
    """The stream takes as long as that; the schedule of other calls does not wait for it."""
    slow = Call(
        "chat", CHAT, ('{"name": "x"}',), repeat=4, interval=Seconds(0.05), checks=Checks(json=("total == '4'",))
    )
    done = carried_out(target(shop.port), section(slow), number=3, at_once=3)

    assert (3, {}) == (done.good, done.kinds)
    assert [] == [response for response in done.responses if not 0.15 <= response < 1.0]


def test_a_stream_of_a_hundred_thousand_messages(shop) -> None:
    """More than the server's windows hold: it goes as the server takes it."""
    text = '{"name": "' + "x" * 100 + '"}'
    call = Call("collect", COLLECT, (text,), repeat=20_000, checks=Checks(json=("total == '20000'",)))
    done = carried_out(target(shop.port), section(call, timeout=15.0))

    assert (1, {}) == (done.good, done.kinds)


def test_a_large_message_goes_in_pieces(shop) -> None:
    """Frames and windows are the server's to say."""
    text = '{"name": "' + "x" * 1_000_000 + '"}'
    call = Call("buy", BUY, (text,), checks=Checks(json=("length(name) == `1000000`",)))
    done = carried_out(target(shop.port), section(call, Call("plain", BUY, (text,))), number=6, at_once=3)

    assert (6, {}) == (done.good, done.kinds)


def test_a_large_constant_message_goes_in_pieces(shop) -> None:
    """The fast path gives it to the flow control."""
    text = '{"name": "' + "x" * 1_000_000 + '"}'
    done = carried_out(target(shop.port), section(Call("buy", BUY, (text,))), number=6, at_once=3)

    assert (6, {}) == (done.good, done.kinds)
    assert {1_000_000} == {len(came[0].name) for came in shop.messages}


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_an_answer_may_come_before_the_call_is_sent(checks) -> None:
    """The rest is not sent, and the connection goes on."""
    large = Call("buy", BUY, ('{"name": "' + "x" * 1_000_000 + '"}',), checks=checks)
    stream = Call("collect", COLLECT, large.messages, repeat=50 if checks.body else 1, checks=checks)
    small = Call("buy", BUY, ('{"name": "x"}',), checks=checks)
    with grpc_server(options=(("grpc.max_receive_message_length", 1000),)) as server:
        done = carried_out(target(server.port), section(large, small, stream, small), number=8)

    assert (4, {"grpc RESOURCE_EXHAUSTED": 4}, 1) == (done.good, done.kinds, done.connected)


# --------------------------------------------------------------------------- statuses


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_a_status_that_is_not_expected_is_an_error_with_the_servers_words(shop, checks) -> None:
    """The message is percent-decoded; a call whose status is expected is good."""
    fails = Call("buy", BUY, ('{"name": "fail NOT_FOUND käse ☃ is out"}',), checks=checks)
    wanted = Call("buy", BUY, ('{"name": "fail NOT_FOUND"}',), expect=frozenset({"NOT_FOUND"}))
    strict = Call("buy", BUY, ('{"name": "x"}',), expect=frozenset({"NOT_FOUND"}), checks=checks)
    failed = carried_out(target(shop.port), section(fails), number=3)

    assert {"grpc NOT_FOUND": 3} == failed.kinds
    assert "käse ☃ is out" == failed.examples["grpc NOT_FOUND"].decode()
    assert 3 == carried_out(target(shop.port), section(wanted), number=3).good
    assert {"grpc OK": 2} == carried_out(target(shop.port), section(strict), number=2).kinds


def test_every_call_of_a_section_has_its_own_expectations(shop) -> None:
    """They are counted apart, on the same connection."""
    fails = Call("a", BUY, ('{"name": "fail ABORTED"}',), expect=frozenset({"ABORTED", "OK"}))
    works = Call("b", BUY, ('{"name": "x"}',))
    also = Call("c", BUY, ('{"name": "fail ABORTED"}',))
    done = carried_out(target(shop.port), section(fails, works, also), number=6)

    assert (4, {"grpc ABORTED": 2}) == (done.good, done.kinds)


def test_a_status_after_messages_counts(shop) -> None:
    """A stream that fails half-way has failed."""
    call = Call("watch", WATCH, ('{"name": "fail INTERNAL", "count": 3}',))

    assert {"grpc INTERNAL": 1} == carried_out(target(shop.port), section(call)).kinds


def test_a_method_that_is_not_there(shop) -> None:
    """Trailers-only: header and status in one block."""
    for call in (
        Call("x", "acme.shop.v1.Shop/Sell"),
        Call("y", "acme.Nobody/There", checks=Checks(headers=(("x", None),))),
    ):
        assert {"grpc UNIMPLEMENTED": 2} == carried_out(target(shop.port), section(call), number=2).kinds


# --------------------------------------------------------------------------- what is said


def test_metadata_goes_along(shop) -> None:
    """In text and in bytes; with an honest user agent and the run, and the operator's identity before the plan's."""
    binary = base64.b64encode(b"\0\xff\x10").decode()
    given = (("x-shop", "berlin"), ("x-key-bin", binary), ("authorization", "plan"))
    call = Call("buy", BUY, ('{"name": "x"}',), metadata=given)
    carried_out(target(shop.port), section(call), authorization="Bearer operator")
    said = shop.seen[0][1]

    assert ("berlin", b"\0\xff\x10", "Bearer operator", "7") == (
        said["x-shop"], said["x-key-bin"], said["authorization"], said["gitslo-run"],
    )  # fmt: skip
    assert str(said["user-agent"]).startswith("gitslo/")


def test_what_varies_is_drawn_for_each_call(shop) -> None:
    """One value per variable and call, in messages and metadata alike; rows are escaped for where they stand."""
    feeder = Feeder("users", ("name",), (('An "A"',), ("B\\o",)))
    call = Call(
        "buy",
        BUY,
        ('{"name": "${users.name} ${env.REGION}", "count": ${seq}}',),
        metadata=(("x-seq", "${seq}"), ("x-region", "${env.REGION}")),
    )
    load = section(call, data=(feeder,))
    done = carried_out(target(shop.port), load, number=4, environment={"REGION": "eu"})

    assert (4, {}) == (done.good, done.kinds)
    assert [('An "A" eu', 0), ("B\\o eu", 1), ('An "A" eu', 2), ("B\\o eu", 3)] == [
        (came[0].name, came[0].count) for came in shop.messages
    ]
    assert ["0", "1", "2", "3"] == [metadata["x-seq"] for _, metadata, _ in shop.seen]


def test_a_value_that_does_not_fit_its_field_is_a_failed_call(shop) -> None:
    """Where so many rows came before that nobody had looked: the load goes on."""
    rows = (*((str(number),) for number in range(1000)), ("many",))
    call = Call("buy", BUY, ('{"count": ${users.count}}',))
    done = carried_out(
        target(shop.port), section(call, data=(Feeder("users", ("count",), rows),)), number=1001, at_once=50
    )

    assert (1000, {"message: a value does not fit": 1}) == (done.good, done.kinds)


def test_traces_are_sampled(shop) -> None:
    """The share that is asked for, with an id of its own; the slowest are known."""
    done = carried_out(target(shop.port), section(Call("buy", BUY, ('{"name": "x"}',)), trace=0.5), number=10)
    traced = [metadata["traceparent"] for _, metadata, _ in shop.seen if "traceparent" in metadata]

    assert (10, 5, 5) == (done.good, len(traced), len(set(traced)))
    assert {str(each).split("-")[1] for each in traced} == {each.trace for each in done.sources[0].slowest.found()}


def test_messages_can_be_compressed_both_ways(shop) -> None:
    """A server that does not know it would say UNIMPLEMENTED; answers are unpacked where they are looked into."""
    text = '{"name": "gzip ' + "x" * 2000 + '"}'
    checked = Call("buy", BUY, (text,), gzip=True, checks=Checks(json=("length(name) == `2005`",)))
    plain = Call("watch", WATCH, ('{"name": "x", "count": 2}',), gzip=True)
    done = carried_out(target(shop.port), section(checked, plain), number=4)

    assert (4, {}) == (done.good, done.kinds)


# --------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("checks", "kind"),
    [
        (Checks(json=("name == 'x'", "kind == 'FRUIT'", "count == `0`")), ""),
        (Checks(json=("name == 'y'",)), "check: json"),
        (Checks(contains=('"kind":"FRUIT"',)), ""),
        (Checks(contains=("BREAD",)), "check: body does not contain"),
        (Checks(matches=("FRUI[T]",)), ""),
        (Checks(headers=(("x-echo", "yes"),)), ""),
        (Checks(headers=(("x-echo", "no"),)), "check: header has another value"),
        (Checks(headers=(("x-none", None),)), "check: header is missing"),
        (Checks(max_size=5), "too large"),
        (Checks(max_size=100), ""),
    ],
)
def test_checks_look_at_the_last_messages_json(shop, checks, kind) -> None:
    """And at metadata, the trailing one too, and the size of all messages."""
    call = Call("buy", BUY, ('{"name": "x", "kind": "FRUIT"}',), metadata=(("x-echo", "yes"),), checks=checks)
    done = carried_out(target(shop.port), section(call), number=2)

    assert ({kind: 2} if kind else {}) == done.kinds


def test_a_server_stream_without_a_message_has_nothing_to_check(shop) -> None:
    """Nothing is not what was expected."""
    call = Call("watch", WATCH, ('{"name": "x"}',), checks=Checks(json=("name == 'x'",)))

    assert {"check: json": 1} == carried_out(target(shop.port), section(call)).kinds


def test_bodies_are_looked_at_as_often_as_asked(shop) -> None:
    """Half of the answers, exactly."""
    call = Call("buy", BUY, ('{"name": "y"}',), checks=Checks(json=("name == 'x'",), sample=0.5))

    assert {"check: json": 5} == carried_out(target(shop.port), section(call), number=10).kinds


def test_a_health_check_can_be_looked_into(shop) -> None:
    """What the server says of itself is a field like any other."""
    from gitslo.adapters.grpc_client import reflect
    from gitslo.load.grpc.prepared import prepare

    shop.health.set("down", NOT_SERVING)
    to = target(shop.port)
    call = Call(
        "health", "grpc.health.v1.Health/Check", ('{"service": "down"}',), checks=Checks(json=("status == 'SERVING'",))
    )
    load = section(call)
    ready = prepare(load, {}, lambda _: reflect(to, ("127.0.0.1", shop.port), "grpc.health.v1.Health", TlsMaterial()))
    done = carried_out(to, load, methods=ready)

    assert {"check: json": 1} == done.kinds


# --------------------------------------------------------------------------- time


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_a_deadline_is_kept_even_by_a_server_that_does_not(shop, checks) -> None:
    """The server is told; where it does not answer in time, the call is over on our side. The connection stays."""
    slow = Call("buy", BUY, ('{"name": "slow"}',), deadline=Seconds(0.2), checks=checks)
    wanted = Call("buy", BUY, ('{"name": "slow"}',), deadline=Seconds(0.2), expect=frozenset({"DEADLINE_EXCEEDED"}))
    done = carried_out(target(shop.port), section(slow), number=2, at_once=2)

    assert ({"grpc DEADLINE_EXCEEDED": 2}, 1) == (done.kinds, done.connected)
    assert all(0.19 <= response < 2.0 for response in done.responses)
    assert 1 == carried_out(target(shop.port), section(wanted)).good


def test_a_time_out_is_a_time_out(shop) -> None:
    """It stands in the distribution at the time-out, whoever noticed first, and costs its stream alone."""
    slow = Call("buy", BUY, ('{"name": "slow"}',))
    done = carried_out(target(shop.port), section(slow, timeout=0.3), number=2, at_once=2)

    assert ({"timeout": 2}, [0.3, 0.3], 1) == (done.kinds, done.responses, done.connected)


# --------------------------------------------------------------------------- connections


def test_over_tls_with_our_own_certificate(tmp_path) -> None:
    """By ALPN, under the plan's name for the server."""
    import grpc

    authority = Authority.create(tmp_path / "ca")
    certificate, key = (path.read_bytes() for path in authority.sign("DNS:shop.internal"))
    ours, our_key = (path.read_bytes() for path in authority.sign("DNS:load"))
    ca = authority.certificates.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
    call = section(Call("buy", BUY, ('{"name": "x"}',)), timeout=2.0)
    with grpc_server(credentials=credentials) as server:
        to = target(server.port, tls=True, settings=TlsSettings(ca="ca", server_name="shop.internal"))
        done = carried_out(to, call, number=3, tls=TlsMaterial(ca, ours, our_key))
        wrong = carried_out(to, call, tls=TlsMaterial(b"", ours, our_key))

    assert (3, {}) == (done.good, done.kinds)
    assert 1 == sum(wrong.kinds.values())
    assert next(iter(wrong.kinds)).startswith("connect: certificate: ")


def test_a_server_that_closes_its_connections_loses_no_calls() -> None:
    """GOAWAY lets what is under way end; the rest goes on another connection."""
    options = (("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 2000))
    with grpc_server(options=options) as server:
        calls = section(Call("buy", BUY, ('{"name": "x"}',)), streams=4)
        done = carried_out(target(server.port), calls, number=2000, at_once=4, most=2)

    assert (2000, {}) == (done.good, done.kinds)


def test_a_server_that_takes_few_streams() -> None:
    """Its limit is kept; nothing is refused."""
    with grpc_server(options=(("grpc.max_concurrent_streams", 2),)) as server:
        calls = section(Call("buy", BUY, ('{"name": "x"}',)))
        done = carried_out(target(server.port), calls, number=200, at_once=20)

    assert (200, {}) == (done.good, done.kinds)


def test_a_server_that_speaks_no_http2() -> None:
    """Said as what it is, at the price of one attempt each."""
    with plain(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        done = carried_out(target(port), section(HEALTH, timeout=1.0))

    assert {"connect: protocol: the server speaks no HTTP/2": 1} == done.kinds


# --------------------------------------------------------------------------- answers that no good server gives

HEALTH = Call("health", "grpc.health.v1.Health/Check")
BOTH = pytest.mark.parametrize(
    "call", [HEALTH, replace(HEALTH, checks=Checks(max_size=10**6))], ids=["fast", "full"]
)  # fmt: skip
HEAD = [(":status", "200"), ("content-type", "application/grpc")]
FINE = [("grpc-status", "0")]
EMPTY = b"\0\0\0\0\0"


@BOTH
@pytest.mark.parametrize(
    ("http", "name"),
    [
        (400, "INTERNAL"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "UNIMPLEMENTED"),
        (429, "UNAVAILABLE"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "UNAVAILABLE"),
        (500, "UNKNOWN"),
        (200, "UNKNOWN"),
        (302, "UNKNOWN"),
    ],
)
def test_an_http_answer_without_a_grpc_status_is_mapped(call, http, name) -> None:
    """What stands before the server (a proxy, a gateway, a web page) speaks no gRPC: its status still says why."""

    def answer(server: H2Connection, stream: int) -> None:
        server.send_headers(stream, [(":status", str(http)), ("content-type", "text/html")])
        server.send_data(stream, b"<html>no", end_stream=True)

    with scripted(answer) as port:
        done = carried_out(target(port), section(call), number=2)

    assert {f"grpc {name}": 2} == done.kinds
    assert f"HTTP status {http}, text/html, without grpc-status".encode() == done.examples[f"grpc {name}"]


@BOTH
@pytest.mark.parametrize(
    ("head", "data", "trailers", "kind"),
    [
        (HEAD, EMPTY, FINE, ""),
        (HEAD, b"", FINE, "protocol error: no message"),
        ([*HEAD, *FINE], b"", [], "protocol error: no message"),
        ([*HEAD, ("grpc-status", "14"), ("grpc-message", "a%20b%C3%A9%zz")], b"", [], "grpc UNAVAILABLE"),
        ([(":status", "503"), ("grpc-status", "8")], b"", [], "grpc RESOURCE_EXHAUSTED"),
        (HEAD, EMPTY, [("grpc-status", "17")], "grpc UNKNOWN"),
        (HEAD, EMPTY, [("grpc-status", "-1")], "grpc UNKNOWN"),
        (HEAD, EMPTY, [("grpc-status", "")], "grpc UNKNOWN"),
        (HEAD, EMPTY, [("x", "y")], "grpc UNKNOWN"),
        (HEAD, EMPTY, None, "grpc UNKNOWN"),
    ],
)
def test_the_last_header_block_says_how_a_call_ended(call, head, data, trailers, kind) -> None:
    """With trailers, without, with a status that there is not, with none."""

    def answer(server: H2Connection, stream: int) -> None:
        server.send_headers(stream, head, end_stream=trailers == [])
        if trailers != [] and (data or trailers is None):
            server.send_data(stream, data, end_stream=trailers is None)
        if trailers:
            server.send_headers(stream, trailers, end_stream=True)

    unary = {"methods": (PreparedMethod("/grpc.health.v1.Health/Check", messages=(EMPTY,)),)}
    with scripted(answer) as port:
        done = carried_out(target(port), section(call), number=2, **unary)

    assert ({kind: 2} if kind else {}) == done.kinds
    if kind == "grpc UNAVAILABLE":
        assert "a bé%zz" == done.examples[kind].decode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (EMPTY, ""),
        (EMPTY * 2, "protocol error: more than one message"),
        (EMPTY[:3], "protocol error: message cut short"),
        (b"\0\0\0\0\x09abc", "protocol error: message cut short"),
        (b"\0\0\0\0\x02\xff\xff", "check: not a message of its type"),
        (b"\1\0\0\0\x02ab", "unknown message encoding"),
        (b"\0\x7f\xff\xff\xff" + b"x" * 1000, "check: message too large"),
    ],
)
def test_messages_that_are_looked_into_have_to_be_whole(data, kind) -> None:
    """However they are cut: byte by byte as well as in one piece."""
    call = Call("buy", BUY, ('{"name": "x"}',), checks=Checks(json=("count == `0`",)))

    def at_once(server: H2Connection, stream: int) -> None:
        server.send_headers(stream, HEAD)
        server.send_data(stream, data)
        server.send_headers(stream, FINE, end_stream=True)

    def in_bytes(server: H2Connection, stream: int) -> None:
        server.send_headers(stream, HEAD)
        for byte in data:
            server.send_data(stream, bytes((byte,)))
        server.send_headers(stream, FINE, end_stream=True)

    for answer in (at_once, in_bytes):
        with scripted(answer) as port:
            done = carried_out(target(port), section(call))

        assert ({kind: 1} if kind else {}) == done.kinds


@pytest.mark.parametrize(
    ("encoding", "message", "kind"),
    [
        ("gzip", gzip.compress(b"\x10\x00", mtime=0), ""),
        ("gzip", b"no gzip", "gzip: broken"),
        ("gzip", gzip.compress(b"\x10\x00", mtime=0)[:-3], "gzip: broken"),
        ("gzip", gzip.compress(bytes(5 * 1024 * 1024), mtime=0), "check: message too large"),
        ("br", b"x", "unknown message encoding"),
    ],
)
def test_compressed_messages_are_unpacked_within_bounds(encoding, message, kind) -> None:
    """A few bytes that unpack to millions are not unpacked."""
    call = Call("buy", BUY, ('{"name": "x"}',), checks=Checks(json=("count == `0`",)))

    def answer(server: H2Connection, stream: int) -> None:
        server.send_headers(stream, [*HEAD, ("grpc-encoding", encoding)])
        server.send_data(stream, b"\1" + len(message).to_bytes(4, "big") + message)
        server.send_headers(stream, FINE, end_stream=True)

    with scripted(answer) as port:
        done = carried_out(target(port), section(call))

    assert ({kind: 1} if kind else {}) == done.kinds


@BOTH
def test_a_stream_that_is_reset_is_an_error_by_its_name(call) -> None:
    """One that was refused is sent again; one that was cancelled after the deadline has run into that."""
    refused: list[int] = []

    def refuse_first(server: H2Connection, stream: int) -> None:
        if not refused:
            refused.append(stream)
            server.reset_stream(stream, 7)
            return
        server.send_headers(stream, HEAD)
        server.send_data(stream, EMPTY)
        server.send_headers(stream, FINE, end_stream=True)

    with scripted(lambda server, stream: server.reset_stream(stream, 2)) as port:
        assert {"stream reset: internal error": 2} == carried_out(target(port), section(call), number=2).kinds
    with scripted(refuse_first) as port:
        assert {} == carried_out(target(port), section(call), number=3).kinds
    hasty = replace(call, deadline=Seconds(1e-9))
    with scripted(lambda server, stream: server.reset_stream(stream, 8)) as port:
        assert {"grpc DEADLINE_EXCEEDED": 2} == carried_out(target(port), section(hasty), number=2).kinds
        assert {"stream reset: cancelled": 2} == carried_out(target(port), section(call), number=2).kinds


# --------------------------------------------------------------------------- what is refused before the load


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (replace(HEALTH, expect=frozenset({"FINE"})), "`FINE` is no gRPC status"),
        (replace(HEALTH, metadata=(("X-Up", "1"),)), "the metadata `X-Up` has a name of more than a-z"),
        (replace(HEALTH, metadata=(("grpc-timeout", "1S"),)), "the metadata `grpc-timeout` is the engine's own"),
        (replace(HEALTH, metadata=(("te", "x"),)), "the metadata `te` is the engine's own"),
        (replace(HEALTH, metadata=(("x", "a\r\nb"),)), "the metadata `x` holds more than printable ASCII"),
        (replace(HEALTH, metadata=(("x-bin", "a b"),)), "the metadata `x-bin` is no base64"),
        (replace(HEALTH, metadata=(("x", "${nobody}"),)), "there is no variable `nobody`"),
        (replace(HEALTH, metadata=(("x", "${rows.evil}"),)), "the metadata `x` holds more than printable ASCII"),
        (replace(HEALTH, checks=Checks(matches=("(",))), "is no regular expression"),
    ],
)
def test_what_cannot_be_sent_is_refused(call, said) -> None:
    """All of it, before the first byte."""
    rows = Feeder("rows", ("evil",), (("fine",), ("not\nfine",)))
    with pytest.raises(Refused) as refused:
        carried_out(target(1), section(call, data=(rows,)), methods=(PreparedMethod("/x", messages=(EMPTY,)),))

    assert refused.value.problems[0].message.startswith("call `health`: ")
    assert said in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1.0, "1000000u"), (0.25, "250000u"), (30.0, "30000000u"), (100.0, "100000m"), (1e-10, "1n"),
        (2e5, "200000S"), (1e12, "99999999S"), (0.000001, "1000n"),
    ],
)  # fmt: skip
def test_a_deadline_has_at_most_eight_digits(seconds, said) -> None:
    """In the finest unit that allows it; never zero, which some servers take for none."""
    assert said == timeout_field(seconds)


# --------------------------------------------------------------------------- bytes in any pieces


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        """Nobody is there."""

    close = abort


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["fine", "fine", "fine", "long", "padded", "coloured", "apart", "missing", "status"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def answered(server: H2Connection, kind: str, stream: int) -> None:
    """One answer of a kind."""
    if kind == "missing":
        server.send_headers(stream, [*HEAD, ("grpc-status", "5")], end_stream=True)
        return
    server.send_headers(stream, [*HEAD, *([("x-colour", str(stream))] if kind == "coloured" else ())])
    message = b"\0\0\0\0\x02\x08\x01" if kind != "long" else b"\0\0\0\0\x64" + bytes(100)
    if kind == "apart":
        server.send_data(stream, message[:3])
        message = message[3:]
    server.send_data(stream, message, pad_length=9 if kind == "padded" else None)
    server.send_headers(stream, FINE if kind != "status" else [("grpc-status", "8")], end_stream=True)


async def spoken(calls: list[tuple[str, bool]], sizes: list[int]) -> tuple[int, dict[str, int]]:
    """Calls whose answers come in pieces of these sizes; where the second word of a call says so, answers go out."""
    load, to = section(HEALTH), target(1)
    sources = call_sources(load, to, "7", 0, 1, {}, "", (PreparedMethod("/a.B/C", messages=(EMPTY,)),))
    recorder = Recorder([b""], (Limit(None, None),), load.timeout)
    pool = Pool(
        recorder,
        Addresses((("127.0.0.1", 1),)),
        lambda _pool, _address: asyncio.Event().wait(),
        sources,
        good=bytes(1000),
        connections=1,
        streams=100,
        max_in_flight=1000,
        timeout=5.0,
        connect_timeout=5.0,
        age=None,
        tolerance=1.0,
    )
    (cell,) = recorder.cells(0, judged=True)
    connection, wire = connections(load, to, sources)(pool), Wire()
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    connection.connection_made(wire)
    pieces = cycle(sizes)

    def say() -> None:
        said = server.data_to_send()
        while said:
            size = next(pieces)
            connection.data_received(said[:size])
            said = said[size:]

    def hear() -> list[int]:
        came, wire.written = bytes(wire.written), bytearray()
        return [event.stream_id for event in server.receive_data(came) if isinstance(event, StreamEnded)]

    say()
    hear()
    waiting: list[tuple[str, int]] = []
    for kind, now in calls:
        pool.send(cell, time.monotonic(), 0.0)
        cell.total += 1
        waiting += [(kind, stream) for stream in hear()]
        if now:
            for each in waiting:
                answered(server, *each)
            waiting.clear()
            say()
            hear()
    for each in waiting:
        answered(server, *each)
    say()
    assert 0 == pool.in_flight
    await connection.greeting()
    return cell.total - recorder.errors, recorder.kinds[0]


@settings(max_examples=150, deadline=None)
@given(calls=ANSWERS, sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_answers_count_the_same_in_whatever_pieces_they_come(calls, sizes) -> None:
    """However alike they are, and whatever comes between them; each is counted once, as what it is."""
    failed = {"missing": "grpc NOT_FOUND", "status": "grpc RESOURCE_EXHAUSTED"}
    expected = Counter(failed[kind] for kind, _ in calls if kind in failed)

    assert (len(calls) - expected.total(), expected) == asyncio.run(spoken(calls, sizes))


# --------------------------------------------------------------------------- by the engine, in processes of its own


def load_job(port: int, *calls: Call, rate: float = 200.0, workers: int = 2, **more: object) -> LoadJob:
    made = job(port, scheme=TargetScheme.GRPC, stages=[hold(rate, 1.0)], workers=workers)
    return replace(made, section=replace(made.section, endpoints=(), calls=calls, **more))


def engine() -> ProcessLoadEngine:
    return ProcessLoadEngine(CEILINGS, lambda host: host == "127.0.0.1", schemas=method_schemas())


def test_a_whole_load_by_reflection(shop) -> None:
    """Types from the server, messages from rows that no two workers share, answers checked; nothing is lost."""
    rows = Feeder("rows", ("name",), tuple((f"n{index}",) for index in range(10)))
    text = '{"name": "${rows.name}", "count": ${seq}}'
    buy = Call("buy", BUY, (text,), checks=Checks(json=("starts_with(name, 'n')",)), weight=3)
    chat = Call("chat", CHAT, ('{"name": "x"}',), repeat=3, interval=Seconds(0.01))
    found = engine().measure(load_job(shop.port, buy, chat, data=(rows,)), lambda _: True)
    bought = [came[0] for (name, _, _), came in zip(shop.seen, shop.messages, strict=True) if name == "Buy"]

    assert (200, 0) == (total(found), bad(found))
    assert 150 == len({each.count for each in bought})
    assert {f"n{index}" for index in range(10)} == {each.name for each in bought}
    assert {3} == {count for name, _, count in shop.seen if name == "Chat"}


def test_a_wrong_message_is_refused_before_the_first_worker(shop) -> None:
    """With the field's place and what was probably meant."""
    call = Call("buy", BUY, ('{"naem": "x"}',))
    with pytest.raises(Refused) as refused:
        engine().run(load_job(shop.port, call), lambda _: True)

    assert "/naem: call `buy`: acme.shop.v1.Item has no field `naem` (did you mean `name`?)" == str(refused.value)
    assert [] == shop.seen


def test_a_go_server_answers_likewise() -> None:
    """Fortio's: health, and its ping by reflection."""
    ping = Call("ping", "fgrpc.PingServer/Ping", ('{"payload": "x${seq}"}',), checks=Checks(contains=('"payload":"x',)))
    with fortio(required("fortio")) as port:
        done = engine().measure(load_job(port, HEALTH, ping), lambda _: True)

    assert (200, 0) == (total(done), bad(done))


def test_a_go_server_answers_over_tls(tmp_path: Path) -> None:
    """`grpcs://`: only who knows its authority and shows a certificate of one that it knows is served."""
    authority = Authority.create(tmp_path / "authority")
    cert, key = authority.sign("IP:127.0.0.1")
    ca = str(authority.certificates)
    served = ("-cert", str(cert), "-key", str(key), "-cacert", ca, "-mtls")
    ours = ("--cert", str(cert), "--key", str(key))
    with fortio(required("fortio"), *served) as port:
        url = f"grpcs://127.0.0.1:{port}/grpc.health.v1.Health/Check"
        flags = ("--rate", "50/s", "--duration", "500ms", "--json")
        told = [
            CliRunner().invoke(cli, ["load", url, *flags, *access])
            for access in (("--ca", ca, *ours), ("--ca", ca), ours)
        ]
    found = [json.loads(each.stdout) for each in told]

    assert [each["requests"] for each in found] == [25, 25, 25]
    assert [sum(each["errors"].values()) for each in found] == [0, 25, 25]
    assert any("certificate" in kind for kind in found[2]["errors"])


@contextmanager
def fortio(program: Path, *options: str) -> Iterator[int]:
    """The gRPC port of a Fortio server."""
    off = ("-http-port", "disabled", "-tcp-port", "disabled", "-udp-port", "disabled", "-redirect-port", "disabled")
    argv = [str(program), "server", "-grpc-port", "127.0.0.1:0", *off, *options]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            yield next(int(found[1]) for line in lines if (found := re.search(r"grpc.*127\.0\.0\.1:(\d+)", line)))
        finally:
            process.kill()


def test_an_authorization_ends_no_field() -> None:
    """Whoever issued it."""
    with pytest.raises(Refused, match="the Authorization holds what no field may"):
        carried_out(target(1), section(HEALTH), authorization="Bearer a\r\nb")
