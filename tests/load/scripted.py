"""An HTTP/2 server (the `h2` library's) that answers each request with what a test says, however wrong that is."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from h2.exceptions import ProtocolError

from tests.load.listening import listening

__all__ = ["plain", "scripted"]

Answer = Callable[[H2Connection, int], None]


@contextmanager
def scripted(answer: Answer) -> Iterator[int]:
    """Its port. `answer` is called with the connection and the stream of each request that has come whole."""

    def talk(connection: socket.socket, _: int) -> None:
        session = H2Connection(
            H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        session.initiate_connection()
        connection.sendall(session.data_to_send())
        while data := connection.recv(65536):
            with suppress(ProtocolError):
                for event in session.receive_data(data):
                    if isinstance(event, StreamEnded):
                        answer(session, event.stream_id)
            connection.sendall(session.data_to_send())

    with listening(talk) as port:
        yield port


@contextmanager
def plain(said: bytes) -> Iterator[int]:
    """The port of a server that says the same to everybody who says something, and hangs up."""

    def talk(connection: socket.socket, _: int) -> None:
        if connection.recv(65536):
            connection.sendall(said)

    with listening(talk) as port:
        yield port
