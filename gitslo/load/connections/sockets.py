"""The sockets of one worker, looked at together, and connections on them as asyncio's transports are.

Called by `worker.dial`.

The loop's own transports cost an object and a callback for each read, and write at the end of a turn of the loop. Here
one epoll holds all sockets and is itself one descriptor of the loop: the loop wakes once for whatever is ready, every
ready socket is read in turn, and what is written is with the kernel when `write` returns.

Invariants
- `connection_lost` comes exactly once, after everything else, and never from within a call of the protocol.
- What could not be written is written next, in its order.
- A descriptor is forgotten before it is closed, so that nobody is called for another's socket.
- However much there is to read, the loop has its turn after LONGEST, and as soon as `due` has come: time-outs, reports
  and releases are its.
"""

from __future__ import annotations

import asyncio
import math
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from gitslo.load.connections.addresses import Address

__all__ = ["Readiness", "SocketTransport", "connected", "open_plain"]

LONGEST = 0.002
"""Seconds."""
_AT_ONCE = 65536
"""Bytes asked for."""
_SOCKETS = 32
"""Looked at before the time is looked at: about 0.2 ms."""
_SEVERAL = 2
_HIGH, _LOW = 65536, 16384
"""Bytes waiting to be written at which the protocol is told to stop, and to go on."""
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT

clock = time.monotonic


class Readiness:
    """Which sockets can be read, and who is to be called for it.

    Attributes:
        due: the moment (monotonic seconds) from which on something else waits for its turn.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Become one of the loop's readers.

        Raises:
            OSError: no descriptor is left.
        """
        self.due = math.inf
        self._epoll = select.epoll()
        self._poll = self._epoll.poll
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._loop = loop
        self._attended = False
        self.attend(True)

    def attend(self, wake: bool) -> None:
        """Whether the loop wakes up for what is ready; else somebody else calls `look`, often."""
        if wake and not self._attended:
            self._loop.add_reader(self._epoll.fileno(), self.look)
        elif self._attended and not wake:
            self._loop.remove_reader(self._epoll.fileno())
        self._attended = wake

    def watch(self, number: int, readable: Callable[[], None]) -> None:
        """Call `readable` while the socket `number` has something to say, its end included."""
        self._readers[number] = readable
        self._epoll.register(number, _IN)

    def await_room(self, number: int, writable: Callable[[], None] | None) -> None:
        """Call `writable` while a watched socket takes more; None: no longer."""
        if writable is not None:
            self._writers[number] = writable
            self._epoll.modify(number, _IN | _OUT)
        elif self._writers.pop(number, None) is not None:
            self._epoll.modify(number, _IN)

    def forget(self, number: int) -> None:
        """Nobody is called for this socket any more."""
        self._writers.pop(number, None)
        if self._readers.pop(number, None) is not None:
            self._epoll.unregister(number)

    def look(self) -> None:
        """Call whoever has something to read, until nobody has, or the loop is due."""
        poll, reader, usual = self._poll, self._readers.get, _IN
        until = min(self.due, clock() + LONGEST)
        while True:
            found = poll(0, _SOCKETS)
            for number, events in found:
                readable = reader(number)
                if events != usual:
                    self._odd(number, events, readable)
                elif readable is not None:
                    readable()
            # One or none: it is not worth a call of the system to ask for more.
            if len(found) < _SEVERAL or clock() > until:
                return

    def _odd(self, number: int, events: int, readable: Callable[[], None] | None) -> None:
        """A socket takes more, or has come to its end, which reading it will tell."""
        if events & ~_OUT and readable is not None:
            readable()
        writable = self._writers.get(number)
        if events & _OUT and writable is not None:
            writable()

    def close(self) -> None:
        """Look no more."""
        self.attend(False)
        self._epoll.close()


async def connected(address: Address) -> socket.socket:
    """A non-blocking socket that is connected.

    Args:
        address: numeric, or the path of a socket.

    Raises:
        OSError: no connection came about.
    """
    if isinstance(address, str):
        family, where = socket.AF_UNIX, address
    else:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        family, where = found[0][0], found[0][4]  # type: ignore[assignment]  # the socket takes what it finds
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made


async def open_plain(make: Callable[[], asyncio.Protocol], address: Address, ready: Readiness) -> asyncio.Protocol:
    """Connect, and hand the connection to a protocol; see `connected`."""
    plain = await connected(address)
    protocol = make()
    SocketTransport(ready, plain, protocol).start()
    return protocol


class SocketTransport(asyncio.Transport):
    """One connection.

    `_late` is true while something waits to be written, and from the moment on that nothing may be written any more.

    Attributes:
        not_now: what the socket raises where it has nothing to say, or takes no more.
    """

    not_now: tuple[type[OSError], ...] = (BlockingIOError,)

    def __init__(self, ready: Readiness, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        """Take over a connected socket."""
        super().__init__()
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._number = sock.fileno()
        self._read: Callable[[int], bytes] = sock.recv
        self._send: Callable[[bytes | bytearray | memoryview], int] = sock.send
        self._protocol = protocol
        self._waiting = bytearray()
        self._paused = self._closing = self._lost = False
        self._late = False

    def start(self) -> None:
        """Begin to read."""
        self._protocol.connection_made(self)
        if not self._lost:
            self._ready.watch(self._number, self._readable)

    # ------------------------------------------------------------ reading

    def _readable(self) -> None:
        try:
            data = self._read(_AT_ONCE)
        except self.not_now:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._lose(None)

    # ------------------------------------------------------------ writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or as soon as the other side takes it."""
        if self._late:
            if not self._closing:
                self._wait(data)
            return
        try:
            sent = self._send(data)
        except self.not_now:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        if sent < len(data):
            self._late = True
            self._ready.await_room(self._number, self._writable)
            self._wait(data[sent:])

    def _wait(self, data: bytes | bytearray | memoryview) -> None:
        self._waiting += data
        if not self._paused and len(self._waiting) > _HIGH:
            self._paused = True
            self._protocol.pause_writing()

    def _writable(self) -> None:
        try:
            sent = self._send(self._waiting)
        except self.not_now:
            return
        except OSError as error:
            self._lose(error)
            return
        del self._waiting[:sent]
        if self._paused and len(self._waiting) <= _LOW:
            self._paused = False
            self._protocol.resume_writing()
        if not self._waiting and not self._lost:
            self._ready.await_room(self._number, None)
            if self._closing:
                self._part()
            else:
                self._late = False

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """Close once everything is written."""
        if not self._closing:
            self._closing = self._late = True
            if not self._waiting:
                self._part()

    def _part(self) -> None:
        """Everything is written, and nothing more will be."""
        self._lose(None)

    def abort(self) -> None:
        """Close at once."""
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = self._late = True
        self._ready.forget(self._number)
        self._waiting.clear()
        self._socket.close()
        self._loop.call_soon(self._protocol.connection_lost, error)

    # ------------------------------------------------------------ what is asked of a transport

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`socket`: the socket."""
        return self._socket if name == "socket" else default
