"""HTTP/1.1 connections for load: one Protocol object each, no tasks and no futures per request, never pipelined.

`Connection` is the fast path: constant requests, judged by their status. `full` has what looks at more. The only
file with httptools.

Invariants
- A connection carries at most one request; `cell` is not None exactly while it does.
- A response that was cut short is an error; a body that ends with the connection because nothing else frames it is not.
- `begun` is 0 exactly where the parser stands between two messages.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable

import httptools

from gitslo.load.connections.pool import Pool, reason
from gitslo.load.record.recorder import EXAMPLE, NEVER, Cell, Unfinished

__all__ = ["PARSER_ERRORS", "Connection", "KnownAnswers"]

_HEAD_LIMIT = 65536
"""Of an unfinished answer, as much is kept to tell how its body would have ended."""
_KNOWN = 64
"""Answers."""
_SHORT = 2048
"""Bytes of an answer; a longer one costs more to look up than to parse."""
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_SETTINGS = re.compile(rb"\x00..\x04\x00\x00\x00\x00\x00", re.DOTALL)
"""How a server of HTTP/2 greets, whoever is there: a frame of settings on stream 0."""
PARSER_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)

clock = time.monotonic


class KnownAnswers(dict[bytes, int]):
    """Whole answers that the parser has seen, after which a connection goes on -> their status. One for a worker.

    Constant requests mostly get the same answer again, but for its date. What a parser says depends on the bytes and on
    where it stands, and between two messages it always stands at the same place: so the same bytes, met there, are the
    same answer, and leave it where it is. A look-up costs a fifth of parsing.

    Attributes:
        usual: the good one that came last: mostly the next one is the same, and comparing costs less than a look-up.
    """

    def __init__(self, most: int = _KNOWN) -> None:
        """Keep up to `most`."""
        super().__init__()
        self.usual = b""
        self._most = most
        self._since = -1.0

    def keep(self, answer: bytes, status: int, now: float) -> None:
        """Take one more.

        Where answers come to `most` within a second they all differ, and keeping them is of no use: then none is kept
        any more. Otherwise it is old dates that fill it.
        """
        if len(answer) > _SHORT or len(self) >= self._most:
            return
        if not self:
            self._since = now
        self[answer] = status
        if len(self) >= self._most:
            self.clear()
            if now - self._since < 1.0:
                self._most = 0


class Connection(asyncio.Protocol):
    """One connection. `data_received` is the hot path: every line in it is paid per response."""

    def __init__(self, pool: Pool, known: KnownAnswers | None = None) -> None:
        """Begin without a transport; where answers are only judged by their status, `known` saves parsing them."""
        self.known = KnownAnswers(0) if known is None else known
        self.begun = 0
        self.pool = pool
        self.recorder = pool.recorder
        self.good = pool.good
        self.cell: Cell | None = None
        self.intended = 0.0
        self.lag = 0.0
        self.queue = 0.0
        self.status = 0
        self.messages = 0
        self.last = self.leaving = False
        self.head = b""
        self.renew_parser()

    def renew_parser(self) -> None:
        """Start with a parser that knows of no message."""
        self.begun = 0
        parser = httptools.HttpResponseParser(self)
        self.feed = parser.feed_data
        self.get_status = parser.get_status_code
        self.keep_alive = parser.should_keep_alive

    # ------------------------------------------------------------ transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self.transport = transport
        self.write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]  # a stream's has it
        self.pool.connected(self, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone: what was under way has failed, unless this is how its answer ends."""
        self.pool.forget(self)
        if self.cell is not None:
            if exc is not None:
                self.fail("reset" if isinstance(exc, ConnectionError) else f"connection: {reason(exc)}")
            elif not self.head:
                self.fail("closed without an answer")
            elif _ends_with_connection(self.head):
                self.status = self.get_status()
                self.last = True
                self.finish(clock(), b"")
            else:
                self.fail("answer cut short")
        self.pool.replace()

    def data_received(self, data: bytes) -> None:  # noqa: C901, PLR0912 - in one piece: a call would be paid per answer
        """Something was read."""
        now = clock()
        pool, cell = self.pool, self.cell
        pool.received += len(data)
        if cell is not None and not (self.begun or self.leaving):
            known = self.known
            if data == known.usual and not self.head:
                response = now - self.intended
                if response <= cell.brisk:
                    # `finish` does the same; here it costs no call.
                    self.cell = None
                    if self.queue:
                        cell.add_queued((response, self.lag, self.queue))
                    elif self.lag:
                        cell.add_response(response)
                        cell.add_lag(self.lag)
                    else:
                        cell.add_prompt(response)
                    if pool.hungry is not None and not pool.pending:
                        pool.hungry(self, now)
                    else:
                        pool.idle(self)
                    return
            status = known.get(data)
            if status is not None:
                if self.good[status]:
                    known.usual = data
                self.status = status
                self.finish(now, data)
                return
        try:
            self.feed(data)
        except PARSER_ERRORS:
            self.fail("protocol: the server speaks HTTP/2" if _SETTINGS.match(data) else "protocol error", data)
            self.drop()
            return
        if self.messages == 1 and self.cell is not None:
            if not self.begun and not self.head and not self.last:
                self.known.keep(data, self.status, now)
            self.finish(now, data)
        elif self.messages or self.cell is None:
            # More than was asked for: what belongs to which request is not known any more.
            self.fail("protocol error", data)
            self.drop()
        elif len(self.head) < _HEAD_LIMIT:
            self.head += data

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of an answer."""
        self.begun = 1

    def on_message_complete(self) -> None:
        """The parser has come to the end of an answer."""
        self.begun = 0
        status = self.get_status()
        if status >= 200:  # noqa: PLR2004 - below are the 1xx, which announce the response
            self.status = status
            self.messages += 1
            self.last = self.leaving or not self.keep_alive()

    # ------------------------------------------------------------ requests

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s request now."""
        self.cell = cell
        self.intended = intended
        self.lag = lag
        self.queue = queue
        self.write(cell.request)

    def finish(self, now: float, data: bytes) -> None:
        """The response is complete; `data` is what was read last."""
        cell = self.cell
        assert cell is not None  # noqa: S101 - the callers looked
        self.cell = None
        self.messages = 0
        response = now - self.intended
        if response <= cell.brisk and self.good[self.status]:
            cell.add(response, self.lag, self.queue)
        elif self.good[self.status]:
            self.recorder.settle(cell, response, self.lag, self.queue, "", None)
        else:
            kind = f"status {self.status}"
            self.recorder.settle(cell, response, self.lag, self.queue, kind, NEVER, (self.head + data)[:EXAMPLE])
        if self.head:
            self.head = b""
        if self.last:
            self.drop()
        else:
            self.pool.idle(self)

    def fail(self, kind: str, example: bytes = b"") -> None:
        """Settle the request under way, if there is one, as failed."""
        cell = self.cell
        if cell is not None:
            self.cell = None
            response = clock() - self.intended
            self.recorder.settle(cell, response, self.lag, self.queue, kind, NEVER, example[:EXAMPLE])

    # ------------------------------------------------------------ as the pool sees it

    @property
    def busy(self) -> int:
        """1 while a request is under way."""
        return self.cell is not None

    def unfinished(self) -> Iterable[Unfinished]:
        """The request under way."""
        return () if self.cell is None else ((self.cell, self.intended, self.lag),)

    def expire(self, now: float, timeout: float) -> None:
        """Give up what takes too long: the answer may still come, so the connection goes, too."""
        if self.cell is not None and now - self.intended - self.lag >= timeout:
            self.fail("timeout")
            self.drop()

    def excuse(self, since: float, now: float) -> None:
        """We stood still from `since` to `now`."""
        if self.cell is not None:
            self.lag += max(0.0, now - max(since, self.intended + self.lag))

    def abandon(self, kind: str) -> None:
        """Settle the request under way by our own decision."""
        cell, self.cell = self.cell, None
        if cell is not None:
            self.recorder.settle(cell, clock() - self.intended, self.lag, self.queue, kind, 0.0)
        self.drop()

    def leave(self) -> None:
        """Take nothing new."""
        if self.cell is None:
            self.drop()
        else:
            self.leaving = True

    def drop(self) -> None:
        """Close, at once and for good."""
        self.pool.forget(self)
        self.transport.abort()  # type: ignore[attr-defined]  # a stream's transport has it


def _ends_with_connection(answer: bytes) -> bool:
    """Whether the last response in `answer` has a whole header, and nothing in it says where the body ends."""
    while True:
        head, end, answer = answer.partition(b"\r\n\r\n")
        if not end:
            return False
        if head[9:10] != b"1":  # a 1xx announces the response
            return _FRAMED.search(head) is None
