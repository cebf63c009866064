"""The sans-IO HTTP/2 class against the `h2` library's server side, and against frames that no good server sends."""

from __future__ import annotations

import random
from typing import Any

import hpack
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.load.http2 import frames
from gitslo.load.http2.session import FOREIGN, Head, Session

Fields = list[tuple[bytes, bytes]]

GET: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a:1"), (b":path", b"/x"), (b"own", b"1")]
OK = hpack.Encoder().encode([(":status", "200")])


class Recording(Session[str]):
    """Remembers what its hooks were told."""

    def __init__(self, *, watching: bool = True, window: int = 2**30) -> None:
        super().__init__(window)
        self.watching = watching
        self.heads: dict[str, Head] = {}
        self.bodies: dict[str, bytes] = {}
        self.ended: dict[str, tuple[Head, Head | None]] = {}
        self.lost: dict[str, tuple[str, bool]] = {}
        self.broken = ""
        self.limits: list[int] = []
        self.left = 0
        self.heads_only: set[str] = set()

    def on_head(self, stream: int, token: str, head: Head) -> None:
        assert token not in self.heads
        self.heads[token] = head

    def on_data(self, stream: int, token: str, data: bytes) -> None:
        self.bodies[token] = self.bodies.get(token, b"") + data

    def on_end(self, stream: int, token: str, head: Head, trailers: Head | None) -> None:
        assert token not in self.ended
        assert token not in self.lost
        assert stream not in self.live
        self.ended[token] = head, trailers

    def on_lost(self, stream: int, token: str, kind: str, code: int, *, again: bool) -> None:
        assert token not in self.ended
        assert token not in self.lost
        assert stream not in self.live
        self.lost[token] = kind, again

    def on_limit(self) -> None:
        self.limits.append(self.limit)

    def on_leaving(self) -> None:
        self.left += 1

    def on_broken(self, kind: str) -> None:
        self.broken = kind

    def bodiless(self, token: str) -> bool:
        return token in self.heads_only

    def taken(self) -> bytes:
        """What is to be sent."""
        data = b"".join(self.out)
        self.out.clear()
        return data

    def ask(self, token: str, fields: Fields = GET, body: bytes = b"", *, end: bool = True) -> int:
        """Send a request."""
        return self.request(self.writer.steady(fields)[0], token, body, end=end)


def greeted(*values: tuple[int, int], watching: bool = True) -> Recording:
    """A session that has heard the server's settings."""
    session = Recording(watching=watching)
    session.start()
    session.receive(frames.settings(values))
    session.taken()
    return session


# --------------------------------------------------------------------------- against h2


