"""One look at a readiness probe of a manifest, on loopback.

Called by `instance`. Over after its time-out, reads a bounded answer, follows no redirect.
"""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from typing import assert_never

from gitslo.model import Seconds
from gitslo.syncer.containers import HttpLook, Look, TcpLook

__all__ = ["LONGEST_LOOK", "look"]

LONGEST_LOOK = Seconds(1.0)
"""Seconds; a longer `timeoutSeconds` is cut to this, so that the syncer stays quick to stop."""


def look(check: Look, port: int) -> str:
    """Why it is not ready; empty when it is.

    Args:
        check: the probe.
        port: the loopback port that stands for the probe's containerPort.
    """
    timeout = min(check.timeout, LONGEST_LOOK)
    match check:
        case HttpLook(path=path, headers=headers):
            return _http(path, headers, port, timeout)
        case TcpLook():
            try:
                socket.create_connection(("127.0.0.1", port), timeout).close()
            except OSError as error:
                return f"TCP: {_said(error)}"
            return ""
        case _:
            assert_never(check)


def _http(path: str, headers: tuple[tuple[str, str], ...], port: int, timeout: float) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    over = threading.Event()
    cut: threading.Timer | None = None
    try:
        connection.connect()
        # The library's time-out is per read: a process that sends a byte now and then would hold its environment.
        cut = threading.Timer(timeout, _cut, (connection.sock, over))
        cut.daemon = True
        cut.start()
        connection.request("GET", path, headers=dict(headers))
        with connection.getresponse() as response:
            status = response.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"GET {path}: {'no answer in time' if over.is_set() else _said(error)}"
    finally:
        if cut is not None:
            cut.cancel()
        connection.close()
    if over.is_set():
        return f"GET {path}: no answer in time"
    return "" if http.client.OK <= status < http.client.BAD_REQUEST else f"GET {path}: status {status}"


def _cut(connected: socket.socket, over: threading.Event) -> None:
    over.set()
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
