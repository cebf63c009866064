"""What a plan talks to: where it is, what it speaks, and by which names the operator's secrets are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Target", "TargetScheme", "TlsSettings", "TlsVersion"]


class TargetScheme(StrEnum):
    """What a target speaks."""

    HTTP = "http"
    GRPC = "grpc"
    TCP = "tcp"


class TlsVersion(StrEnum):
    """The oldest version of TLS that is good enough."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a TLS connection is made. Names are those of the operator's `certificates`.

    Attributes:
        ca: whose signature is trusted, instead of the system's authorities; empty: the system's.
        certificate: what we show of ourselves (mTLS); empty: nothing.
        server_name: what is asked for by SNI and looked for in the certificate; empty: the target's host.
        min_version: below it no connection is made.
        insecure: the target's certificate is not verified at all. Only where the operator allows it.
    """

    ca: str = ""
    certificate: str = ""
    server_name: str = ""
    min_version: TlsVersion = TlsVersion.TLS_1_2
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a plan talks to.

    Attributes:
        name: the plan's name for it.
        scheme: http, grpc or tcp.
        host: name or address as the plan gives it; the operator's allow-list is matched on this.
        port: 1 to 65535.
        tls: whether the connection is TLS.
        path: HTTP only: the base path, `` or starting with `/`, without a final `/`.
        http2: HTTP only: HTTP/2, by ALPN over TLS and by prior knowledge without; gRPC is always HTTP/2.
        settings: of TLS; without `tls` the defaults, and unused.
        auth: a name of the operator's `identities` that requests carry; empty: none.
        authority: what Host or `:authority` says instead of host and port; empty: those.
        resolve: (host, port) to connect to instead, which must be allowed, too; None: `host` and `port` themselves.
    """

    name: str
    scheme: TargetScheme
    host: str
    port: int
    tls: bool = False
    path: str = ""
    http2: bool = False
    settings: TlsSettings = TlsSettings()
    auth: str = ""
    authority: str = ""
    resolve: tuple[str, int] | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that the operator has to allow: the one that is named, and the one that is connected to."""
        return (self.host,) if self.resolve is None else (self.host, self.resolve[0])

    @property
    def multiplexed(self) -> bool:
        """Whether one connection carries many requests at the same time: HTTP/2, and so gRPC."""
        return self.http2 or self.scheme is TargetScheme.GRPC
