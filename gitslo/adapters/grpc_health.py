"""gRPC readiness: `grpc.health.v1.Health/Check` answers SERVING. The one file that imports grpcio."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gitslo.core.escape import plain, short
from gitslo.model import GrpcHealthReadiness, Seconds, Target
from gitslo.ports import Address, Readied

__all__ = ["GrpcHealthProbe"]

_REASON = 200
_ANSWER_CAP = 64 * 1024


class GrpcHealthProbe:
    """Part of a `ports.ReadinessProbe`: the checks by the gRPC health protocol."""

    def look(self, check: GrpcHealthReadiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One call on a connection of its own; TLS is verified against the target's host."""
        with closing(_channel(target, address)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(service=check.service), timeout=timeout)
            except grpc.RpcError as error:
                detail = short(plain(error.details() or ""), _REASON)
                return Readied(ready=False, reason=f"gRPC status {error.code().name}: {detail}".rstrip(": "))
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return Readied(ready=True)
        return Readied(ready=False, reason=health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _channel(target: Target, address: Address) -> grpc.Channel:
    host, port = address
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.default_authority", f"{target.host}:{target.port}"),
        ("grpc.max_receive_message_length", _ANSWER_CAP),
        # Without it a channel of the same address is reused, with the back-off of the look before.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if not target.tls:
        return grpc.insecure_channel(where, options=options)
    options.append(("grpc.ssl_target_name_override", target.host))
    return grpc.secure_channel(where, grpc.ssl_channel_credentials(_roots()), options=options)


def _roots() -> bytes | None:
    """The authorities that HTTP trusts here, too; None, the library's own, where they are not one file."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file is not None else None
