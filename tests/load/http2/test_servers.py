"""The load engine's HTTP/2 on real servers, and on servers that do what they must not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.load.engines.access import NoAccess
from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.load.http2 import frames
from gitslo.load.http2.session import FOREIGN
from gitslo.load.results.detail import LoadDetail
from gitslo.model import ByteCount, Checks, Endpoint, Target
from gitslo.ports import LoadJob, TlsMaterial
from tests.closed_port import closed_port
from tests.load.h2_server import OK, Peer, answering, hypercorn, nginx
from tests.load.jobs import CEILINGS, bad, engine, get, hold, job, measured, total

F = frames
NUMBER = 40
BRIEF = [hold(200, 0.2)]


def asked(
    port: int, *endpoints: Endpoint, tls: bool = False, timeout: float = 2.0, connections: int = 2, streams: int = 4,
    **section: object,
) -> LoadJob:  # fmt: skip
    """Forty requests by HTTP/2."""
    made = job(port, *endpoints, stages=BRIEF, tls=tls, timeout=timeout, connections=connections)
    return replace(
        made, target=replace(made.target, http2=True), section=replace(made.section, streams=streams, **section)
    )


def errors(found: LoadDetail) -> dict[str, int]:
    return dict(found.result.summaries[0].errors)


def whole(found: LoadDetail) -> None:
    """Every request was answered well."""
    assert {} == errors(found)
    assert (NUMBER, 0) == (total(found), bad(found))


# --------------------------------------------------------------------------- real servers


@pytest.mark.parametrize("number", [10_000_000, 5])
def test_nginx_without_tls(tmp_path: Path, number: int) -> None:
    """By prior knowledge; a server that says goodbye after every few requests costs none of them."""
    with nginx(tmp_path, number) as server:
        whole(measured(asked(server.plain, get("/"), get("/big", name="big"))))


class Signed(NoAccess):
    """The operator's certificates: one authority."""

    def __init__(self, ca: bytes) -> None:
        self._ca = ca

    def tls(self, target: Target) -> TlsMaterial:
        return TlsMaterial(ca=self._ca)


def test_nginx_by_alpn(tmp_path: Path) -> None:
    """Over TLS both sides agree on h2; a server that has no h2 to agree on is told apart from one that is broken."""
    with nginx(tmp_path) as server:
        carrier = ProcessLoadEngine(CEILINGS, {"127.0.0.1"}.__contains__, Signed(server.ca))
        whole(carrier.measure(asked(server.tls, tls=True), lambda _: True))
        found = carrier.measure(asked(server.http1_tls, tls=True), lambda _: True)
        assert {f"connect: {FOREIGN}": NUMBER} == errors(found)


def test_nginx_reads_large_bodies(tmp_path: Path) -> None:
    """A body of more than every window holds is sent as far as the server lets us, and then the rest."""
    with nginx(tmp_path) as server:
        upload = Endpoint("up", "POST", "/", headers=(("X-Own", "1"),), body=b"0123456789" * 30_000)
        whole(measured(asked(server.plain, upload, streams=8)))


def test_nginx_with_everything_looked_into(tmp_path: Path) -> None:
    """Templates, checks, gzip, HEAD, statuses of an endpoint's own, redirects and traces."""
    endpoints = (
        replace(get("/?id=${uuid}", name="a"), headers=(("x-id", "${seq}"),), checks=Checks(contains=("ok",))),
        replace(get("/big", name="b"), checks=Checks(matches=("^0123",), headers=(("content-length", "300000"),))),
        get("/big", name="c", method="HEAD"),
        replace(get("/missing", name="d"), expect=frozenset({404})),
        replace(get("/old", name="e"), checks=Checks(contains=("ok",))),
    )
    with nginx(tmp_path) as server:
        whole(measured(asked(server.plain, *endpoints, gzip=True, redirects=2, trace=0.5)))


def test_checks_that_fail_on_nginx(tmp_path: Path) -> None:
    """Each with its own kind; a body that is too large ends its stream and not its connection."""
    endpoints = (
        get("/missing", name="a"),
        replace(get("/", name="b"), checks=Checks(contains=("no such text",))),
        replace(get("/big", name="c"), checks=Checks(max_size=ByteCount(1000))),
        get("/old", name="d"),
    )
    with nginx(tmp_path) as server:
        found = measured(asked(server.plain, *endpoints, redirects=1))
    kinds = {"status 404": 10, "check: body does not contain": 10, "too large": 10}
    assert kinds == errors(found)


def test_hypercorn() -> None:
    """A server of another making, with bodies in both directions."""
    with hypercorn() as port:
        upload = replace(Endpoint("up", "PUT", "/", body=bytes(100_000)), checks=Checks(contains=("100000",)))
        whole(measured(asked(port, get("/"), upload)))


# --------------------------------------------------------------------------- wrong protocols


