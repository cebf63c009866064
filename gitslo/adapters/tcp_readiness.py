"""TCP readiness: a connection is accepted. What is spoken on it afterwards is not asked."""

from __future__ import annotations

import socket
import time

from gitslo.model import Seconds, TcpReadiness
from gitslo.ports import Address, Readied

__all__ = ["TcpProbe"]


class TcpProbe:
    """Part of a `ports.ReadinessProbe`: the checks over TCP."""

    def look(self, check: TcpReadiness, address: Address, timeout: Seconds) -> Readied:
        """Connect, and close at once; a name's addresses are tried one after the other, all within `timeout`."""
        deadline = time.monotonic() + timeout
        error: OSError = TimeoutError()
        try:
            for family, kind, protocol, _, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                try:
                    with socket.socket(family, kind, protocol) as connection:
                        connection.settimeout(left)
                        connection.connect(where)
                        return Readied(ready=True)
                except OSError as refused:
                    error = refused
        except UnicodeError:
            return Readied(ready=False, reason=f"{address[0]!r} is no host name")
        except OSError as unknown:
            error = unknown
        reason = error.strerror or "no connection in time"
        return Readied(ready=False, reason=f"no connection to `{check.target}` on port {address[1]}: {reason}")
