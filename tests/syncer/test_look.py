"""One look of the syncer at a readiness probe."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from time import monotonic

from gitslo.model import Seconds
from gitslo.syncer.containers import HttpLook
from gitslo.syncer.look import look


def test_a_dripping_process_is_cut():
    """A process that sends a byte now and then holds its environment, and the syncer's end, no longer than a look."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b"X-Drip: 1\r\n")

        server = threading.Thread(target=drip)
        server.start()
        began = monotonic()
        try:
            said = look(HttpLook(80, "/readyz", (), Seconds(0.5)), listener.getsockname()[1])
            took = monotonic() - began
        finally:
            stop.set()
            server.join()

    assert ("GET /readyz: no answer in time", True) == (said, took < 3.0)
