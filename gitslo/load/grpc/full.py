"""gRPC connections for calls that differ or go bit by bit, and for answers that are looked into.

`connections` chooses between them and the fast ones. Each call is made from its source; a client stream's messages go
at their moments, or as the server takes them; each answer's messages are counted, and the last one is read where a
check asks for it.

Invariant: what an answer may make us keep is bounded: one message of at most LARGEST bytes, unpacked the same.
"""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections.abc import Callable, Sequence

from gitslo.errors import Refused
from gitslo.load.connections.pool import Pool
from gitslo.load.grpc.calls import AT_ONCE, CallSource, Message
from gitslo.load.grpc.connection import PREFIX_LENGTH, Connection, Token
from gitslo.load.grpc.status import ended, said
from gitslo.load.http2.session import Head
from gitslo.load.record.recorder import EXAMPLE, Cell
from gitslo.model import LoadSection, Target

__all__ = ["LARGEST", "FullConnection", "connections"]

LARGEST = 4 * 1024 * 1024
"""Bytes of a message that is looked into; what gRPC clients take at most, unless told otherwise."""
_PREFIX = struct.Struct(">BI")
_SOON = 0.001
_GZIP_FORMAT = 16 + zlib.MAX_WBITS

clock = time.monotonic


def connections(section: LoadSection, target: Target, sources: Sequence[CallSource]) -> Callable[[Pool], Connection]:
    """What makes a section's connections: fast ones where calls are constant bytes, and no answer is looked into."""
    plain = not any(source.varies or source.checks or source.content.body is None for source in sources)
    made = Connection if plain else FullConnection
    scheme = "https" if target.tls else "http"
    return lambda pool: made(pool, scheme, sources, section.streams)


class _Call:
    """What is known of one call under way, beyond the fast path.

    Attributes:
        source: where it comes from.
        content: what is sent.
        sent: messages that have been sent.
        timer: the next sending of a client stream, or None.
        trace: its trace id, or empty.
        read: whether messages are looked into.
        size: bytes of messages that came.
        count: whole messages that came.
        rest: the beginning of one that is not whole.
        last: the last whole one, with its prefix.
        encoding: how compressed ones are.
        skip: bytes that are still to come of a message that nobody looks into.
    """

    __slots__ = (
        "content", "count", "encoding", "last", "read", "rest", "sent", "size", "skip", "source", "timer", "trace",
    )  # fmt: skip

    def __init__(self, source: CallSource, content: Message) -> None:
        self.source = source
        self.content = content
        self.trace = source.trace
        self.sent = self.size = self.count = self.skip = 0
        self.timer: asyncio.TimerHandle | None = None
        self.read = False
        self.rest = self.last = self.encoding = b""


