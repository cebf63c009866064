"""HTTP/1.1 connections for load: one Protocol object each, no tasks and no futures per request, never pipelined.

The worker hands arrivals to `Pool.send`. One that finds no free connection waits in the pool's queue, first come first
served, and starts one more connection where the bound allows. The only file with httptools.

Invariants
- A connection carries at most one request; `cell` is not None exactly while it does.
- Every arrival that `send` took is settled exactly once: answered, failed, timed out, or never sent.
- A failed attempt to connect costs one waiting arrival, so a target that refuses is asked at the rate of the load.
- A response that was cut short is an error; a body that ends with the connection because nothing else frames it is not.
- Connections are opened to `Assignment.addresses` and to nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator

import httptools

from gitslo.load.messages import Assignment
from gitslo.load.record import NEVER, Cell, Recorder, Unfinished

__all__ = ["Pool"]

_HEAD_LIMIT = 65536
"""Of an unfinished answer, as much is kept to tell how its body would have ended."""
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_EXHAUSTED = {
    errno.EMFILE: "file descriptors",
    errno.ENFILE: "file descriptors of the machine",
    errno.EADDRNOTAVAIL: "ephemeral ports",
    errno.ENOBUFS: "socket buffers",
}
_PARSER_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)

clock = time.monotonic


class Connection(asyncio.Protocol):
    """One connection. `data_received` is the hot path: every line in it is paid per response."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.recorder = pool.recorder
        self.good = pool.good
        self.cell: Cell | None = None
        self.intended = 0.0
        self.lag = 0.0
        self.queue = 0.0
        self.status = 0
        self.messages = 0
        self.last = False
        self.head = b""
        self.renew_parser()

    def renew_parser(self) -> None:
        """Start with a parser that knows of no message."""
        parser = httptools.HttpResponseParser(self)
        self.feed = parser.feed_data
        self.get_status = parser.get_status_code
        self.keep_alive = parser.should_keep_alive

    # ------------------------------------------------------------ transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]  # a stream's has it
        self.pool.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pool.forget(self)
        if self.cell is not None:
            if exc is not None:
                self.fail("reset" if isinstance(exc, ConnectionError) else f"connection: {_reason(exc)}")
            elif not self.head:
                self.fail("closed without an answer")
            elif _ends_with_connection(self.head):
                self.status = self.get_status()
                self.last = True
                self.finish(clock())
            else:
                self.fail("answer cut short")
        self.pool.replace()

    def data_received(self, data: bytes) -> None:
        now = clock()
        self.pool.received += len(data)
        try:
            self.feed(data)
        except _PARSER_ERRORS:
            self.fail("protocol error")
            self.drop()
            return
        if self.messages == 1 and self.cell is not None:
            self.finish(now)
        elif self.messages or self.cell is None:
            # More than was asked for: what belongs to which request is not known any more.
            self.fail("protocol error")
            self.drop()
        elif len(self.head) < _HEAD_LIMIT:
            self.head += data

    def on_message_complete(self) -> None:
        status = self.get_status()
        if status >= 200:  # noqa: PLR2004 - below are the 1xx, which announce the response
            self.status = status
            self.messages += 1
            self.last = not self.keep_alive()

    def transmit(self, cell: Cell, intended: float, lag: float) -> None:
        """Send `cell`'s request now."""
        self.cell = cell
        self.intended = intended
        self.lag = lag
        self.write(cell.request)

    def finish(self, now: float) -> None:
        """The response is complete."""
        cell = self.cell
        assert cell is not None  # noqa: S101 - the callers looked
        self.cell = None
        self.messages = 0
        response = now - self.intended
        if response <= cell.brisk and self.good[self.status] and not self.queue:
            cell.add_response(response)
            cell.add_lag(self.lag)
        else:
            if self.good[self.status]:
                self.recorder.settle(cell, response, self.lag, self.queue, "", None)
            else:
                self.recorder.settle(cell, response, self.lag, self.queue, f"status {self.status}", NEVER)
            self.queue = 0.0
        if self.head:
            self.head = b""
        if self.last:
            self.drop()
        else:
            self.pool.idle(self)

    def fail(self, kind: str) -> None:
        """Settle the request under way, if there is one, as failed."""
        cell = self.cell
        if cell is not None:
            self.cell = None
            self.recorder.settle(cell, clock() - self.intended, self.lag, self.queue, kind, NEVER)

    def drop(self) -> None:
        """Close, at once and for good."""
        self.pool.forget(self)
        self.transport.abort()  # type: ignore[attr-defined]  # a stream's transport has it