def test_a_server_of_http1(tmp_path: Path) -> None:
    """Said in so many words, and no request is sent."""
    with nginx(tmp_path) as server:
        found = measured(asked(server.http1))
        assert {f"connect: {FOREIGN}": NUMBER} == errors(found)


def test_a_port_that_hangs_up() -> None:
    """Whoever hangs up without a word has not said what it speaks."""

    def talk(peer: Peer) -> None:
        peer.half_close()

    with answering(talk) as port:
        assert {"connect: closed without an answer": NUMBER} == errors(measured(asked(port)))


def test_a_port_with_nothing_on_it() -> None:
    """Refused, like with any other protocol."""
    with closed_port() as port:
        assert {"connect: refused": NUMBER} == errors(measured(asked(port)))


def test_a_server_that_never_greets() -> None:
    """A connection whose server says nothing is none, after the time for a connection."""

    def talk(peer: Peer) -> None:
        peer.wait()

    with answering(talk) as port:
        found = measured(asked(port, timeout=0.4, connect_timeout=0.2))
    assert NUMBER == sum(errors(found).values())
    assert set(errors(found)) <= {"connect: timed out", "not sent: no free connection"}


# --------------------------------------------------------------------------- good, if strange


def serve(peer: Peer) -> None:
    """Answer everything well."""
    while True:
        peer.answer(peer.request())


def test_one_byte_at_a_time() -> None:
    """However small the pieces."""

    def talk(peer: Peer) -> None:
        peer.send(frames.settings([(3, 100)]), pieces=1)
        while True:
            peer.answer(peer.request(), pieces=1)

    with answering(talk) as port:
        whole(measured(asked(port)))


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_streams_than_allowed(most: int) -> None:
    """The others wait; the server never sees one more than it said."""
    seen: list[int] = []

    def talk(peer: Peer) -> None:
        peer.greet((3, most))
        peer.next(F.SETTINGS)
        peer.next(F.SETTINGS)
        while True:
            streams = [peer.request()]
            # Whatever else is sent before a ping comes back was sent at the same time.
            peer.send(F.frame(F.PING, 0, 0, bytes(8)))
            before = len(peer.got)
            peer.next(F.PING)
            streams += [stream for kind, _, stream, _ in peer.got[before:] if kind == F.HEADERS]
            seen.append(len(streams))
            for stream in streams:
                peer.answer(stream)

    with answering(talk) as port:
        whole(measured(asked(port, connections=1, streams=10)))
    assert max(seen) <= most


def test_no_stream_at_first_and_then_one() -> None:
    """What the settings allow later is used later."""

    def talk(peer: Peer) -> None:
        peer.greet((3, 0))
        peer.next(F.SETTINGS)
        peer.next(F.SETTINGS)
        peer.greet((3, 1))
        serve(peer)

    with answering(talk) as port:
        whole(measured(asked(port)))


def test_fewer_streams_in_flight() -> None:
    """A bound that falls while requests are under way counts from the next one on; a bound that rises, too."""
    high = threading.Event()

    def talk(peer: Peer) -> None:
        peer.greet((3, 4))
        first = [peer.request() for _ in range(4)]
        peer.greet((3, 1))
        while peer.next(F.SETTINGS)[1] != 1 or sum(kind == F.SETTINGS for kind, *_ in peer.got) < 3:
            pass
        for stream in first:
            peer.answer(stream)
        for _ in range(5):
            peer.answer(peer.request())
        peer.greet((3, 100))
        high.set()
        serve(peer)

    with answering(talk) as port:
        whole(measured(asked(port, connections=1, streams=6)))
    assert high.is_set()


def test_a_window_below_zero() -> None:
    """Settings that take back what was given: the body waits until there is room again."""

    def talk(peer: Peer) -> None:
        peer.greet((4, 1000))
        first = peer.request()
        peer.next(F.DATA)
        peer.greet((4, 10))
        peer.send(F.window_update(first, 990))
        peer.send(F.frame(F.PING, 0, 0, bytes(8)))
        peer.next(F.PING)
        assert 1000 == sum(len(data) for kind, _, stream, data in peer.got if (kind, stream) == (F.DATA, first))
        peer.greet((4, 1 << 20))
        peer.send(F.window_update(0, 1 << 20))
        ended = {stream for kind, flags, stream, _ in peer.got if kind == F.DATA and flags & 1}
        for stream in ended:
            peer.answer(stream)
        while True:
            _, flags, stream, data = peer.next(F.DATA)
            peer.send(F.window_update(0, max(1, len(data))))
            if flags & 1:
                peer.answer(stream)

    with answering(talk) as port:
        whole(measured(asked(port, Endpoint("up", "POST", "/", body=bytes(3000)), connections=1)))