class World:
    """A session and an h2 server with the bytes between them, and what each side says it sent."""

    def __init__(self, window: int, *, watching: bool) -> None:
        self.client = Recording(watching=watching, window=window)
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.server.initiate_connection()
        self.client.start()
        self.up = self.down = b""
        self.requests: dict[str, tuple[Fields, bytes]] = {}
        self.open: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.seen: dict[int, list[Any]] = {}
        self.answers: dict[int, tuple[bytes, bytes, Fields | None]] = {}
        self.resets: dict[int, int] = {}
        self.queued: dict[int, bytes] = {}
        self.trailers: dict[int, Fields | None] = {}
        self.dead: set[int] = set()
        self.unread: list[tuple[int, int]] = []
        self.number = 0
        self.unsettled = True

    def request(self, size: int, extra: Fields, *, end: bool, drawn: bool) -> None:
        """One more request, unless the server has enough."""
        client = self.client
        if not client.greeted or len(client.live) >= client.limit:
            return
        token = f"{self.number}"
        self.number += 1
        body = bytes(self.number % 251 for _ in range(size))
        fields = [*GET, *extra, (b"token", token.encode())]
        block = client.writer.drawn("key", fields) if drawn else client.writer.steady(fields)[0]
        stream = client.request(block, token, body, end=end)
        self.requests[token] = fields, body
        if not end:
            self.open[token] = stream

    def more(self, size: int, *, end: bool) -> None:
        """More data of the oldest request that is still sent."""
        for token, stream in list(self.open.items())[:1]:
            sending = self.client._sending.get(stream)
            if sending is not None and sending.window < 0:
                size += 1  # h2 refuses an empty frame there, which the RFC allows
            body = bytes(7 for _ in range(size))
            if sending is not None:
                fields, before = self.requests[token]
                self.requests[token] = fields, before + body
            self.client.send_data(stream, body, end=end)
            if end:
                del self.open[token]

    def cancel(self) -> None:
        """The oldest request under way is given up."""
        for stream, token in list(self.client.live.items())[:1]:
            self.client.cancel(stream)
            self.cancelled.add(token)
            self.open.pop(token, None)

    def carry(self, up: int, down: int) -> None:
        """Move as many bytes in either direction."""
        self.up += self.client.taken()
        self.down += self.server.data_to_send()
        data, self.up = self.up[:up], self.up[up:]
        if data:
            self.hear(self.server.receive_data(data))
        data, self.down = self.down[:down], self.down[down:]
        if data:
            self.client.receive(data)
        assert "" == self.client.broken
        self.up += self.client.taken()
        self.down += self.server.data_to_send()

    def hear(self, events: list[Any]) -> None:
        """What the server was told."""
        for event in events:
            if isinstance(event, RequestReceived):
                self.seen[event.stream_id] = [list(map(tuple, event.headers)), b"", False]
            elif isinstance(event, DataReceived):
                self.seen[event.stream_id][1] += event.data
                self.unread.append((event.flow_controlled_length, event.stream_id))
            elif isinstance(event, StreamEnded):
                self.seen[event.stream_id][2] = True
            elif isinstance(event, StreamReset):
                self.dead.add(event.stream_id)
                self.queued.pop(event.stream_id, None)
            elif isinstance(event, SettingsAcknowledged):
                self.unsettled = False
            else:
                assert isinstance(event, PingAckReceived | RemoteSettingsChanged | WindowUpdated), event
        self.pour()

    def exchange(self) -> None:
        """Everything arrives, and is answered in time."""
        self.carry(1 << 20, 1 << 20)
        self.read()
        self.carry(1 << 20, 1 << 20)

    def read(self) -> None:
        """The server takes what it was sent, and opens its windows again."""
        for length, stream in self.unread:
            if stream not in self.dead:
                self.server.acknowledge_received_data(length, stream)
            elif length:
                self.server.increment_flow_control_window(length)
        self.unread.clear()

    def pending(self) -> list[int]:
        return [stream for stream in self.seen if stream not in self.answers and stream not in self.dead]

    def answer(self, status: int, size: int, extra: Fields, *, early: int, trailers: bool, pad: bool) -> None:
        """Answer the oldest request that has come whole."""
        for stream in [each for each in self.pending() if self.seen[each][2]][:1]:
            for _ in range(early):
                self.server.send_headers(stream, [(b":status", b"103"), (b"link", b"a")])
            body = bytes(stream % 253 for _ in range(size))
            fields = [(b":status", b"%d" % status), *extra]
            end = not body and not trailers
            self.server.send_headers(stream, fields, end_stream=end)
            tail = [(b"grpc-status", b"0"), *extra] if trailers else None
            self.answers[stream] = b"%d" % status, body, tail
            if not end:
                self.queued[stream] = body
                self.trailers[stream] = tail
        self.pour(pad=pad)

    def pour(self, *, pad: bool = False) -> None:
        """Send what the client's windows allow."""
        for stream, body in list(self.queued.items()):
            rest = body
            while stream in self.queued:
                size = min(
                    self.server.local_flow_control_window(stream) - 9, self.server.max_outbound_frame_size, len(rest)
                )
                if size <= 0 and rest:
                    break
                size = max(size, 0)
                tail = self.trailers[stream]
                last = size == len(rest)
                self.server.send_data(
                    stream, rest[:size], end_stream=last and tail is None, pad_length=8 if pad and size < 1000 else None
                )
                rest = rest[size:]
                self.queued[stream] = rest
                if last:
                    del self.queued[stream]
                    if tail is not None:
                        self.server.send_headers(stream, tail, end_stream=True)

    def refuse(self, code: ErrorCodes) -> None:
        """Reset the oldest request that has no answer."""
        for stream in self.pending()[:1]:
            self.server.reset_stream(stream, code)
            self.dead.add(stream)
            self.resets[stream] = int(code)

    def set(self, code: SettingCodes, value: int) -> None:
        """The server changes a setting, unless one is on its way: h2 takes one acknowledgement for all of them."""
        if not self.unsettled:
            self.server.update_settings({code: value})
            self.unsettled = True
            if code is SettingCodes.MAX_FRAME_SIZE:
                self.exchange()  # h2 holds what comes in one piece with the acknowledgement against the old size

    def ping(self) -> None:
        """The server asks whether we are there."""
        self.server.ping(b"12345678")

    def settle(self) -> None:
        """Everything that is under way comes to its end."""
        while self.open:
            self.more(0, end=True)
        # A body above a window that was shrunk to nothing needs room.
        self.exchange()
        self.set(SettingCodes.INITIAL_WINDOW_SIZE, 1 << 24)
        for _ in range(500):
            self.carry(1 << 20, 1 << 20)
            self.read()
            self.answer(200, 3, [], early=0, trailers=False, pad=False)
            if not self.up and not self.down and not self.client.live and not self.client.out:
                return
        raise AssertionError("never quiet")


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b-long-name", b"etag", b"accept", b"x"]),
        st.sampled_from([b"", b"1", b"v" * 200, b"w" * 5000, b"gzip, deflate"]),
    ),
    max_size=3,
)
SIZES = st.sampled_from([0, 1, 5, 1000, 16384, 16385, 70_000])


