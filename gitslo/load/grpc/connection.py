"""gRPC connections for load, on HTTP/2's: calls that are constant bytes, answers that are told by their status.

Messages that come are not looked into, only whether one came where one is due. `full` has what looks at more.

Invariants
- An answer is complete, and its latency ends, with its trailers, however many messages came before.
- A call is judged by the status of its last header block; where that says none, by its HTTP status.
- A call has two ends in time: the section's time-out from its intended time, and its own deadline from its sending.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from typing import Any

from gitslo.load.connections.pool import Pool
from gitslo.load.grpc.calls import CallSource, Message
from gitslo.load.grpc.status import DEADLINE_EXCEEDED, STATUSES, ended, said, status
from gitslo.load.http2 import frames
from gitslo.load.http2.connection import Connection as Http2Connection
from gitslo.load.http2.control import FRAME_SIZE
from gitslo.load.http2.frames import DATA, END_HEADERS, HEADERS, LARGEST_WINDOW, LEAST_MAX_FRAME, PADDED, PRIORITY_FLAG
from gitslo.load.http2.headers import Broken
from gitslo.load.http2.session import CANCEL, Head
from gitslo.load.record.recorder import EXAMPLE, NEVER, Cell

__all__ = ["PREFIX_LENGTH", "Connection", "Token"]

PREFIX_LENGTH = 5
"""Bytes before a message: whether it is compressed, and its length."""
_LARGE = -1
_LESSONS = 100
"""Where messages differ in their lengths there is nothing to learn: a connection tries as often."""
_SIMPLE = END_HEADERS | PADDED | PRIORITY_FLAG
_PACK = frames.STREAM_ID.pack

clock = time.monotonic

Token = tuple[Any, ...]
"""(cell, intended, lag, queue), and what `full` puts behind."""


class _Usual:
    """An answer whose bytes others repeat, but for the stream's number and what the message holds.

    Attributes:
        struct: its pieces, between which the stream's number stands.
        length: bytes of data.
        lead, middle, tail, trailers: what all such answers have in common.
        first, last: what its two header blocks say.
    """

    __slots__ = ("first", "last", "lead", "length", "middle", "struct", "tail", "trailers")

    def __init__(self, data: bytes, at: tuple[int, int, int, int], first: Head, last: Head) -> None:
        """Cut one at its head's block, the end of that, its trailers' block, and the end of that."""
        head, middle, trailers, end = at
        self.length = trailers - 9 - (middle + 9)
        self.lead, self.middle = data[head - 9 : head - 4], data[head : middle + 5]
        self.tail, self.trailers = data[trailers - 9 : trailers - 4], data[trailers:end]
        self.struct = struct.Struct(f">5sI{len(self.middle)}sI{self.length}s5sI{len(self.trailers)}s")
        self.first, self.last = first, last


class Connection(Http2Connection):
    """Constant calls. `transmit` and `on_end` are paid per call."""

    def __init__(self, pool: Pool, scheme: str, calls: Sequence[CallSource], streams: int) -> None:
        """Bind what never changes.

        Args:
            pool: whose it is.
            scheme: of the target.
            calls: the section's, as the pool has them.
            streams: calls at the same time, at most.
        """
        self.calls = calls
        self.prepared: list[tuple[Message, bytes, bytes, int, bytes] | None] = []
        self.total = 0
        self.usual: _Usual | None = None
        self.lessons = _LESSONS
        self.hasty = any(call.deadline < pool.recorder.timeout for call in calls)
        self.least = [PREFIX_LENGTH if call.single else 0 for call in calls]
        self.wanted = [call.good[0] for call in calls]
        super().__init__(pool, scheme, "", streams)

    # ------------------------------------------------------------ calls

    def transmit(self, cell: Cell, intended: float, lag: float, queue: float = 0.0) -> None:
        """Send `cell`'s call now."""
        endpoint = cell.endpoint
        ready = self.prepared[endpoint]
        if ready is None or ready[0] is not self.calls[endpoint].content or not -1 < ready[3] <= self.window:
            self._transmit_slowly((cell, intended, lag, queue), self.calls[endpoint].content)
            return
        _, lead, block, size, body = ready
        stream = self.next_stream
        self.next_stream = stream + 2
        self.live[stream] = (cell, intended, lag, queue)
        number = _PACK(stream)
        self.window -= size
        self.put(lead + number + block + number + body)

    def _transmit_slowly(self, token: Token, content: Message) -> None:
        """Like `transmit`, where the call has not become a constant yet, or has to wait for a window."""
        endpoint = token[0].endpoint
        ready = self.prepared[endpoint]
        body = content.body or b""
        if ready is not None and ready[0] is content and ready[3] == _LARGE:
            self.request(ready[2], token, body)
            return
        block, constant = self.writer.steady(content.fields)
        self.request(block, token, body)
        if constant:
            self.prepared[endpoint] = self._constant(content, block, body)

    def _constant(self, content: Message, block: bytes, body: bytes) -> tuple[Message, bytes, bytes, int, bytes]:
        """The call as pieces between which its stream's number stands."""
        if len(block) > self.max_frame or len(body) > min(self.max_frame, self.initial_window):
            return content, b"", block, _LARGE, b""
        header = frames.header_frames(0, block, self.max_frame, end=False)
        data = frames.data_frames(0, body, self.max_frame, end=True)
        return content, header[:5], header[9:] + data[:5], len(body), data[9:]

    # ------------------------------------------------------------ what is received

    def _walk(self, data: bytes) -> int:  # noqa: C901, PLR0912, PLR0915 - in one piece: a call would be paid per frame
        """`Session._walk` for the usual answer: a head, data, and trailers that say that all went well.

        Everything else goes to the methods that the session's own walk uses.
        """
        unpack = frames.FRAME_HEADER.unpack_from
        live, begun, got, kept = self.live, self.begun, self._got, self._reader.kept
        share = self._share
        position, size = 0, len(data)
        taken = 0
        whole = (0, 0, 0, 0)
        while size - position >= 9:  # noqa: PLR2004 - HEADER_LENGTH, written out: this is paid per frame
            usual = self.usual
            if usual is not None and data.startswith(usual.lead, position):
                before = position
                position = self._usual_ones(usual, data, position)
                if position != before:
                    taken += (position - before) // usual.struct.size * usual.length
                    continue
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
                if not flags & 1:
                    if head.final and stream in live and stream not in begun:
                        begun[stream] = head
                        whole = (stream, start, position, 0)
                    else:
                        self._head(stream, head, 0)
                    continue
                first = begun.get(stream)
                if first is None or head.note != 0 or head.status or first.length >= 0:
                    self._head(stream, head, 1)
                    continue
                del begun[stream]
                token = live.pop(stream)
                self.total = got.pop(stream, 0)
                if self._sending:
                    self._stop_sending(stream)
                self.on_end(stream, token, first, head)
                if whole[0] == stream and whole[3] == start - 9 and self.lessons:
                    self._learn(data, whole[1], whole[2], start, position)
            elif kind == DATA and not self._partial_stream:
                taken += length
                total = got.get(stream, 0) + length
                if not flags & (PADDED | 1) and stream in begun and total < share:
                    got[stream] = total
                    if whole[0] == stream:
                        whole = (stream, whole[1], whole[2], position if whole[2] == start - 9 else 0)
                elif stream in begun and not flags & PADDED:
                    self._data(stream, begun[stream], data[start:position], flags & 1)
                else:
                    self._odd_data(stream, flags, data[start:position])
            else:
                self._other(kind, flags, stream, data[start:position])
        if taken:
            self._taken += taken
            if self._taken >= share and not self.over:
                self.put(frames.window_update(0, self._taken))
                self._taken = 0
        return position

    def _usual_ones(self, usual: _Usual, data: bytes, position: int) -> int:
        """Take answers that are just like the usual one; returns where the first other one begins."""
        unpack, length, size = usual.struct.unpack_from, usual.length, usual.struct.size
        lead, middle, tail, trailers = usual.lead, usual.middle, usual.tail, usual.trailers
        live, begun, sending, pool = self.live, self.begun, self._sending, self.pool
        wanted, least, now = self.wanted, self.least, self.now
        last = len(data) - size
        while position <= last:
            one, stream, two, second, _, three, third, four = unpack(data, position)
            if stream != second or stream != third or one != lead or two != middle or three != tail or four != trailers:
                break
            token = live.get(stream)
            if token is None or stream in begun or self._partial_stream:
                break
            del live[stream]
            position += size
            if sending:
                self._stop_sending(stream)
            cell, intended, lag, queue = token
            endpoint = cell.endpoint
            response = now - intended
            if response <= cell.brisk and wanted[endpoint] and length >= least[endpoint]:
                if queue or lag:
                    cell.add(response, lag, queue)
                else:
                    cell.add_prompt(response)
                if self.leaving or self.resting or self.granted > self.slots:
                    self.free()
                elif pool.pending or pool.hungry is None:
                    pool.idle(self)
                else:
                    pool.hungry(self, clock())
            else:
                self.total = length
                self.on_end(stream, token, usual.first, usual.last)
            if self.usual is not usual or self.over:
                break
        return position

    def _learn(self, data: bytes, head: int, middle: int, trailers: int, end: int) -> None:
        """This answer came in one piece: the next ones may be just like it."""
        kept = self._reader.kept
        first, last = kept.get(data[head:middle]), kept.get(data[trailers:end])
        if first is not None and last is not None:  # else they stand for something else next time
            self.lessons -= 1
            self.usual = _Usual(data, (head, middle, trailers, end), first, last)

    # ------------------------------------------------------------ what the session says

    def note(self, head: Head) -> object:
        """The status that it says, None for none. From now on blocks may stand for something else: nothing is usual."""
        self.usual = None
        return status(head.fields)

    def on_change(self) -> None:
        """Make all calls anew."""
        self.prepared = [None] * len(self.calls)

    def bodiless(self, token: Token) -> bool:
        """No call is."""
        del token
        return False

    def _whole(self, stream: int, head: Head, more: int) -> bool:
        """Note how much came."""
        self.total = self._got.get(stream, 0) + more
        return super()._whole(stream, head, more)

    def on_end(self, stream: int, token: Token, head: Head, trailers: Head | None) -> None:  # noqa: ARG002 - a hook
        """Record the answer, and let the slot be used again."""
        cell, intended, lag, queue = token
        response = self.now - intended
        if (
            trailers is not None
            and trailers.note == 0
            and self.wanted[cell.endpoint]
            and self.total >= self.least[cell.endpoint]
            and response <= cell.brisk
        ):
            cell.add(response, lag, queue)
        else:
            self._settle(token, head, trailers)
        if self.leaving or self.resting or self.granted > self.slots:
            self.free()
        else:
            self.pool.idle(self)

    def _settle(self, token: Token, head: Head, trailers: Head | None) -> None:
        """An answer that is not the usual one."""
        last = head if trailers is None else trailers
        code = ended(head.status, last.note)  # type: ignore[arg-type]  # `note` made it
        if not code and self.least[token[0].endpoint] > (0 if trailers is None else self.total):
            self.fail(token, "protocol error: no message", self.now)
        else:
            self._judge(token, code, said(head.status, last.fields, last.note))  # type: ignore[arg-type]  # as above

    def _judge(self, token: Token, code: int, example: bytes) -> None:
        """Count a call that ended with a status."""
        cell, intended, lag, queue = token[:4]
        response = self.now - intended
        if self.calls[cell.endpoint].good[code]:
            self.recorder.settle(cell, response, lag, queue, "", None)
            return
        kind, own = f"grpc {STATUSES[code]}", NEVER
        if code == DEADLINE_EXCEEDED:
            # The server's clock runs from what it saw of us: our own lag can be the reason why that was late.
            own = response - lag
            kind = "timeout" if response - lag >= self.recorder.timeout else kind
        self.recorder.settle(cell, response, lag, queue, kind, own, example[:EXAMPLE])

    def on_lost(self, stream: int, token: Token, kind: str, code: int, *, again: bool) -> None:
        """A reset; servers also say so that the deadline has passed."""
        if code == CANCEL and not again and self._late(token, self.now):
            self._judge(token, DEADLINE_EXCEEDED, b"the server reset the stream after the deadline")
            self.free()
        else:
            super().on_lost(stream, token, kind, code, again=again)

    # ------------------------------------------------------------ deadlines

    def _late(self, token: Token, now: float) -> bool:
        """Whether the call's own deadline, which runs from its sending, has passed."""
        cell, intended, lag, queue = token[:4]
        return bool(now - intended - lag - queue >= self.calls[cell.endpoint].deadline)

    def expire(self, now: float, timeout: float) -> None:
        """Give up what takes too long: beyond the time-out, and beyond a deadline that the server does not keep."""
        super().expire(now, timeout)
        if self.hasty:
            self.now = now
            for stream, token in tuple(self.live.items()):
                if stream in self.live and self._late(token, now):
                    self.cancel(stream)
                    self._judge(token, DEADLINE_EXCEEDED, b"the server did not answer within the deadline")
                    self.free()
