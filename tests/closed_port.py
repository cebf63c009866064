"""A port of this machine at which nobody listens, and nobody else will while a test connects to it.

A port that was merely free a moment ago may be another test's server by then, which answers something else.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["closed_port"]


@contextmanager
def closed_port() -> Iterator[int]:
    """Bound and not listening until the end: every connection to it on 127.0.0.1 is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