class HeadConnection(Connection):
    """Where an endpoint's method is HEAD: its responses end with their header, whatever length that announces."""

    def on_headers_complete(self) -> None:
        status = self.get_status()
        if self.cell is not None and self.cell.head and status >= 200:  # noqa: PLR2004 - no 1xx
            self.status = status
            self.messages = 1
            self.last = not self.keep_alive()

    def on_message_complete(self) -> None:
        if self.cell is None or not self.cell.head or self.get_status() < 200:  # noqa: PLR2004 - 1xx
            super().on_message_complete()

    def finish(self, now: float) -> None:
        if self.cell is not None and self.cell.head:
            self.renew_parser()
        super().finish(now)


class Pool:
    """All connections of one worker, and the arrivals that wait for one.

    Attributes:
        received: bytes.
        pending: (cell, intended, lag) in the order of dispatch.
        exhausted: what this machine ran out of.
        trouble: the last reason why a connection could not be opened.
        hungry: what an idle connection calls to be fed in a closed loop, or None.
        starved: what a failed attempt to connect calls where no arrival waits, or None.
    """

    def __init__(self, assignment: Assignment, recorder: Recorder, tolerance: float) -> None:
        self.recorder = recorder
        expect = frozenset(assignment.expect) or range(200, 400)
        self.good = bytes(status in expect for status in range(1000))
        self.received = 0
        self.pending: deque[Unfinished] = deque()
        self.exhausted: set[str] = set()
        self.trouble = ""
        self.hungry: Callable[[Connection], None] | None = None
        self.starved: Callable[[str, bool], None] | None = None
        self._open: set[Connection] = set()
        self._free: list[Connection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._addresses = list(assignment.addresses)
        self._bound = min(assignment.connections, assignment.max_in_flight)
        self._most = assignment.max_in_flight
        self._timeout = assignment.timeout
        self._tolerance = tolerance
        self._tls = _tls_context() if assignment.target.tls else None
        self._name = assignment.target.host if assignment.target.tls else None
        self._class = HeadConnection if any(e.method == "HEAD" for e in assignment.endpoints) else Connection
        self._reached = False
        self._closing = False

    # ------------------------------------------------------------ arrivals

    def send(self, cell: Cell, intended: float, lag: float) -> None:
        """Send one arrival, or let it wait for a connection."""
        free = self._free
        if free:
            free.pop().transmit(cell, intended, lag)
        elif len(self._open) + len(self.pending) >= self._most:
            # An arrival that came too late by our own fault may have met others that were late with it.
            self.recorder.never_sent(cell, lag, "not sent: too many in flight", excused=lag > self._tolerance)
        else:
            self.pending.append((cell, intended, lag))
            self.replace()

    def idle(self, connection: Connection) -> None:
        """Give a connection its next arrival, or keep it."""
        if self.pending:
            cell, intended, lag = self.pending.popleft()
            connection.queue = clock() - intended - lag
            connection.transmit(cell, intended, lag)
        elif self.hungry is not None:
            self.hungry(connection)
        else:
            self._free.append(connection)

    def feed_all(self) -> None:
        """Start a closed loop on every connection that is there."""
        while self._free and self.hungry is not None:
            self.hungry(self._free.pop())

    def unfinished(self) -> Iterator[Unfinished]:
        """Every arrival that has been taken and is not settled."""
        yield from self.pending
        for connection in self._open:
            if connection.cell is not None:
                yield connection.cell, connection.intended, connection.lag

    @property
    def in_flight(self) -> int:
        """How many those are."""
        return len(self._open) - len(self._free) + len(self.pending)

    def sweep(self, now: float) -> None:
        """Time out what has waited too long.

        The time-out runs from the intended time. Before a request is given up our own lag is added to it, so that what
        we delayed can still show that it alone was not too slow.
        """
        pending = self.pending
        while pending and now - pending[0][1] - pending[0][2] >= self._timeout:
            cell, _, lag = pending.popleft()
            kind = "not sent: no free connection" if self._reached else self.trouble or "connect: timed out"
            self.recorder.never_sent(cell, lag, kind)
        for connection in [c for c in self._open if c.cell is not None]:
            if now - connection.intended - connection.lag >= self._timeout:
                connection.fail("timeout")
                connection.drop()
        self.replace()

    def excuse(self, since: float, now: float) -> None:
        """Our own process stood still from `since` to `now`: that is our lag, not the target's."""
        for connection in self._open:
            if connection.cell is not None:
                connection.lag += max(0.0, now - max(since, connection.intended + connection.lag))
        self.pending = deque((cell, at, lag + max(0.0, now - max(since, at + lag))) for cell, at, lag in self.pending)

    # ------------------------------------------------------------ connections

    async def warm(self, number: int, patience: float) -> int:
        """Open `number` connections before the start; returns how many there are after at most `patience` seconds."""
        for _ in range(min(number, self._bound)):
            self._connect()
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=patience)
        return len(self._open)

    def refill(self, number: int) -> None:
        """Open connections up to `number` in all."""
        for _ in range(min(number, self._bound) - len(self._open) - len(self._connecting)):
            self._connect()

    def replace(self) -> None:
        """Open as many connections as arrivals wait for, within the bound."""
        if self.pending:
            self.refill(len(self._open) + len(self.pending))

    def connected(self, connection: Connection) -> None:
        """A connection is there."""
        if self._closing:
            connection.drop()
            return
        self._reached = True
        self._open.add(connection)
        if self.pending or self.hungry is None:
            self.idle(connection)
        else:
            self.hungry(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone, or as good as gone."""
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    def _connect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._open_one())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open_one(self) -> None:
        failure: Exception | None = None
        for host, port in tuple(self._addresses):
            try:
                async with asyncio.timeout(self._timeout):
                    await asyncio.get_running_loop().create_connection(
                        lambda: self._class(self), host, port, ssl=self._tls, server_hostname=self._name
                    )
            except (TimeoutError, OSError) as error:
                failure = error
                if len(self._addresses) > 1 and self._addresses[0] == (host, port):
                    self._addresses.append(self._addresses.pop(0))
            else:
                return
        if failure is not None and not self._closing:
            self._refused(failure)

    def _refused(self, failure: Exception) -> None:
        resource = _EXHAUSTED.get(failure.errno or 0) if isinstance(failure, OSError) else None
        if resource is not None:
            self.exhausted.add(resource)
        self.trouble = f"connect: {_reason(failure)}"
        if self.pending:
            cell, _, lag = self.pending.popleft()
            self.recorder.never_sent(cell, lag, self.trouble, hindered=resource is not None)
        elif self.starved is not None:
            self.starved(self.trouble, resource is not None)

    def close(self, kind: str) -> None:
        """Close everything; what is still under way failed as `kind`, by our own decision."""
        self._closing = True
        self.hungry = self.starved = None
        while self.pending:
            cell, _, lag = self.pending.popleft()
            self.recorder.never_sent(cell, lag, kind, hindered=True, excused=True)
        now = clock()
        for connection in tuple(self._open):
            cell_under_way, connection.cell = connection.cell, None
            if cell_under_way is not None:
                self.recorder.settle(
                    cell_under_way, now - connection.intended, connection.lag, connection.queue, kind, 0.0
                )
            connection.drop()
        for task in tuple(self._connecting):
            task.cancel()


def _ends_with_connection(answer: bytes) -> bool:
    """Whether the last response in `answer` has a whole header, and nothing in it says where the body ends."""
    while True:
        head, end, answer = answer.partition(b"\r\n\r\n")
        if not end:
            return False
        if head[9:10] != b"1":  # a 1xx announces the response
            return _FRAMED.search(head) is None


def _reason(error: Exception) -> str:
    """A short, stable reason: kinds are counted, so nothing that varies may be in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
