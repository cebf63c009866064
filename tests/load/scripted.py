"""An HTTP/2 server (the `h2` library's) that answers each request with what a test says, however wrong that is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from h2.exceptions import ProtocolError

__all__ = ["plain", "scripted"]

Answer = Callable[[H2Connection, int], None]


@contextmanager
def scripted(answer: Answer) -> Iterator[int]:
    """Its port. `answer` is called with the connection and the stream of each request that has come whole."""

    def talk(connection: socket.socket) -> None:
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

    with _listening(talk) as port:
        yield port


@contextmanager
def plain(said: bytes) -> Iterator[int]:
    """The port of a server that says the same to everybody who says something, and hangs up."""

    def talk(connection: socket.socket) -> None:
        if connection.recv(65536):
            connection.sendall(said)

    with _listening(talk) as port:
        yield port


@contextmanager
def _listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    taken: list[socket.socket] = []
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                thread = threading.Thread(target=serve, args=(connection,))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for connection in taken:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
