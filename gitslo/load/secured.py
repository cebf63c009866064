"""Connections over TLS, as asyncio's transports are, on non-blocking sockets of their own. Called by `dial`.

The loop's own TLS copies every byte through two memory buffers and wakes up several objects for each read; here OpenSSL
reads and writes the socket itself.

Invariants
- OpenSSL reads no further than the record that it was asked for, so a socket that has more to say stays readable; what
  it has decrypted already is taken at once.
- `connection_lost` comes exactly once, after everything else, and never from within a call of the protocol.
- What could not be written is written next, in its order.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gitslo.load.addresses import Address

__all__ = ["SecuredTransport", "open_secured"]

_AT_ONCE = 65536
"""Bytes asked for; OpenSSL gives at most one record of 16 KiB."""
_HIGH, _LOW = 65536, 16384
"""Bytes waiting to be written at which the protocol is told to stop, and to go on."""


async def open_secured(
    make: Callable[[], asyncio.Protocol], address: Address, context: ssl.SSLContext, name: str
) -> asyncio.Protocol:
    """Connect, shake hands, and hand the connection to a protocol.

    Args:
        make: makes the protocol, once the other side has shown its certificate.
        address: numeric, or the path of a socket.
        context: whom to trust, and what to show.
        name: whom to expect, for SNI and for the certificate.

    Raises:
        OSError: no connection came about; ssl.SSLError where TLS was the reason.
    """
    loop = asyncio.get_running_loop()
    if isinstance(address, str):
        family, where = socket.AF_UNIX, address
    else:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        family, where = found[0][0], found[0][4]  # type: ignore[assignment]  # the socket takes what it finds
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        if family != socket.AF_UNIX:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(plain, where)
        secured = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        await _shake_hands(loop, secured)
    except BaseException:
        secured.close()
        raise
    protocol = make()
    SecuredTransport(loop, secured, protocol).start()
    return protocol


async def _shake_hands(loop: asyncio.AbstractEventLoop, secured: ssl.SSLSocket) -> None:
    number = secured.fileno()
    while True:
        ready: asyncio.Future[None] = loop.create_future()
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            watch, forget = loop.add_reader, loop.remove_reader
        except ssl.SSLWantWriteError:
            watch, forget = loop.add_writer, loop.remove_writer
        else:
            return
        watch(number, _done, ready)
        try:
            await ready
        finally:
            forget(number)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class SecuredTransport(asyncio.Transport):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, secured: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        """Take over a socket whose handshake is done."""
        super().__init__()
        self._loop = loop
        self._secured = secured
        self._number = secured.fileno()
        self._read = secured.read
        self._send = secured.write
        self._pending = secured.pending
        self._protocol = protocol
        self._waiting = bytearray()
        self._paused = self._closing = self._lost = False

    def start(self) -> None:
        """Begin to read."""
        self._protocol.connection_made(self)
        if not self._lost:
            self._loop.add_reader(self._number, self._readable)
            # The last flight of the handshake may have brought the first data with it.
            self._loop.call_soon(self._readable)

    # ------------------------------------------------------------ reading

    def _readable(self) -> None:
        if self._lost:
            return
        receive = self._protocol.data_received
        while True:
            try:
                data = self._read(_AT_ONCE)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(error)
                return
            if not data:
                self._lose(None)
                return
            receive(data)
            if self._lost or not self._pending():
                return

    # ------------------------------------------------------------ writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or as soon as the other side takes it."""
        if self._lost or self._closing:
            return
        if self._waiting:
            self._wait(data)
            return
        try:
            sent = self._send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        if sent < len(data):
            self._loop.add_writer(self._number, self._writable)
            self._wait(data[sent:])

    def _wait(self, data: bytes | bytearray | memoryview) -> None:
        self._waiting += data
        if not self._paused and len(self._waiting) > _HIGH:
            self._paused = True
            self._protocol.pause_writing()

    def _writable(self) -> None:
        try:
            sent = self._send(self._waiting)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._waiting[:sent]
        if self._paused and len(self._waiting) <= _LOW:
            self._paused = False
            self._protocol.resume_writing()
        if not self._waiting and not self._lost:
            self._loop.remove_writer(self._number)
            if self._closing:
                self._part()

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """Close once everything is written, and say so to the other side."""
        if not self._closing and not self._lost:
            self._closing = True
            if not self._waiting:
                self._part()

    def _part(self) -> None:
        # Sends `close_notify`, and does not wait for the other's.
        with suppress(OSError):
            self._secured.unwrap()
        self._lose(None)

    def abort(self) -> None:
        """Close at once."""
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._loop.remove_reader(self._number)
        self._loop.remove_writer(self._number)
        self._waiting.clear()
        self._secured.close()
        self._loop.call_soon(self._protocol.connection_lost, error)

    # ------------------------------------------------------------ what is asked of a transport

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object` and `socket`: the secured socket."""
        return self._secured if name in {"ssl_object", "socket"} else default
