"""All connections of one worker, and the arrivals that wait for one. It knows no protocol.

The worker hands arrivals to `Pool.send`. One that finds no free slot waits, first come first served, and starts one
more connection where the bound allows. A connection offers one slot or many (HTTP/2: its streams), and stands in the
stack of free slots once for each that is free: taking one is a `pop` whatever the protocol.

Invariants
- Every arrival that `send` took is settled exactly once: answered, failed, timed out, or never sent. One that a server
  says it never processed goes back to the front with its own intended time.
- A failed attempt to connect costs one waiting arrival, so a target that refuses is asked at the rate of the load.
- Connections are opened to the addresses in `Addresses` and to nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from gitslo.load.connections.addresses import Address, Addresses
from gitslo.load.record.recorder import Cell, Recorder, Unfinished

__all__ = ["Carrier", "Pool", "reason"]

_EXHAUSTED = {
    errno.EMFILE: "file descriptors",
    errno.ENFILE: "file descriptors of the machine",
    errno.EADDRNOTAVAIL: "ephemeral ports",
    errno.ENOBUFS: "socket buffers",
}

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL says of an answer that is no record of TLS."""

clock = time.monotonic


class Carrier(Protocol):
    """One connection as the pool sees it; a protocol's file has the real one."""

    @property
    def busy(self) -> int:
        """How many arrivals are under way on it."""

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send one arrival now, in a slot that the pool took."""

    def unfinished(self) -> Iterable[Unfinished]:
        """The arrivals under way."""

    def expire(self, now: float, timeout: float) -> None:
        """Settle as timed out what is under way for `timeout` seconds since its intended time and our own lag."""

    def excuse(self, since: float, now: float) -> None:
        """Our own process stood still from `since` to `now`: add that to the lag of what is under way."""

    def abandon(self, kind: str) -> None:
        """Settle everything under way as failed by our own decision, then drop."""

    def leave(self) -> None:
        """Take nothing new; close once nothing is under way."""

    def drop(self) -> None:
        """Close, at once and for good."""


class Pool:
    """See above.

    Attributes:
        good: status -> 1 where it counts as good.
        sources: what is sent, per endpoint.
        received, sent: bytes; `sent` without those that constant requests' cells count themselves.
        pending: (cell, intended, lag) in the order of dispatch.
        free: connections, once per free slot; always the same list. Nothing waits while something is in it.
        exhausted: what this machine ran out of.
        trouble: the last reason why a connection could not be opened.
        hungry: what an idle connection calls to be fed in a closed loop, with the time (monotonic); or None.
        starved: what a failed attempt to connect calls where no arrival waits, or None.
    """

    def __init__(
        self,
        recorder: Recorder,
        addresses: Addresses,
        open_to: Callable[[Pool, Address], Awaitable[None]],
        sources: Sequence[Any],
        *,
        good: bytes,
        connections: int,
        streams: int,
        max_in_flight: int,
        timeout: float,
        connect_timeout: float,
        age: float | None,
        tolerance: float,
    ) -> None:
        """Bind what never changes.

        Args:
            recorder: counts what becomes of arrivals.
            addresses: where connections may go.
            open_to: begins one connection of the section's protocol.
            sources: see the attributes.
            good: see the attributes.
            connections: the most that are ever open at once.
            streams: arrivals that one connection carries at the same time, as far as we know before it is open.
            max_in_flight: arrivals under way or waiting, at most.
            timeout: seconds from the intended time.
            connect_timeout: seconds for one connection, TLS included.
            age: seconds after which a connection takes nothing new; None: never.
            tolerance: seconds of our own lag beyond which an arrival that finds no room is excused.
        """
        self.recorder = recorder
        self.good = good
        self.sources = sources
        self.received = 0
        self.sent = 0
        self.pending: deque[Unfinished] = deque()
        self.exhausted: set[str] = set()
        self.trouble = ""
        self.hungry: Callable[[Carrier, float], None] | None = None
        self.starved: Callable[[str, bool], None] | None = None
        self._open: dict[Carrier, float] = {}
        self.free: list[Carrier] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._addresses = addresses
        self._open_to = open_to
        self._bound = min(connections, max_in_flight)
        self._streams = streams
        self._most = max_in_flight
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._age = age
        self._tolerance = tolerance
        self._reached = False
        self._closing = False

    # ------------------------------------------------------------ arrivals

    def send(self, cell: Cell, intended: float, lag: float) -> None:
        """Send one arrival, or let it wait for a slot."""
        free = self.free
        if free:
            free.pop().transmit(cell, intended, lag)
        elif self._full():
            # An arrival that came too late by our own fault may have met others that were late with it.
            self.recorder.never_sent(cell, lag, "not sent: too many in flight", excused=lag > self._tolerance)
        else:
            self.pending.append((cell, intended, lag))
            if len(self._open) + len(self._connecting) < self._bound:
                self.replace()

    def _full(self) -> bool:
        # Without a free slot the sum is exact for HTTP/1.1, and an upper bound for HTTP/2, whose connections are few.
        at_most = len(self._open) * self._streams + len(self.pending)
        return at_most >= self._most and (self._streams == 1 or self.in_flight >= self._most)

    def again(self, cell: Cell, intended: float, lag: float) -> None:
        """The server said that it never processed this arrival: it is the next one to be sent."""
        if self.free:
            self.free.pop().transmit(cell, intended, lag, max(0.0, clock() - intended - lag))
        else:
            self.pending.appendleft((cell, intended, lag))
            self.replace()

    def idle(self, connection: Carrier) -> None:
        """One more slot of a connection is free: give it the next arrival, or keep it."""
        if self.pending:
            cell, intended, lag = self.pending.popleft()
            connection.transmit(cell, intended, lag, max(0.0, clock() - intended - lag))
        elif self.hungry is not None:
            self.hungry(connection, clock())
        else:
            self.free.append(connection)

    def feed_all(self) -> None:
        """Start a closed loop on every slot that is there."""
        free = self.free.copy()
        self.free.clear()
        for connection in free:
            self.idle(connection)

    def unfinished(self) -> Iterator[Unfinished]:
        """Every arrival that has been taken and is not settled."""
        yield from self.pending
        for connection in self._open:
            yield from connection.unfinished()

    @property
    def in_flight(self) -> int:
        """How many those are."""
        return sum([connection.busy for connection in self._open]) + len(self.pending)

    def sweep(self, now: float) -> None:
        """Time out what has waited too long, and part with connections that are too old.

        The time-out runs from the intended time. Before a request is given up our own lag is added to it, so that what
        we delayed can still show that it alone was not too slow.
        """
        pending = self.pending
        while pending and now - pending[0][1] - pending[0][2] >= self._timeout:
            cell, _, lag = pending.popleft()
            kind = "not sent: no free connection" if self._reached else self.trouble or "connect: timed out"
            self.recorder.never_sent(cell, lag, kind)
        for connection, since in tuple(self._open.items()):
            if connection.busy:
                connection.expire(now, self._timeout)
            if self._age is not None and now - since >= self._age:
                self.retire(connection)
                connection.leave()
        self._addresses.refresh(now)
        self.replace()

    def excuse(self, since: float, now: float) -> None:
        """Our own process stood still from `since` to `now`: that is our lag, not the target's."""
        for connection in self._open:
            connection.excuse(since, now)
        self.pending = deque((cell, at, lag + max(0.0, now - max(since, at + lag))) for cell, at, lag in self.pending)

    # ------------------------------------------------------------ what connections say

    def connected(self, connection: Carrier, slots: int) -> None:
        """A connection is there, and carries `slots` arrivals at the same time."""
        if self._closing:
            connection.drop()
            return
        self._reached = True
        self._open[connection] = clock()
        for _ in range(slots):
            self.idle(connection)

    def withdraw(self, connection: Carrier, number: int) -> None:
        """`number` of a connection's free slots are gone."""
        for _ in range(number):
            if connection in self.free:
                self.free.remove(connection)

    def retire(self, connection: Carrier) -> None:
        """A connection takes nothing new; what is under way on it goes on."""
        if connection in self.free:
            self.free[:] = [other for other in self.free if other is not connection]

    def forget(self, connection: Carrier) -> None:
        """A connection is gone, or as good as gone."""
        self._open.pop(connection, None)
        self.retire(connection)

    # ------------------------------------------------------------ opening and closing

    async def warm(self, number: int, patience: float) -> int:
        """Open `number` connections before the start; returns how many there are after at most `patience` seconds."""
        self.refill(number)
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=patience)
        return len(self._open)

    def refill(self, number: int) -> None:
        """Open connections up to `number` in all."""
        for _ in range(min(number, self._bound) - len(self._open) - len(self._connecting)):
            task = asyncio.get_running_loop().create_task(self._open_one())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def replace(self) -> None:
        """Open as many connections as arrivals wait for, within the bound; all of them in a closed loop."""
        if self.pending:
            self.refill(len(self._open) + -(-len(self.pending) // self._streams))
        elif self.hungry is not None:
            self.refill(self._bound)

    async def _open_one(self) -> None:
        failure: Exception | None = None
        for address in self._addresses.order():
            try:
                async with asyncio.timeout(self._connect_timeout):
                    await self._open_to(self, address)
            except (TimeoutError, OSError) as error:
                failure = error
                self._addresses.failed(address)
            else:
                return
        if failure is not None and not self._closing:
            self._refused(failure)

    def _refused(self, failure: Exception) -> None:
        resource = _EXHAUSTED.get(failure.errno or 0) if isinstance(failure, OSError) else None
        if resource is not None:
            self.exhausted.add(resource)
        self.trouble = f"connect: {reason(failure)}"
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
        for connection in tuple(self._open):
            connection.abandon(kind)
        for task in tuple(self._connecting):
            task.cancel()


def reason(error: Exception) -> str:
    """A short, stable reason: kinds are counted, so nothing that varies may be in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return "TLS: the server speaks no TLS"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'failed').replace('_', ' ').lower()}"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) if isinstance(error, OSError) and error.args else type(error).__name__
