"""Connections over TLS on the sockets of `sockets`. Called by `worker.dial`.

The loop's own TLS copies every byte through two memory buffers and wakes up several objects for each read; here OpenSSL
reads and writes the socket itself.

Invariant: OpenSSL reads no further than the record that it was asked for, so a socket that has more to say stays
readable; what it has decrypted already is taken at once.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gitslo.load.connections.addresses import Address
from gitslo.load.connections.sockets import Readiness, SocketTransport, connected

__all__ = ["SecuredTransport", "open_secured"]


async def open_secured(
    make: Callable[[], asyncio.Protocol], address: Address, context: ssl.SSLContext, name: str, ready: Readiness
) -> asyncio.Protocol:
    """Connect, shake hands, and hand the connection to a protocol.

    Args:
        make: makes the protocol, once the other side has shown its certificate.
        address: numeric, or the path of a socket.
        context: whom to trust, and what to show.
        name: whom to expect, for SNI and for the certificate.
        ready: the worker's.

    Raises:
        OSError: no connection came about; ssl.SSLError where TLS was the reason.
    """
    plain = await connected(address)
    try:
        secured = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        await _shake_hands(secured)
    except BaseException:
        secured.close()
        raise
    protocol = make()
    SecuredTransport(ready, secured, protocol).start()
    return protocol


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
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


class SecuredTransport(SocketTransport):
    """One connection."""

    not_now = (ssl.SSLWantReadError, ssl.SSLWantWriteError)

    def __init__(self, ready: Readiness, secured: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        """Take over a socket whose handshake is done."""
        super().__init__(ready, secured, protocol)
        self._secured = secured
        self._read = secured.read
        self._send = secured.write
        self._pending = secured.pending

    def start(self) -> None:
        """Begin to read."""
        super().start()
        # The last flight of the handshake may have brought the first data with it.
        self._loop.call_soon(self._readable)

    def _readable(self) -> None:
        while not self._lost:
            super()._readable()
            if self._lost or not self._pending():
                return

    def _part(self) -> None:
        # Sends `close_notify`, and does not wait for the other's.
        with suppress(OSError):
            self._secured.unwrap()
        self._lose(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object` and `socket`: the secured socket."""
        return self._secured if name == "ssl_object" else super().get_extra_info(name, default)