def _does(name: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One operation of World, as (its name, its arguments)."""
    return st.tuples(st.just(name), st.fixed_dictionaries(values))


PIECES = st.sampled_from([0, 1, 2, 9, 100, 1 << 20])
REQUEST = _does("request", size=SIZES, extra=FIELDS, end=st.booleans(), drawn=st.booleans())
ANSWER = _does(
    "answer",
    status=st.sampled_from([200, 204, 302, 404, 503]),
    size=SIZES,
    extra=FIELDS,
    early=st.integers(0, 2),
    trailers=st.booleans(),
    pad=st.booleans(),
)
EXCHANGE = _does("exchange")
RARE = st.one_of(
    _does("cancel"),
    _does("refuse", code=st.sampled_from([ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL, ErrorCodes.INTERNAL_ERROR])),
    _does("set", code=st.just(SettingCodes.INITIAL_WINDOW_SIZE), value=st.sampled_from([0, 1, 1000, 65535, 1 << 20])),
    _does("set", code=st.just(SettingCodes.HEADER_TABLE_SIZE), value=st.sampled_from([0, 100, 4096, 65536])),
    _does("set", code=st.just(SettingCodes.MAX_CONCURRENT_STREAMS), value=st.sampled_from([0, 1, 3, 100])),
    _does("set", code=st.just(SettingCodes.MAX_FRAME_SIZE), value=st.sampled_from([16384, 16385, 1 << 20])),
    _does("ping"),
)
MORE = _does("more", size=SIZES, end=st.booleans())
CARRY = _does("carry", up=PIECES, down=PIECES)
Operations = list[tuple[str, dict[str, Any]]]
OPERATIONS = st.lists(
    st.one_of(REQUEST, REQUEST, MORE, CARRY, EXCHANGE, EXCHANGE, ANSWER, ANSWER, RARE), min_size=25, max_size=80
)


@given(operations=OPERATIONS, watching=st.booleans(), window=st.sampled_from([2**30, 70_000]))
@settings(deadline=None, max_examples=100)
def test_any_conversation_with_h2(operations: Operations, watching: bool, window: int) -> None:
    """Whatever the order, the pieces, the windows and the settings: both sides get exactly what the other one sent."""
    hold(operations, window, watching=watching)


@pytest.mark.parametrize("seed", range(30))
def test_busy_conversations_with_h2(seed: int) -> None:
    """The same for long conversations with many streams at a time, which hypothesis seldom thinks of."""
    rng = random.Random(seed)  # noqa: S311 - the same each time
    extra = [(b"x", b"1"), (b"y", b"v" * 200), (b"z", b"w" * 5000)]
    some = {
        "request": lambda: {
            "size": rng.choice([0, 1, 1000, 70_000]), "extra": rng.sample(extra, 1), "end": rng.random() < 0.6,
            "drawn": rng.random() < 0.5,
        },
        "more": lambda: {"size": rng.choice([0, 1, 70_000]), "end": rng.random() < 0.5},
        "carry": lambda: {"up": rng.choice([0, 1, 9, 100, 5000]), "down": rng.choice([0, 1, 9, 100, 5000])},
        "exchange": dict,
        "answer": lambda: {
            "status": rng.choice([200, 204, 503]), "size": rng.choice([0, 5, 70_000, 200_000]),
            "extra": rng.sample(extra, 1), "early": rng.choice([0, 0, 1]), "trailers": rng.random() < 0.4,
            "pad": rng.random() < 0.3,
        },
        "cancel": dict,
        "refuse": lambda: {"code": rng.choice([ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL])},
        "ping": dict,
        "set": lambda: rng.choice([
            {"code": SettingCodes.INITIAL_WINDOW_SIZE, "value": rng.choice([0, 1, 1000, 65535, 1 << 20])},
            {"code": SettingCodes.HEADER_TABLE_SIZE, "value": rng.choice([0, 100, 4096, 65536])},
            {"code": SettingCodes.MAX_CONCURRENT_STREAMS, "value": rng.choice([0, 1, 3, 100])},
            {"code": SettingCodes.MAX_FRAME_SIZE, "value": rng.choice([16384, 16385, 1 << 20])},
        ]),
    }  # fmt: skip
    weights = [8, 3, 6, 8, 8, 1, 1, 1, 2]
    operations = [(name, some[name]()) for name in rng.choices(list(some), weights, k=150)]
    client = hold(operations, rng.choice([2**30, 70_000]), watching=seed % 2 == 0)
    assert len(client.ended) + len(client.lost) > 0


def hold(operations: Operations, window: int, *, watching: bool) -> Recording:
    """Carry a conversation out and compare what each side said with what the other one heard."""
    world = World(window, watching=watching)
    world.exchange()
    for name, values in operations:
        getattr(world, name)(**values)
    world.settle()
    client = world.client
    outcomes = [*client.ended, *client.lost, *world.cancelled]
    assert sorted(world.requests) == sorted(outcomes)
    streams = {dict(headers)[b"token"].decode(): stream for stream, (headers, _, _) in world.seen.items()}
    for token, (head, trailers) in client.ended.items():
        fields, body = world.requests[token]
        stream = streams[token]
        headers, received, whole = world.seen[stream]
        assert fields == headers
        assert body == received
        assert whole
        status, answer, tail = world.answers[stream]
        assert int(status) == head.status
        assert tail == (None if trailers is None else list(trailers.fields))
        if watching:
            assert answer == client.bodies.get(token, b"")
            assert client.heads[token] is head
    for token, (kind, again) in client.lost.items():
        code = world.resets[streams[token]]
        assert f"stream reset: {frames.error_name(code)}" == kind
        assert again == (code == ErrorCodes.REFUSED_STREAM)
    return client


# --------------------------------------------------------------------------- what no good server sends


def block(*fields: tuple[str, str]) -> bytes:
    """Header fields in a block that leaves no trace in any table."""
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])


def head(stream: int, *fields: tuple[str, str], end: bool = False) -> bytes:
    """HEADERS of an answer."""
    return frames.header_frames(stream, block((":status", "200"), *fields), 16384, end=end)


F = frames
BOMB = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 100
BREAKING = {
    "DATA on a stream that was never opened": (F.frame(F.DATA, 0, 9, b"x"), "unknown stream", 1),
    "HEADERS on a stream that was never opened": (head(9), "unknown stream", 1),
    "HEADERS on an even stream": (head(2), "unknown stream", 1),
    "RST_STREAM on a stream that was never opened": (F.reset(9, 8), "unknown stream", 1),
    "HEADERS on the connection": (head(0), "unknown stream", 1),
    "DATA on the connection": (F.frame(F.DATA, 0, 0, b"x"), "unknown stream", 1),
    "DATA after the end": (head(1, end=True) + F.frame(F.DATA, 0, 1, b"x"), "stream closed", 5),
    "HEADERS after the end": (head(1, end=True) + head(1), "stream closed", 5),
    "a frame that is too long": (b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "frame size", 6),
    "SETTINGS of seven bytes": (F.frame(F.SETTINGS, 0, 0, b"1234567"), "frame size", 6),
    "SETTINGS on a stream": (F.frame(F.SETTINGS, 0, 1), "settings", 1),
    "an acknowledgement with content": (F.frame(F.SETTINGS, 1, 0, b"123456"), "frame size", 6),
    "SETTINGS that allow push": (F.settings([(2, 1)]), "settings", 1),
    "SETTINGS with a small frame size": (F.settings([(5, 100)]), "settings", 1),
    "SETTINGS with a huge frame size": (F.settings([(5, 1 << 24)]), "settings", 1),
    "SETTINGS with a huge window": (F.settings([(4, 1 << 31)]), "flow control", 3),
    "PING of three bytes": (F.frame(F.PING, 0, 0, b"123"), "frame size", 6),
    "PING on a stream": (F.frame(F.PING, 0, 1, b"12345678"), "ping", 1),
    "RST_STREAM of three bytes": (F.frame(F.RST_STREAM, 0, 1, b"123"), "frame size", 6),
    "WINDOW_UPDATE of three bytes": (F.frame(F.WINDOW_UPDATE, 0, 0, b"123"), "frame size", 6),
    "WINDOW_UPDATE by nothing": (F.window_update(0, 0), "flow control", 1),
    "WINDOW_UPDATE beyond the largest window": (F.window_update(0, 2**31 - 1), "flow control", 3),
    "WINDOW_UPDATE of a stream that was never opened": (F.window_update(9, 1), "unknown stream", 1),
    "GOAWAY of three bytes": (F.frame(F.GOAWAY, 0, 0, b"123"), "frame size", 6),
    "GOAWAY on a stream": (F.frame(F.GOAWAY, 0, 1, b"12345678"), "unknown stream", 1),
    "PUSH_PROMISE": (F.frame(F.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + OK), "push", 1),
    "CONTINUATION of nothing": (F.frame(F.CONTINUATION, 4, 1, OK), "continuation", 1),
    "another frame within a header block": (F.frame(F.HEADERS, 0, 1, OK) + F.frame(F.PING, 0, 0, bytes(8)),
                                            "continuation", 1),
    "another stream within a header block": (F.frame(F.HEADERS, 0, 1, OK) + F.frame(F.CONTINUATION, 4, 3, b""),
                                             "continuation", 1),
    "CONTINUATIONs without end": (F.frame(F.HEADERS, 0, 1) + F.frame(F.CONTINUATION, 0, 1) * 100,
                                  "too many headers", 11),
    "a header block without end": (F.frame(F.HEADERS, 0, 1) + F.frame(F.CONTINUATION, 0, 1, bytes(16384)) * 5,
                                   "too many headers", 11),
    "padding longer than its frame": (F.frame(F.HEADERS, 0x2D, 1, b"\x09abc"), "padding", 1),
    "DATA padded with more than there is": (head(1) + F.frame(F.DATA, 8, 1, b"\x09abc"), "padding", 1),
    "a priority cut short": (F.frame(F.HEADERS, 0x25, 1, b"abc"), "frame size", 6),
    "garbage for headers": (F.frame(F.HEADERS, 5, 1, b"\xff" * 20), "header compression", 9),
    "an index that nothing has": (F.frame(F.HEADERS, 5, 1, b"\xbe"), "header compression", 9),
    "a block cut short": (F.frame(F.HEADERS, 5, 1, b"\x00\x05ab"), "header compression", 9),
    "a table larger than agreed": (F.frame(F.HEADERS, 5, 1, b"\x3f\xe2\x1f" + OK), "header compression", 9),
    "a few bytes that unpack to 400 kB": (F.frame(F.HEADERS, 5, 1, BOMB), "too many headers", 11),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_ends_a_connection(name: str, size: int) -> None:
    """A rule that everything rests on is broken: the error has a name, the server is told, and nothing follows."""
    data, kind, code = BREAKING[name]
    session = greeted(watching=False)
    session.ask("first")
    session.taken()
    ended = dict(session.ended)
    data += head(1, end=True)
    for at in range(0, len(data), size):
        session.receive(data[at : at + size])
    assert f"protocol error: {kind}" == session.broken
    assert frames.goaway(0, code) == session.taken()[-17:]
    assert len(session.ended) - len(ended) <= name.endswith("after the end")


FAILING = {
    "DATA before HEADERS": (F.frame(F.DATA, 1, 1, b"x"), "protocol error: data before headers"),
    "trailers that do not end the stream": (head(1) + F.frame(F.HEADERS, 4, 1, block(("a", "b"))),
                                            "protocol error: trailers"),
    "a second head": (head(1) + head(1, end=True), "protocol error: trailers"),
    "no status": (F.frame(F.HEADERS, 4, 1, block(("a", "b"))), "protocol error: malformed header"),
    "a status of two digits": (F.frame(F.HEADERS, 5, 1, block((":status", "20"))), "protocol error: malformed header"),
    "a name in capitals": (head(1, ("Name", "b")), "protocol error: malformed header"),
    "a header of connections": (head(1, ("connection", "close")), "protocol error: malformed header"),
    "two lengths": (head(1, ("content-length", "1"), ("content-length", "2")), "protocol error: malformed header"),
    "a length that is none": (head(1, ("content-length", "-1")), "protocol error: malformed header"),
    "an interim answer that ends": (F.frame(F.HEADERS, 5, 1, block((":status", "103"))),
                                    "protocol error: malformed header"),
    "less than announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 1, 1, b"four"), "answer cut short"),
    "more than announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 0, 1, b"12345") * 2
                            + F.frame(F.DATA, 1, 1), "answer cut short"),
    "twice as much as announced": (head(1, ("content-length", "5")) + F.frame(F.DATA, 0, 1, b"12345")
                                   + F.frame(F.DATA, 1, 1, b"12345"), "answer cut short"),
    "nothing of what was announced": (head(1, ("content-length", "5"), end=True), "answer cut short"),
    "a window that grows by nothing": (F.window_update(1, 0), "protocol error: flow control"),
    "a window that is too large": (F.window_update(1, 2**31 - 1), "protocol error: flow control"),
    "a reset": (F.reset(1, 2), "stream reset: internal error"),
    "a reset half way": (head(1) + F.frame(F.DATA, 0, 1, b"x") + F.reset(1, 8), "stream reset: cancelled"),
    "a reset for a reason that nobody knows": (F.reset(1, 4711), "stream reset: unknown error"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("watching", [False, True])
def test_what_ends_one_stream(name: str, watching: bool) -> None:
    """An answer that is none fails its own request, with a name; the others on the connection go on."""
    data, kind = FAILING[name]
    session = greeted(watching=watching)
    session.ask("first", end=False)
    session.ask("second")
    session.receive(data + head(3, end=True))
    assert {"first": (kind, False)} == session.lost
    assert ["second"] == list(session.ended)
    assert "" == session.broken


def test_no_http2() -> None:
    """A server whose first word is no SETTINGS frame speaks no HTTP/2, in whatever pieces it says so."""
    words = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", frames.frame(F.PING, 0, 0, bytes(8))]
    for data in [*words, frames.frame(F.SETTINGS, F.ACK, 0)]:
        for size in (1, 100):
            session = Recording()
            session.start()
            for at in range(0, len(data), size):
                session.receive(data[at : at + size])
            assert FOREIGN == session.broken


def test_a_refused_stream_may_be_sent_again() -> None:
    """REFUSED_STREAM, and a GOAWAY that names a lower stream, say that a request was never processed."""
    session = greeted()
    for token in ("a", "b", "c"):
        session.ask(token)
    session.receive(frames.reset(3, 7))
    session.receive(frames.goaway(1, 0))
    assert {"b": ("stream reset: refused", True), "c": ("goaway", True)} == session.lost
    assert 1 == session.left
    session.receive(head(1, end=True) + frames.goaway(0, 0))
    assert ["a"] == list(session.ended)
    assert 1 == session.left
    assert not session.goaway


def test_what_is_late_for_a_cancelled_stream_is_ignored() -> None:
    """The server could not know: its frames are read for the tables' sake, and given back to its windows."""
    session = greeted()
    session.ask("a")
    session.cancel(1)
    session.ask("b")
    late = hpack.Encoder()
    session.receive(frames.header_frames(1, late.encode([(":status", "200"), ("own", "v")]), 16384, end=False))
    session.receive(frames.frame(F.DATA, 8, 1, b"\x02x\0\0") + frames.frame(F.DATA, 1, 1, b"x") + frames.reset(1, 0))
    session.receive(frames.header_frames(3, late.encode([(":status", "200"), ("own", "v")]), 16384, end=True))
    assert b"v" == session.ended["b"][0].get(b"own")
    assert "" == session.broken


def test_the_oldest_cancelled_streams_are_forgotten_kindly() -> None:
    """However many streams were given up: what is late for them breaks nothing."""
    session = greeted()
    for number in range(5000):
        session.cancel(session.ask(f"{number}"))
    session.receive(head(1, end=True) + head(9999, end=True))
    assert "" == session.broken


def test_a_constant_request_is_a_constant_block() -> None:
    """The first one puts its fields into the table; from then on nothing but their numbers is sent."""
    session = greeted()
    first, again = session.writer.steady(GET)
    assert not again
    second, again = session.writer.steady(GET)
    assert again
    assert 4 < len(GET) == len(second) < len(first)
    decoder = hpack.Decoder()
    assert GET == [tuple(field) for field in decoder.decode(first, raw=True)]
    for _ in range(3):
        assert GET == [tuple(field) for field in decoder.decode(second, raw=True)]


def test_nothing_leaves_the_table() -> None:
    """What does not fit is a literal for ever, so that what is in stays where blocks say it is."""
    session = greeted()
    decoder = hpack.Decoder()
    many = [[(b"name-%d" % n, b"v" * 1000), (b"x", b"%d" % (n % 3))] for n in range(8)]
    for _ in range(3):
        for each in many:
            assert each == [tuple(field) for field in decoder.decode(session.writer.steady(each)[0], raw=True)]
    assert [True] * 8 == [session.writer.steady(each)[1] for each in many]


def test_what_differs_does_not_go_into_the_table() -> None:
    """Values that are new each time would push the constant ones out: they are literals."""
    session = greeted()
    decoder = hpack.Decoder()
    for number in range(500):
        fields = [*GET, (b"id", b"%d" % number)]
        assert fields == [tuple(field) for field in decoder.decode(session.writer.drawn(0, fields), raw=True)]
    assert b"id" not in {name for name, _ in decoder.header_table.dynamic_entries}


def test_a_kept_block_is_dropped_with_the_table_it_rests_on() -> None:
    """The same bytes say something else once the table has changed."""
    session = greeted(watching=False)
    for token in "abc":
        session.ask(token)
    status = b"\x88"
    session.receive(frames.header_frames(1, status + b"\x40\x01k\x011", 16384, end=True))
    for stream, literal in ((3, b""), (5, b"\x40\x01k\x012")):
        session.receive(frames.header_frames(stream, status + literal + b"\xbe", 16384, end=True))
    found = [session.ended[token][0].fields[-1] for token in "abc"]
    assert [(b"k", b"1"), (b"k", b"1"), (b"k", b"2")] == found


def test_a_large_body_waits_for_windows() -> None:
    """No more is sent than both windows hold; one that shrank below zero has to grow above it first."""
    session = greeted((4, 100), watching=False)
    stream = session.ask("a", body=bytes(250))
    session.taken()
    assert 150 == session.unsent(stream)
    session.receive(frames.settings([(4, 50)]))
    assert frames.frame(F.SETTINGS, 1, 0) == session.taken()
    session.receive(frames.window_update(stream, 50))
    assert b"" == session.taken()
    session.receive(frames.window_update(stream, 30))
    assert frames.frame(F.DATA, 0, stream, bytes(30)) == session.taken()
    session.receive(frames.settings([(4, 170)]))
    assert frames.frame(F.SETTINGS, 1, 0) + frames.frame(F.DATA, 1, stream, bytes(120)) == session.taken()
    assert 65535 - 250 == session.window


def test_received_bytes_are_given_back_in_bulk() -> None:
    """A quarter of a window at a time, for the connection and for a stream."""
    session = Recording(window=100_000)
    session.start()
    session.receive(frames.settings([]))
    session.ask("a")
    session.receive(head(1))
    session.taken()
    for _ in range(3):
        session.receive(frames.frame(F.DATA, 0, 1, bytes(10_000)))
    assert frames.window_update(1, 25_000) + frames.window_update(0, 30_000) == session.taken()


def test_an_early_answer_stops_the_request() -> None:
    """Nobody waits for the rest of a body whose request has been answered."""
    session = greeted((4, 10))
    stream = session.ask("a", body=bytes(50))
    session.taken()
    session.receive(head(stream, end=True))
    assert ["a"] == list(session.ended)
    assert frames.reset(stream, 8) == session.taken()
    session.send_data(stream, b"more", end=True)
    session.receive(frames.window_update(stream, 100))
    assert b"" == session.taken()


def test_an_answer_to_head_has_no_body() -> None:
    """Its length is what a body would have."""
    session = greeted(watching=False)
    session.heads_only.update("ab")
    session.ask("a")
    session.ask("b")
    session.receive(head(1, ("content-length", "12345"), end=True))
    session.receive(head(3, ("content-length", "12345")) + frames.frame(F.DATA, 1, 3))
    assert ["a", "b"] == list(session.ended)


def test_streams_run_out() -> None:
    """Long before the last number a connection asks to be replaced."""
    session = greeted()
    session.tire()
    assert 0 == session.left
    session.next_stream = 2**31 - 2**19 + 1
    session.tire()
    session.tire()
    assert 1 == session.left


def test_a_peer_that_asks_and_does_not_read() -> None:
    """Answers that nobody takes are not collected without end."""
    session = greeted()
    session.receive(frames.frame(F.PING, 0, 0, bytes(8)) * 5000)
    assert "" == session.broken
    session.stuck = True
    session.receive(frames.frame(F.PING, 0, 0, bytes(8)) * 5000)
    assert "protocol error: flood" == session.broken


def test_after_the_end_nothing_is_called() -> None:
    """Whoever ended a session hears nothing of it any more."""
    session = greeted()
    session.ask("a")
    session.end_session()
    session.receive(head(1, end=True) + frames.goaway(0, 0) + b"garbage")
    assert ({}, {}, "", 0) == (session.ended, session.lost, session.broken, session.left)
