"""gRPC answers: what checks look at, and what a call is worth that no good server answers so."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
from h2.connection import H2Connection

from gitslo.load.messages import PreparedMethod
from gitslo.model import Call, Checks, Seconds
from gitslo.ports import TlsMaterial
from tests.load.grpc_calls import BUY, EMPTY, FINE, HEAD, HEALTH, WATCH, carried_out, section, target
from tests.load.grpc_server import NOT_SERVING
from tests.load.scripted import scripted

BOTH = pytest.mark.parametrize(
    "call", [HEALTH, replace(HEALTH, checks=Checks(max_size=10**6))], ids=["fast", "full"]
)  # fmt: skip


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


# --------------------------------------------------------------------------- answers that no good server gives


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