class FullConnection(Connection):
    """Calls of every kind; every answer's messages are counted, and looked into where a check asks."""

    watching = True

    def _walk(self, data: bytes) -> int:
        """The session's own: every part of an answer is looked at."""
        return super(Connection, self)._walk(data)

    # ------------------------------------------------------------ calls

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s next call now."""
        source = self.calls[cell.endpoint]
        content = source.content
        source.trace = b""
        if source.varies:
            try:
                content = source.draw()
            except Refused as refused:
                message = str(refused).encode(errors="replace")
                self.now = clock()
                self.fail((cell, intended, lag, queue), "message: a value does not fit", self.now, message)
                asyncio.get_running_loop().call_soon(self.free)
                return
        call = _Call(source, content)
        token = (cell, intended, lag, queue, call)
        if content is source.content:
            block = self.writer.steady(content.fields)[0]
        else:
            block = self.writer.drawn(cell.endpoint, content.fields)
        if content.body is not None:
            self.request(block, token, content.body)
        else:
            self._pump(self.request(block, token, end=False), call)

    def _pump(self, stream: int, call: _Call) -> None:
        """Send the next messages of a client stream: one at a time with an interval, else as the server takes them."""
        call.timer = None
        if stream not in self.live:
            return
        source, messages = call.source, call.content.messages
        whole = len(messages) * source.repeat
        data: list[bytes] = []
        size = 0
        while call.sent < whole and size < AT_ONCE and self._due(stream, call) <= 0 >= self.unsent(stream) - AT_ONCE:
            message = messages[call.sent % len(messages)]
            call.sent += 1
            size += len(message)
            data.append(message)
        if data or not whole:
            self.send_data(stream, b"".join(data), end=call.sent >= whole)
        if call.sent < whole:
            delay = max(_SOON, self._due(stream, call))
            call.timer = asyncio.get_running_loop().call_later(delay, self._pump, stream, call)

    def _due(self, stream: int, call: _Call) -> float:
        """Seconds until the next message: absolute, so that those of a long stream do not drift."""
        interval = call.source.interval
        if not interval or not call.sent:
            return 0.0
        _, intended, lag, queue, _ = self.live[stream]
        return float(intended + lag + queue + call.sent * interval - clock())

    # ------------------------------------------------------------ answers

    def on_head(self, stream: int, token: Token, head: Head) -> None:  # noqa: ARG002 - a hook
        """Decide whether the messages are looked into."""
        call: _Call = token[4]
        checks = call.source.checks
        if checks is not None and head.note is None:
            call.read = checks.wants_body()
            if call.read:
                call.encoding = (head.get(b"grpc-encoding") or b"").strip().lower()

    def on_data(self, stream: int, token: Token, data: bytes) -> None:
        """Count messages, and keep the last one where it is looked into."""
        call: _Call = token[4]
        call.size += len(data)
        checks = call.source.checks
        if checks is not None and checks.max_size is not None and call.size > checks.max_size:
            self.cancel(stream)
            self.fail(token, "too large", self.now)
            self.free()
            return
        if not _take(call, data):
            self.cancel(stream)
            self.fail(token, "check: message too large", self.now)
            self.free()

    def on_end(self, stream: int, token: Token, head: Head, trailers: Head | None) -> None:  # noqa: ARG002 - a hook
        """Record the answer, and let the slot be used again."""
        call: _Call = token[4]
        last = head if trailers is None else trailers
        code = ended(head.status, last.note)  # type: ignore[arg-type]  # `note` made it
        kind, example = self._flaw(call, code, head, trailers)
        if kind:
            self.fail(token, kind, self.now, example)
        else:
            self._judge(token, code, said(head.status, last.fields, last.note))  # type: ignore[arg-type]  # as above
            self._forget(token)
        if self.leaving or self.resting or self.granted > self.slots:
            self.free()
        else:
            self.pool.idle(self)

    def _flaw(self, call: _Call, code: int, head: Head, trailers: Head | None) -> tuple[str, bytes]:
        """Why an answer with a good status is not good after all, with an example; empty where it is."""
        source = call.source
        if not source.good[code]:
            return "", b""
        if not code:
            if call.rest or call.skip:
                return "protocol error: message cut short", b""
            if source.single and call.count != 1:
                return "protocol error: no message" if not call.count else "protocol error: more than one message", b""
        checks = source.checks
        if checks is None:
            return "", b""
        body = None
        if call.read and call.count:
            message, kind = _unpacked(call)
            if kind:
                return kind, call.last[:EXAMPLE]
            try:
                body = source.mapped(message)
            except ValueError as error:
                return "check: not a message of its type", str(error).encode(errors="replace")
        elif call.read:
            body = b"null"
        kind = checks.verify((*head.fields, *(trailers.fields if trailers is not None else ())), body)
        return kind, checks.example if kind else b""

    # ------------------------------------------------------------ ends of all kinds

    def fail(self, token: Token, kind: str, now: float, example: bytes = b"") -> None:
        """Settle a call as failed."""
        super().fail(token, kind, now, example[:EXAMPLE])
        self._forget(token, now)

    def _forget(self, token: Token, now: float | None = None) -> None:
        """A call is over: no more of it is sent, and its trace is worth knowing."""
        if len(token) > 4:  # noqa: PLR2004 - it was sent
            call: _Call = token[4]
            if call.timer is not None:
                call.timer.cancel()
            if call.trace and token[0].judged:
                call.source.slowest.offer((now or self.now) - token[1], call.trace, token[0].endpoint)


def _take(call: _Call, data: bytes) -> bool:
    """Cut data at its messages; False where one that is looked into is too large."""
    if call.skip:
        if len(data) < call.skip:
            call.skip -= len(data)
            return True
        data, call.skip = data[call.skip :], 0
        call.count += 1
    data = call.rest + data
    at = 0
    while len(data) - at >= PREFIX_LENGTH:
        length = _PREFIX.unpack_from(data, at)[1] + PREFIX_LENGTH
        if length > LARGEST and call.read:
            return False
        if len(data) - at < length:
            if not call.read:
                call.skip = length - (len(data) - at)
                at = len(data)
            break
        call.count += 1
        if call.read:
            call.last = data[at : at + length]
        at += length
    call.rest = data[at:]
    return True


def _unpacked(call: _Call) -> tuple[bytes, str]:
    """The last message without its prefix, and what is wrong with it."""
    message = call.last[PREFIX_LENGTH:]
    if not call.last[0]:
        return message, ""
    if call.encoding != b"gzip":
        return b"", "unknown message encoding"
    unpacker = zlib.decompressobj(_GZIP_FORMAT)
    try:
        found = unpacker.decompress(message, LARGEST + 1)
    except zlib.error:
        return b"", "gzip: broken"
    if len(found) > LARGEST:
        return b"", "check: message too large"
    return (found, "") if unpacker.eof else (b"", "gzip: broken")