def test_what_was_never_processed_is_sent_again() -> None:
    """GOAWAY below a stream, and REFUSED_STREAM: nothing is lost and nothing is counted twice."""

    def talk(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request())
        peer.send(F.reset(peer.request(), 7))
        last = peer.request()
        peer.answer(last)
        peer.request()
        peer.send(F.goaway(last, 0))
        peer.wait()

    with answering(talk) as port:
        whole(measured(asked(port)))


# --------------------------------------------------------------------------- wrong


def refusing(peer: Peer) -> None:
    """Refuse everything."""
    peer.greet()
    while True:
        peer.send(F.reset(peer.request(), 7))


def test_a_server_that_refuses_everything() -> None:
    """It is asked again, but not as fast as it can refuse; then the time is up."""
    asks: list[int] = []

    def talk(peer: Peer) -> None:
        peer.greet()
        while True:
            stream = peer.request()
            asks.append(stream)
            peer.send(F.reset(stream, 7))

    with answering(talk) as port:
        found = measured(asked(port, timeout=0.5))
    assert NUMBER == sum(errors(found).values())
    assert set(errors(found)) <= {"timeout", "not sent: no free connection"}
    assert len(asks) < 50 * NUMBER


def misbehaviour(answer: Callable[[Peer, int], None]) -> Callable[[Peer], None]:
    """A server that does one thing with each request."""

    def talk(peer: Peer) -> None:
        peer.greet()
        while True:
            answer(peer, peer.request())

    return talk


def _hang_up(peer: Peer, _: int) -> None:
    peer.half_close()
    peer.wait()


def _half(peer: Peer, stream: int) -> None:
    peer.send(F.header_frames(stream, OK, 16384, end=False))
    _hang_up(peer, stream)


def _goodbye(peer: Peer, _: int) -> None:
    peer.send(F.goaway(0, 0))
    peer.wait()


def _goodbye_in_anger(peer: Peer, stream: int) -> None:
    peer.send(F.goaway(stream, 2))
    _hang_up(peer, stream)


WRONG = {
    "half close": (_hang_up, {"closed without an answer"}),
    "half an answer": (_half, {"answer cut short", "closed without an answer"}),
    "goodbye before any answer": (_goodbye, {"goaway"}),
    "goodbye with an error": (_goodbye_in_anger, {"goaway"}),
    "a reset": (lambda p, s: p.send(F.reset(s, 2)), {"stream reset: internal error"}),
    "DATA before HEADERS": (lambda p, s: p.send(F.frame(F.DATA, 1, s, b"x")), {"protocol error: data before headers"}),
    "CONTINUATION flood": (
        lambda p, s: p.send(F.frame(F.HEADERS, 0, s), F.frame(F.CONTINUATION, 0, s) * 100),
        {"protocol error: too many headers"},
    ),
    "HPACK garbage": (
        lambda p, s: p.send(F.frame(F.HEADERS, 5, s, b"\xff" * 9)), {"protocol error: header compression"},
    ),
    "a frame of 5 MB": (lambda p, s: p.send(b"\x4f" + F.frame(0, 0, s)[1:]), {"protocol error: frame size"}),
    "a window that overflows": (
        lambda p, _: p.send(F.window_update(0, 2**31 - 1), F.window_update(0, 2**31 - 1)),
        {"protocol error: flow control"},
    ),
    "a push": (lambda p, s: p.send(F.frame(F.PUSH_PROMISE, 4, s, bytes(4) + OK)), {"protocol error: push"}),
    "text": (lambda p, _: p.send(b"HTTP/1.1 200 OK\r\n\r\n"), {"protocol error: frame size"}),
    "silence": (lambda _p, _s: None, {"timeout", "not sent: no free connection"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_every_misbehaviour_has_a_name(name: str) -> None:
    """Every request ends in an error that is counted by its name; none hangs, and no worker is lost."""
    answer, kinds = WRONG[name]
    with answering(misbehaviour(answer)) as port:
        found = measured(asked(port, timeout=0.5, connections=10))
    assert NUMBER == sum(errors(found).values())
    assert set(errors(found)) <= kinds
    assert [] == [reason for reason in found.result.no_fail if "lost" in reason]


def test_a_reset_of_the_connection() -> None:
    """TCP's own way out."""

    def talk(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer._read.close()

    with answering(talk) as port:
        found = measured(asked(port, timeout=0.5))
    assert NUMBER == sum(errors(found).values())
    assert set(errors(found)) <= {"reset"}


def test_the_stop_comes_in_between() -> None:
    """A load that is stopped with requests under way settles them all and leaves the server."""
    gone = threading.Event()

    def talk(peer: Peer) -> None:
        peer.greet()
        try:
            peer.request()
            peer.wait()
        finally:
            gone.set()

    with answering(talk) as port:
        made = asked(port, timeout=0.5)
        found = engine().measure(made, lambda _: False)
        assert gone.wait(10)
    assert total(found) == sum(errors(found).values())
