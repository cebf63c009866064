"""One HTTP/2 connection beside its answers: what is sent, the windows, settings, and the frames about the connection.

The half of the client's side (RFC 9113) that is not paid per answer; `session.Session` is the other half, and says what
holds for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from gitslo.load.http2 import frames
from gitslo.load.http2.frames import DATA, LARGEST_WINDOW, LEAST_MAX_FRAME, PING, SETTINGS, STREAM_ID
from gitslo.load.http2.headers import CALM, PROTOCOL, Broken, Head, HeaderReader, HeaderWriter

__all__ = ["CANCEL", "LONGEST_HEADERS", "REFUSED", "Control", "Token"]

Token = TypeVar("Token")

FLOW, FRAME_SIZE, REFUSED, CANCEL = 3, 6, 7, 8

WINDOW = 2**30
"""Bytes that the server may send ahead of us on a connection and on each stream: a load is not to wait for itself."""
LONGEST_HEADERS = 2**16
"""Bytes of one answer's header, compressed or not."""
_MOST_REPLIES = 1000
_REMEMBERED = 4096
_LAST_STREAM = 2**31 - 2**20
"""From here on a connection takes nothing new: what is still sent before that is looked at has numbers left."""
_DEFAULT_WINDOW = 65535


class _Sending:
    """What a stream's request still has to send."""

    __slots__ = ("at", "data", "end", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.data = b""
        self.at = 0
        self.end = False


class Control(Generic[Token]):
    """See above.

    Attributes:
        watching: whether `on_head` and `on_data` are called.
        live, begun: see above.
        out: what `put` collects.
        next_stream: number of the next request's stream.
        limit: requests that the server takes at the same time.
        greeted: the server's first SETTINGS have come.
        leaving: the server takes no new streams (GOAWAY), or there are no numbers for them.
        over: nothing is sent or called any more.
        stuck: the subclass says that the peer does not read what we write.
        window: what all requests together may still send.
    """

    watching = False

    def __init__(self, window: int = WINDOW) -> None:
        """Start before the first byte.

        Args:
            window: see WINDOW.
        """
        self.live: dict[int, Token] = {}
        self.begun: dict[int, Head] = {}
        self.out: list[bytes] = []
        self.put: Callable[[bytes], None] = self.out.append
        self.next_stream = 1
        self.limit = LARGEST_WINDOW
        self.greeted = self.leaving = self.over = self.stuck = False
        self.goaway = False
        self.window = self.initial_window = _DEFAULT_WINDOW
        self.max_frame = LEAST_MAX_FRAME
        self.writer = HeaderWriter(self.on_change)
        self._reader = HeaderReader(LONGEST_HEADERS, self.note)
        self._sending: dict[int, _Sending] = {}
        self._got: dict[int, int] = {}
        self._cut: dict[int, None] = {}
        self._forgotten = 0
        self._rest = b""
        self._partial: list[bytes] = []
        self._partial_stream = self._partial_flags = 0
        self._share = window // 4
        self._ours = window
        self._taken = 0
        self._replies = 0

    # ------------------------------------------------------------ hooks

    def note(self, head: Head) -> object:
        """What to remember of a header block; called once for all answers that carry the same one."""

    def on_head(self, stream: int, token: Token, head: Head) -> None:
        """The head of an answer has come (only where `watching`)."""

    def on_data(self, stream: int, token: Token, data: bytes) -> None:
        """A part of its body has come (only where `watching`)."""

    def on_end(self, stream: int, token: Token, head: Head, trailers: Head | None) -> None:
        """The answer is complete."""

    def on_lost(self, stream: int, token: Token, kind: str, code: int, *, again: bool) -> None:
        """There will be no answer; `again`: the server says that it never processed the request."""

    def on_limit(self) -> None:
        """`limit` has changed, or is known for the first time."""

    def on_leaving(self) -> None:
        """`leaving` has become true."""

    def on_change(self) -> None:
        """Blocks that the writer made before stand for something else now, or the server's bounds have changed."""

    def on_broken(self, kind: str) -> None:
        """The connection is of no use any more. What is in `live` will get no answer; `put` has the last word."""

    def bodiless(self, token: Token) -> bool:
        """Whether an answer to this request has no body whatever its header says (HEAD)."""
        del token
        return False

    # ------------------------------------------------------------ what is sent

    def start(self) -> None:
        """Send the preface. Requests may follow at once, or wait for the server's settings."""
        self.put(
            frames.PREFACE
            + frames.settings((
                (frames.SETTING_ENABLE_PUSH, 0),
                (frames.SETTING_INITIAL_WINDOW_SIZE, self._ours),
                (frames.SETTING_MAX_HEADER_LIST_SIZE, LONGEST_HEADERS),
            ))
            + (frames.window_update(0, self._ours - _DEFAULT_WINDOW) if self._ours > _DEFAULT_WINDOW else b"")
        )  # fmt: skip

    def request(self, block: bytes, token: Token, data: bytes = b"", *, end: bool = True) -> int:
        """Send a request; returns its stream. Without `end` more data follows by `send_data`.

        `block` is fresh from `writer`: blocks are sent in the order in which they are made.
        """
        stream = self.next_stream
        self.next_stream = stream + 2
        self.live[stream] = token
        whole = end and not data
        self.put(frames.header_frames(stream, block, self.max_frame, end=whole))
        if not whole:
            self._sending[stream] = _Sending(self.initial_window)
            self.send_data(stream, data, end=end)
        return stream

    def send_data(self, stream: int, data: bytes, *, end: bool) -> None:
        """Send data of a request, now or as soon as the windows allow; nothing where its stream is gone."""
        sending = self._sending.get(stream)
        if sending is not None:
            sending.data = sending.data[sending.at :] + data
            sending.at = 0
            sending.end = end
            while self._send_some(stream, sending):
                pass

    def cancel(self, stream: int, code: int = CANCEL) -> None:
        """Give a stream up without a further hook; what still comes for it is ignored."""
        self.live.pop(stream, None)
        self._clear(stream)
        self._cut[stream] = None
        if len(self._cut) > _REMEMBERED:
            self._forgotten = max(self._forgotten, next(iter(self._cut)))
            del self._cut[self._forgotten]
        self.put(frames.reset(stream, code))

    def end_session(self, code: int = 0) -> None:
        """Say goodbye; nothing is called any more."""
        if not self.over:
            self.over = True
            self.live.clear()
            self.begun.clear()
            self._sending.clear()
            self.put(frames.goaway(0, code))

    def unsent(self, stream: int) -> int:
        """Bytes of a request that wait for windows."""
        sending = self._sending.get(stream)
        return len(sending.data) - sending.at if sending is not None else 0

    def _send_some(self, stream: int, sending: _Sending) -> bool:
        """One DATA frame, if the windows allow it; whether there was one and there may be another."""
        rest = len(sending.data) - sending.at
        size = min(rest, self.max_frame, self.window, sending.window)
        if size <= 0 and (rest or not sending.end):
            return False
        last = sending.end and size == rest
        data = sending.data[sending.at : sending.at + size] if size < len(sending.data) else sending.data
        self.put(frames.frame(DATA, frames.END_STREAM if last else 0, stream, data))
        self.window -= size
        sending.window -= size
        sending.at += size
        if last:
            del self._sending[stream]
        return not last and size < rest

    def _send_all(self) -> None:
        """Windows grew: one frame of each stream in turn, until nothing goes any more."""
        streams = list(self._sending.items())
        while streams:
            streams = [(stream, sending) for stream, sending in streams if self._send_some(stream, sending)]

    def _clear(self, stream: int) -> None:
        self.begun.pop(stream, None)
        self._got.pop(stream, None)
        self._sending.pop(stream, None)

    def _fail(self, stream: int, kind: str, code: int = PROTOCOL) -> None:
        """The stream breaks a rule, the connection does not."""
        token = self.live[stream]
        self.cancel(stream, code)
        self.on_lost(stream, token, kind, code, again=False)

    def _lose(self, stream: int, kind: str, code: int, *, again: bool) -> None:
        token = self.live.pop(stream)
        self._clear(stream)
        self.on_lost(stream, token, kind, code, again=again)

    # ------------------------------------------------------------ frames about the connection

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Broken("settings")
        if len(payload) % 6 or (flags & frames.ACK and payload):
            raise Broken("frame size", FRAME_SIZE)
        if flags & frames.ACK:
            return
        before = self.limit
        for name, value in frames.settings_in(payload):
            self._set(name, value)
        self._reply(frames.frame(SETTINGS, frames.ACK, 0))
        self.on_change()
        if not self.greeted or self.limit != before:
            self.greeted = True
            self.on_limit()
        self._send_all()

    def _set(self, name: int, value: int) -> None:
        if name == frames.SETTING_HEADER_TABLE_SIZE:
            self.writer.resize(value)
        elif name == frames.SETTING_MAX_CONCURRENT_STREAMS:
            self.limit = value
        elif name == frames.SETTING_INITIAL_WINDOW_SIZE:
            self._shift(value)
        elif name == frames.SETTING_MAX_FRAME_SIZE and LEAST_MAX_FRAME <= value <= frames.MOST_MAX_FRAME:
            self.max_frame = value
        elif name == frames.SETTING_MAX_FRAME_SIZE or (name == frames.SETTING_ENABLE_PUSH and value):
            raise Broken("settings")

    def _shift(self, value: int) -> None:
        """The window that streams start with: those that are under way change by as much, below zero if need be."""
        if value > LARGEST_WINDOW:
            raise Broken("flow control", FLOW)
        by = value - self.initial_window
        self.initial_window = value
        for sending in self._sending.values():
            sending.window += by
            if sending.window > LARGEST_WINDOW:
                raise Broken("flow control", FLOW)

    def _grow(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - a number
            raise Broken("frame size", FRAME_SIZE)
        by = STREAM_ID.unpack(payload)[0] & LARGEST_WINDOW
        if not stream:
            self.window += by
            if not by or self.window > LARGEST_WINDOW:
                raise Broken("flow control", FLOW if by else PROTOCOL)
            self._send_all()
        elif stream in self._sending:
            sending = self._sending[stream]
            sending.window += by
            if not by or sending.window > LARGEST_WINDOW:
                self._fail(stream, "protocol error: flow control", FLOW)
            else:
                while self._send_some(stream, sending):
                    pass
        elif not stream & 1 or stream >= self.next_stream:
            raise Broken("unknown stream")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Broken("ping")
        if len(payload) != 8:  # noqa: PLR2004 - any eight bytes
            raise Broken("frame size", FRAME_SIZE)
        if not flags & frames.ACK:
            self._reply(frames.frame(PING, frames.ACK, 0, payload))

    def _reply(self, answer: bytes) -> None:
        """Answer, unless the peer asks without ever reading what we answer."""
        self._replies = self._replies + 1 if self.stuck else 1
        if self._replies > _MOST_REPLIES:
            raise Broken("flood", CALM)
        self.put(answer)

    def _reset(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - a code
            raise Broken("frame size", FRAME_SIZE)
        if stream in self.live:
            code = STREAM_ID.unpack(payload)[0]
            self._lose(stream, f"stream reset: {frames.error_name(code)}", code, again=code == REFUSED)
        elif not stream & 1 or stream >= self.next_stream:
            raise Broken("unknown stream")
        else:
            self._cut.pop(stream, None)

    def _goaway(self, stream: int, payload: bytes) -> None:
        if len(payload) < 8 or stream:  # noqa: PLR2004 - last stream and code
            raise Broken("frame size" if not stream else "unknown stream", FRAME_SIZE if not stream else PROTOCOL)
        last = STREAM_ID.unpack_from(payload)[0] & LARGEST_WINDOW
        self.goaway = self.goaway or STREAM_ID.unpack_from(payload, 4)[0] != 0
        if not self.leaving:
            self.leaving = True
            self.on_leaving()
        for each in [each for each in self.live if each > last]:
            if each in self.live:
                self._lose(each, "goaway", REFUSED, again=True)

    def tire(self) -> None:
        """Called now and then: leave in time before the numbers of streams end."""
        if self.next_stream >= _LAST_STREAM and not self.leaving:
            self.leaving = True
            self.on_leaving()
