"""The client's side of one HTTP/2 connection (RFC 9113), sans-IO: bytes go in, hooks are called, bytes come out.

A subclass is a connection: it calls `request` and `receive`, and overrides the hooks. `receive` is the hot path: it
walks frame by frame with one unpacking each and makes no object for a frame. What a small answer does not need
(padding, split header blocks, bodies in many frames) is done by the methods below it, everything about the connection
by `control`.

What is to be sent goes to `put`, in order. While `receive` runs a subclass lets `put` collect and writes once after it.

Invariants
- `live` holds exactly the streams whose answer is under way, each with its caller's token; `begun` those of them whose
  head has come. A stream leaves `live` before the one hook that says how it ended is called: `on_end` or `on_lost`.
- Hooks may call `request`, `send_data`, `cancel` and `end_session`, whatever called them.
- We never send more DATA than both windows allow; every byte received is given back to the peer in bulk.
- Every header block is read, whoever it is for: later ones rest on it.
- After `on_broken`, or `end_session`, nothing is called any more.
"""

from __future__ import annotations

from gitslo.load.http2 import frames
from gitslo.load.http2.control import CANCEL, FRAME_SIZE, LONGEST_HEADERS, REFUSED, Control, Token
from gitslo.load.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    LARGEST_WINDOW,
    LEAST_MAX_FRAME,
    PADDED,
    PING,
    PRIORITY_FLAG,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from gitslo.load.http2.headers import CALM, Broken, Field, Head

__all__ = ["CANCEL", "FOREIGN", "REFUSED", "Field", "Head", "Session"]

FOREIGN = "protocol: the server speaks no HTTP/2"
MOST_CONTINUATIONS = 32
_CLOSED = 5
_SIMPLE = END_HEADERS | PADDED | PRIORITY_FLAG
_NOT_MODIFIED = 304


class Foreign(Broken):
    """Whatever this is, it is no HTTP/2."""

    def __init__(self) -> None:
        super().__init__("")
        self.kind = FOREIGN


