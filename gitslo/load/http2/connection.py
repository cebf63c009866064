"""HTTP/2 connections for load: one Protocol object each, no tasks and no futures per request, many streams.

`Connection` is the fast path: constant requests, judged by their status. `full` has what looks at more.

A token of the session is (cell, intended, lag, queue), and possibly more behind.

Invariants
- The pool has a connection once it has been greeted, so a server that speaks no HTTP/2 costs an attempt to connect.
- granted = requests under way + slots that the pool has + slots at rest; it comes down to `slots` as soon as it can.
- What a server says it never processed is sent again, but not at the speed of the network: a slot that was refused
  rests, and a connection that says goodbye before it answered anything has failed what it was given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from gitslo.load.connections.pool import Pool, reason
from gitslo.load.http2 import frames
from gitslo.load.http2.session import FOREIGN, Field, Head, Session
from gitslo.load.record.recorder import EXAMPLE, NEVER, Cell, Unfinished
from gitslo.load.requests.content import WITH_BODY, Content

__all__ = ["Connection", "Exchange", "fields", "shown"]

Exchange = tuple[Any, ...]
"""(cell, intended, lag, queue, ...): a plain tuple, since one is made per request."""

_PAUSE = 0.01
_LINGER = 1.0
_LARGE = -1
_PACK = frames.STREAM_ID.pack

clock = time.monotonic


class Connection(Session[Exchange], asyncio.Protocol):
    """One connection. `data_received`, `on_end` and `transmit` are paid per answer."""

    def __init__(self, pool: Pool, scheme: str, authority: str, streams: int) -> None:
        """Bind what never changes.

        Args:
            pool: whose it is.
            scheme, authority: the pseudo-headers that do not depend on the request.
            streams: requests at the same time, at most.
        """
        self.pool = pool
        self.recorder = pool.recorder
        self.sources = pool.sources
        self.good = pool.sources[0].good
        self.streams = streams
        self.slots = self.granted = self.resting = 0
        self.now = 0.0
        self.ready: list[tuple[Content, bytes, bytes, int, bytes] | None] = []
        self.parted = self.fruitless = False
        self._common = ((b":scheme", scheme.encode()), (b":authority", authority.encode()))
        self._greeting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        super().__init__()
        self._collect = self.put
        self.on_change()

    # ------------------------------------------------------------ transport

    async def greeting(self) -> None:
        """Return once the server has said that it speaks HTTP/2, and the pool has the connection.

        Raises:
            OSError: it says something else, or nothing and hangs up.
        """
        try:
            await self._greeting
        except asyncio.CancelledError:
            self.drop()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface, if the server chose HTTP/2."""
        self.transport = transport
        self._write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]  # a stream's has it
        secured = transport.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            self._greeting.set_exception(OSError(FOREIGN))
            self.drop()
            return
        self.start()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was under way has failed."""
        self.pool.forget(self)
        self.over = True
        if not self._greeting.done():
            self._greeting.set_exception(exc if isinstance(exc, OSError) else OSError("closed without an answer"))
        now = clock()
        for stream, token in tuple(self.live.items()):
            if exc is not None:
                kind = "reset" if isinstance(exc, ConnectionError) else f"connection: {reason(exc)}"
            elif self.goaway:
                kind = "goaway"
            else:
                kind = "answer cut short" if stream in self.begun else "closed without an answer"
            self.fail(token, kind, now)
        self.live.clear()
        self.pool.replace()

    def pause_writing(self) -> None:
        """The server does not read."""
        self.stuck = True

    def resume_writing(self) -> None:
        """It does again."""
        self.stuck = False

    def data_received(self, data: bytes) -> None:
        """Take what came; everything that is sent because of it is written at once."""
        self.now = clock()
        self.pool.received += len(data)
        self.put = self._collect
        self.receive(data)
        if self.out:
            self._flush()
        else:
            self.put = self._write_now
        if self.parted:
            self._part()

    def _flush(self) -> None:
        """Write what was collected; from now on everything is written as it comes."""
        data = b"".join(self.out)
        self.out.clear()
        self.put = self._write_now
        self._write_now(data)

    def _write_now(self, data: bytes) -> None:
        self.pool.sent += len(data)
        self._write(data)

    # ------------------------------------------------------------ requests

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s request now."""
        ready = self.ready[cell.endpoint]
        if ready is None or ready[0] is not self.sources[cell.endpoint].content or not -1 < ready[3] <= self.window:
            self._transmit_anew((cell, intended, lag, queue))
            return
        stream = self.next_stream
        self.next_stream = stream + 2
        self.live[stream] = (cell, intended, lag, queue)
        _, lead, block, size, body = ready
        number = _PACK(stream)
        if size:
            self.window -= size
            self.put(lead + number + block + number + body)
        else:
            self.put(lead + number + block)

    def _transmit_anew(self, token: Exchange) -> None:
        """Like `transmit`, where the request has not become a constant yet, or its body has to wait for a window."""
        endpoint = token[0].endpoint
        content = self.sources[endpoint].content
        ready = self.ready[endpoint]
        if ready is not None and ready[0] is content and ready[3] == _LARGE:
            self.request(ready[2], token, content.body)
            return
        block, constant = self.writer.steady(fields(content, self._common))
        self.request(block, token, content.body)
        if constant:
            self.ready[endpoint] = self._prepared(content, block)

    def _prepared(self, content: Content, block: bytes) -> tuple[Content, bytes, bytes, int, bytes]:
        """The request as pieces between which its stream's number stands."""
        body = content.body
        if len(block) > self.max_frame or len(body) > min(self.max_frame, self.initial_window):
            return content, b"", block, _LARGE, b""
        whole = frames.header_frames(0, block, self.max_frame, end=not body)
        if not body:
            return content, whole[:5], whole[9:], 0, b""
        data = frames.data_frames(0, body, self.max_frame, end=True)
        return content, whole[:5], whole[9:] + data[:5], len(body), data[9:]

    # ------------------------------------------------------------ what the session says

    def note(self, head: Head) -> object:
        """Whether the status is good."""
        return self.good[head.status]

    def on_change(self) -> None:
        """Make all requests anew."""
        self.ready = [None] * len(self.sources)

    def on_limit(self) -> None:
        """Give the pool as many slots as the server allows."""
        self.slots = min(self.streams, self.limit)
        if not self._greeting.done():
            self._greeting.set_result(None)
            self.granted = self.slots
            self.pool.connected(self, self.slots)
            return
        while self.granted > self.slots:
            if self.resting:
                self.resting -= 1
            elif self.granted > len(self.live):
                self.pool.withdraw(self, 1)
            else:
                return  # the others go as their requests end
            self.granted -= 1
        while self.granted < self.slots and not self.leaving:
            self.granted += 1
            self.pool.idle(self)

    def on_leaving(self) -> None:
        """Take nothing new."""
        # Streams have been opened for every request that was given to us: more than are under way, if one has ended.
        self.fruitless = self.next_stream // 2 <= len(self.live)
        self.pool.retire(self)
        if not self.live:
            self.parted = True

    def on_end(self, stream: int, token: Exchange, head: Head, trailers: Head | None) -> None:  # noqa: ARG002 - a hook
        """Record the answer, and let the slot be used again."""
        cell, intended, lag, queue = token
        response = self.now - intended
        if response <= cell.brisk and head.note:
            cell.add(response, lag, queue)
        elif head.note:
            self.recorder.settle(cell, response, lag, queue, "", None)
        else:
            self.recorder.settle(cell, response, lag, queue, f"status {head.status}", NEVER, shown(head))
        if self.leaving or self.resting or self.granted > self.slots:
            self.free()
        else:
            self.pool.idle(self)

    def on_lost(self, stream: int, token: Exchange, kind: str, code: int, *, again: bool) -> None:  # noqa: ARG002 - as above
        """Record the failure, or let the arrival be sent again."""
        if again and not (self.leaving and self.fruitless):
            self._let_rest()
            self.pool.again(*token[:3])
        else:
            self.fail(token, kind, self.now)
            self.free()

    def on_broken(self, kind: str) -> None:
        """Everything under way has failed."""
        self.pool.forget(self)
        if not self._greeting.done():
            self._greeting.set_exception(OSError(kind))
        for token in self.live.values():
            self.fail(token, kind, self.now)
        self.live.clear()
        self.parted = True

    def bodiless(self, token: Exchange) -> bool:
        """Whether it was a HEAD."""
        return bool(self.sources[token[0].endpoint].content.method == "HEAD")

    def fail(self, token: Exchange, kind: str, now: float, example: bytes = b"") -> None:
        """Settle a request as failed."""
        cell, intended, lag, queue = token[:4]
        self.recorder.settle(cell, now - intended, lag, queue, kind, NEVER, example)

    # ------------------------------------------------------------ slots

    def free(self) -> None:
        """A request has ended, one way or another."""
        if self.leaving:
            self.granted -= 1
            if not self.live:
                self.parted = True
        elif self.granted > self.slots:
            self.granted -= 1
        else:
            if self.resting:
                self.resting -= 1
                self.pool.idle(self)
            self.pool.idle(self)

    def _let_rest(self) -> None:
        """A request was refused: its slot is not used again before another one's request has ended, or a while."""
        if self.leaving:
            self.free()
        elif self.granted > self.slots:
            self.granted -= 1
        else:
            self.resting += 1
            asyncio.get_running_loop().call_later(_PAUSE * self.resting, self._rested)

    def _rested(self) -> None:
        if self.resting and not self.over and not self.leaving:
            self.resting -= 1
            self.pool.idle(self)

    # ------------------------------------------------------------ as the pool sees it

    @property
    def busy(self) -> int:
        """How many requests are under way."""
        return len(self.live)

    def unfinished(self) -> Iterable[Unfinished]:
        """The requests under way."""
        return [token[:3] for token in self.live.values()]

    def expire(self, now: float, timeout: float) -> None:
        """Give up what takes too long; the server is told, and the connection stays."""
        for stream, token in tuple(self.live.items()):
            if now - token[1] - token[2] >= timeout and stream in self.live:
                self.cancel(stream)
                self.fail(token, "timeout", now)
                self.free()
        self.tire()
        if self.parted:
            self._part()

    def excuse(self, since: float, now: float) -> None:
        """We stood still from `since` to `now`."""
        for stream, (cell, intended, lag, *more) in self.live.items():
            self.live[stream] = (cell, intended, lag + max(0.0, now - max(since, intended + lag)), *more)

    def abandon(self, kind: str) -> None:
        """Settle the requests under way by our own decision."""
        now = clock()
        for cell, intended, lag, queue, *_ in self.live.values():
            self.recorder.settle(cell, now - intended, lag, queue, kind, 0.0)
        self.drop()

    def leave(self) -> None:
        """Take nothing new."""
        if not self.leaving:
            self.leaving = True
            self.on_leaving()
            self.fruitless = False
            if self.parted:
                self._part()

    def drop(self) -> None:
        """Close, at once and for good."""
        self.pool.forget(self)
        self.live.clear()
        self.over = True
        if not self._greeting.done():
            self._greeting.cancel()
        self.transport.abort()  # type: ignore[attr-defined]  # a stream's transport has it

    def _part(self) -> None:
        """Close once the last word is said, whether or not the peer listens."""
        self.parted = False
        self.pool.forget(self)
        self.end_session()
        self.transport.close()
        asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)  # type: ignore[attr-defined]  # as above


def fields(content: Content, common: tuple[Field, ...]) -> list[Field]:
    """A request's header fields as HTTP/2 has them: pseudo-headers first, names in lower case."""
    made = [(b":method", content.method.encode()), *common, (b":path", content.path.encode())]
    made += [(name.lower().encode(), value.strip().encode("latin-1")) for name, value in content.headers]
    if content.body or content.method in WITH_BODY:
        made.append((b"content-length", b"%d" % len(content.body)))
    return made


def shown(head: Head, body: bytes = b"") -> bytes:
    """An answer as an example shows it."""
    lines = [b"HTTP/2 %d" % head.status, *(b"%s: %s" % field for field in head.fields if field[0][:1] != b":")]
    return (b"\r\n".join([*lines, b"", b""]) + body)[:EXAMPLE]
