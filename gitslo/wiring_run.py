"""What one attempt is made of: the clock, the readiness probes and the load engine.

The part of the composition root that `gitslo test` needs without a repository, and that the daemon shares with it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from gitslo.core.wildcard import matches
from gitslo.model import (
    Allowed,
    Ceilings,
    GrpcHealthReadiness,
    HttpReadiness,
    Instant,
    Readiness,
    Seconds,
    Target,
    TcpReadiness,
)
from gitslo.ports import Address, LoadEngine, Readied, ReadinessProbe

if TYPE_CHECKING:
    from gitslo.adapters.grpc_health import GrpcHealthProbe
    from gitslo.adapters.http_client import HttpReadinessProbe

__all__ = ["ProbeByKind", "SystemClock", "load_engine", "readiness_probe"]


class SystemClock:
    """The machine's two clocks."""

    def now(self) -> Instant:
        """The present instant."""
        return Instant(time.monotonic(), time.time())

    def sleep(self, seconds: Seconds) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)


def load_engine(ceilings: Ceilings, allowed: Allowed) -> LoadEngine:
    """The engine with worker processes, within the operator's bounds."""
    from gitslo.load.engine import ProcessLoadEngine  # noqa: PLC0415 - not needed to print a help page

    return ProcessLoadEngine(ceilings, lambda host: matches(allowed.targets, host))


def readiness_probe() -> ReadinessProbe:
    """All kinds of checks."""
    return ProbeByKind()


class ProbeByKind:
    """A `ReadinessProbe` that gives each check to the adapter for it, imported when the first one comes."""

    def __init__(self) -> None:
        self._http: HttpReadinessProbe | None = None
        self._grpc: GrpcHealthProbe | None = None

    def look(self, check: Readiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One look by the adapter for the kind of `check`."""
        match check:
            case HttpReadiness():
                if self._http is None:
                    from gitslo.adapters.http_client import HttpClient, HttpReadinessProbe  # noqa: PLC0415 - 0.1 s

                    self._http = HttpReadinessProbe(HttpClient())
                return self._http.look(check, target, address, timeout)
            case GrpcHealthReadiness():
                if self._grpc is None:
                    from gitslo.adapters.grpc_health import GrpcHealthProbe  # noqa: PLC0415 - 0.3 s

                    self._grpc = GrpcHealthProbe()
                return self._grpc.look(check, target, address, timeout)
            case TcpReadiness():
                from gitslo.adapters.tcp_readiness import TcpProbe  # noqa: PLC0415 - beside its siblings

                return TcpProbe().look(check, address, timeout)
            case _:
                assert_never(check)