class Session(Control[Token]):
    """See above, and `Control` for the attributes and hooks."""

    # ------------------------------------------------------------ what is received

    def receive(self, data: bytes) -> None:
        """Take what has arrived, in any pieces."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self.over:
            return
        try:
            if not self.greeted:
                self._greet(data)
            used = self._walk(data)
        except Broken as broken:
            if not self.over:
                self.put(frames.goaway(0, broken.code))
                self.over = True
                self.on_broken(broken.kind)
            return
        if used < len(data):
            self._rest = data[used:]

    def _walk(self, data: bytes) -> int:  # noqa: C901, PLR0912 - in one piece: a call would be paid per frame
        """Take every whole frame; returns the bytes they have."""
        unpack = frames.FRAME_HEADER.unpack_from
        live, begun, got, kept = self.live, self.begun, self._got, self._reader.kept
        watching = self.watching
        position, size = 0, len(data)
        taken = 0
        while size - position >= 9:  # noqa: PLR2004 - HEADER_LENGTH, written out: this is paid per frame
            high, low, kind, flags, stream = unpack(data, position)
            length = high << 8 | low
            start = position + 9
            position = start + length
            if position > size or length > LEAST_MAX_FRAME:
                if length > LEAST_MAX_FRAME:
                    raise Broken("frame size", FRAME_SIZE)
                position = start - 9
                break
            stream &= LARGEST_WINDOW
            if kind == HEADERS and flags & _SIMPLE == END_HEADERS and not self._partial_stream:
                block = data[start:position]
                head = kept.get(block) or self._reader.read(block)
                if head.final and not flags & 1 and not watching and stream in live and stream not in begun:
                    begun[stream] = head
                else:
                    self._head(stream, head, flags & 1)
            elif kind == DATA and not self._partial_stream:
                taken += length
                begun_head = begun.get(stream)
                if begun_head is None or flags & PADDED:
                    self._odd_data(stream, flags, data[start:position])
                elif watching or not flags & 1 or got or -1 != begun_head.length != length:
                    self._data(stream, begun_head, data[start:position], flags & 1)
                else:
                    del begun[stream]
                    token = live.pop(stream)
                    if self._sending:
                        self._stop_sending(stream)
                    self.on_end(stream, token, begun_head, None)
            else:
                self._other(kind, flags, stream, data[start:position])
        if taken:
            self._taken += taken
            if self._taken >= self._share and not self.over:
                self.put(frames.window_update(0, self._taken))
                self._taken = 0
        return position

    # ------------------------------------------------------------ answers

    def _head(self, stream: int, head: Head, end: int) -> None:  # noqa: C901 - the order of an answer, in one place
        """A header block: the head of an answer, an interim one, or trailers."""
        live = self.live
        if stream not in live:
            self._unexpected(stream, end)
            return
        first = self.begun.get(stream)
        if first is not None:
            if head.status or not end:
                self._fail(stream, "protocol error: trailers")
            elif self._whole(stream, first, 0):
                self._finish(stream, first, head)
        elif head.final:
            self.begun[stream] = head
            if self.watching:
                self.on_head(stream, live[stream], head)
                if stream not in live:
                    return
            if end and (head.length <= 0 or head.status == _NOT_MODIFIED or self.bodiless(live[stream])):
                self._finish(stream, head, None)
            elif end:
                self._fail(stream, "answer cut short")
        elif end or head.status <= 0:
            self._fail(stream, "protocol error: malformed header")

    def _data(self, stream: int, head: Head, data: bytes, end: int) -> None:
        """Data of an answer whose head has come."""
        if self.watching and data:
            self.on_data(stream, self.live[stream], data)
            if stream not in self.live:
                return
        if not end:
            before = self._got.get(stream, 0)
            total = self._got[stream] = before + len(data)
            shares = total // self._share - before // self._share
            if shares:
                self.put(frames.window_update(stream, shares * self._share))
        elif self._whole(stream, head, len(data)):
            self._finish(stream, head, None)

    def _odd_data(self, stream: int, flags: int, data: bytes) -> None:
        """Data with padding, or where none is expected."""
        if flags & PADDED:
            padded = len(data)
            data = _unpadded(data)
            if stream in self.live and not flags & 1:
                self.put(frames.window_update(stream, padded - len(data)))
        if stream in self.begun:
            self._data(stream, self.begun[stream], data, flags & 1)
        elif stream in self.live:
            self._fail(stream, "protocol error: data before headers")
        else:
            self._unexpected(stream, flags & 1)

    def _whole(self, stream: int, head: Head, more: int) -> bool:
        """Whether the body is as long as it was announced."""
        total = self._got.pop(stream, 0) + more
        if head.length in {-1, total} or (
            not total and (head.status == _NOT_MODIFIED or self.bodiless(self.live[stream]))
        ):
            return True
        self._fail(stream, "answer cut short")
        return False

    def _finish(self, stream: int, head: Head, trailers: Head | None) -> None:
        self.begun.pop(stream)
        token = self.live.pop(stream)
        self._got.pop(stream, None)
        if self._sending:
            self._stop_sending(stream)
        self.on_end(stream, token, head, trailers)

    def _stop_sending(self, stream: int) -> None:
        """The answer is complete before the request is: nobody waits for the rest."""
        if self._sending.pop(stream, None) is not None:
            self.put(frames.reset(stream, CANCEL))

    def _unexpected(self, stream: int, end: int) -> None:
        """Something for a stream that is not under way: right only where we gave the stream up."""
        if stream in self._cut:
            if end:
                del self._cut[stream]
        elif not stream & 1 or stream >= self.next_stream:
            raise Broken("unknown stream")
        elif stream > self._forgotten:
            raise Broken("stream closed", _CLOSED)

    # ------------------------------------------------------------ frames that are rare

    def _other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self.over:
            return
        if self._partial_stream or kind == CONTINUATION:
            self._continue(kind, flags, stream, payload)
        elif kind == HEADERS:
            self._odd_headers(flags, stream, payload)
        elif kind == WINDOW_UPDATE:
            self._grow(stream, payload)
        elif kind == SETTINGS:
            self._settings(flags, stream, payload)
        elif kind == PING:
            self._ping(flags, stream, payload)
        elif kind == RST_STREAM:
            self._reset(stream, payload)
        elif kind == GOAWAY:
            self._goaway(stream, payload)
        elif kind == PUSH_PROMISE:
            raise Broken("push")
        # Priorities and frames that nobody has thought of yet are not for us.

    def _greet(self, data: bytes) -> None:
        """The first frame is SETTINGS, or it is no HTTP/2."""
        if len(data) > 3 and (data[3] != SETTINGS or data[:1] != b"\0"):  # noqa: PLR2004 - where its type stands
            raise Foreign
        if len(data) >= frames.HEADER_LENGTH and data[4] & frames.ACK:
            raise Foreign

    def _odd_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITY_FLAG:
            if len(payload) < 5:  # noqa: PLR2004 - stream and weight
                raise Broken("frame size", FRAME_SIZE)
            payload = payload[5:]
        if not stream:
            raise Broken("unknown stream")
        if flags & END_HEADERS:
            self._block(stream, payload, flags & 1)
        else:
            self._partial_stream, self._partial_flags, self._partial = stream, flags, [payload]

    def _continue(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        partial = self._partial
        if kind != CONTINUATION or not self._partial_stream or stream != self._partial_stream:
            raise Broken("continuation")
        partial.append(payload)
        if len(partial) > MOST_CONTINUATIONS or sum(map(len, partial)) > LONGEST_HEADERS:
            raise Broken("too many headers", CALM)
        if flags & END_HEADERS:
            self._partial_stream = 0
            self._partial = []
            self._block(stream, b"".join(partial), self._partial_flags & 1)

    def _block(self, stream: int, block: bytes, end: int) -> None:
        self._head(stream, self._reader.kept.get(block) or self._reader.read(block), end)


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise Broken("padding")
    return payload[1 : len(payload) - payload[0]]
