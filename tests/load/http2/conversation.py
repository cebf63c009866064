"""A session and an `h2` server that say anything to each other, in any pieces; compared at the end."""

from __future__ import annotations

from typing import Any

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

from gitslo.load.http2 import frames
from tests.load.http2.sessions import GET, Fields, Recording

__all__ = ["Operations", "World", "held"]

Operations = list[tuple[str, dict[str, Any]]]
"""What World is to do, one after the other: the name of a method, and its arguments."""


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


def held(operations: Operations, window: int, *, watching: bool) -> Recording:
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
