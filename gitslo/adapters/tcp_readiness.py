"""TCP readiness: a connection is accepted. What is spoken on it afterwards is not asked."""

from __future__ import annotations

import socket

from gitslo.model import Seconds, TcpReadiness
from gitslo.ports import Address, Readied

__all__ = ["TcpProbe"]


class TcpProbe:
    """Part of a `ports.ReadinessProbe`: the checks over TCP."""

    def look(self, check: TcpReadiness, address: Address, timeout: Seconds) -> Readied:
        """Connect, and close at once."""
        try:
            with socket.create_connection(address, timeout):
                return Readied(ready=True)
        except UnicodeError:
            return Readied(ready=False, reason=f"{address[0]!r} is no host name")
        except OSError as error:
            reason = error.strerror or "no connection in time"
            return Readied(ready=False, reason=f"no connection to `{check.target}` on port {address[1]}: {reason}")
