"""gRPC for everything that is no load: readiness by the health protocol, and a server's types by reflection.

The one file that imports grpcio. What must stay true:

* Every exchange has one deadline, and answers are cut off at a cap: the target is nobody's friend.
* TLS is verified against the target's name, by the plan's authority where it names one and by the system's otherwise.
* Proxies of the environment are not used; nothing is kept between two exchanges.

Reflection's messages are those of v1 and of v1alpha alike, byte for byte; they are so small that they are written and
read here without types (`core.protowire`).
"""

from __future__ import annotations

import queue
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gitslo.core.escape import plain, short
from gitslo.core.protowire import fields, text_field
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import GrpcHealthReadiness, Seconds, Target
from gitslo.ports import Address, Authorization, Readied, TargetAccess, TlsMaterial

__all__ = ["REFLECTION_TIMEOUT", "GrpcHealthProbe", "reflect"]

REFLECTION_TIMEOUT = Seconds(10.0)
_REASON = 200
_HEALTH = "grpc.health.v1.Health"
_HEALTH_CAP = 64 * 1024
_TYPES_CAP = 16 * 1024 * 1024
"""Bytes of all types that a server may give us."""
_MOST_FILES = 2000
_VERSIONS = ("v1", "v1alpha")
_NOT_FOUND = 5

# Fields of ServerReflectionRequest, ServerReflectionResponse, FileDescriptorResponse, ErrorResponse,
# FileDescriptorProto and FileDescriptorSet.
_BY_FILENAME, _CONTAINING_SYMBOL = 3, 4
_FILES_ANSWER, _ERROR_ANSWER = 4, 7
_FILE_BYTES, _ERROR_CODE, _ERROR_MESSAGE = 1, 1, 2
_FILE_NAME, _FILE_DEPENDENCY = 1, 3
_SET_FILE = 1


class GrpcHealthProbe:
    """Part of a `ports.ReadinessProbe`: the checks by the gRPC health protocol."""

    def __init__(self, access: TargetAccess | None = None) -> None:
        """Bind where certificates and identities come from; None: there are none."""
        self._access = access

    def look(self, check: GrpcHealthReadiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One call on a connection of its own; TLS is verified against the target's host.

        Raises:
            Refused, Retry: as `ports.TargetAccess`. What the operator does not give is no fault of the target's.
        """
        material = TlsMaterial() if self._access is None else self._access.tls(target)
        known = None if self._access is None else self._access.authorize(target)
        metadata = [("authorization", known.value)] if known is not None else []
        with closing(_channel(target, address, material, _HEALTH_CAP)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=check.service)
            try:
                answer = stub.Check(request, timeout=timeout, metadata=metadata)
            except grpc.RpcError as error:
                return Readied(ready=False, reason=_said(error))
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return Readied(ready=True)
        return Readied(ready=False, reason=health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def reflect(
    target: Target,
    address: Address,
    service: str,
    tls: TlsMaterial,
    timeout: Seconds = REFLECTION_TIMEOUT,
    authorization: Authorization | None = None,
) -> bytes:
    """The types of a service as its server tells them: a serialised FileDescriptorSet with every file they need.

    The health protocol's types are known here and are not asked for.

    Args:
        target: for the authority and TLS.
        address: where to connect to.
        service: with its package.
        tls: the target's material.
        timeout: seconds for the whole exchange, both versions tried.
        authorization: what the target's identity is worth, or None.

    Raises:
        Refused: the server knows no such service, or the plan's TLS cannot be used for this.
        Retry: it does not answer, does not offer reflection, or tells more than anybody needs.
    """
    if service == _HEALTH:
        return text_field(_SET_FILE, health_pb2.DESCRIPTOR.serialized_pb)
    with closing(_channel(target, address, tls, _TYPES_CAP)) as channel:
        for version in _VERSIONS:
            with closing(_Reflection(channel, version, target.host, timeout, authorization)) as asked:
                try:
                    return _whole(asked, service)
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                        raise Retry(f"the types of `{service}` were asked for by reflection: {_said(error)}") from error
                except ValueError as error:
                    raise Retry(f"the types of `{service}`: reflection answered with {error}") from error
    raise Retry(
        f"{target.host} offers no reflection (neither v1 nor v1alpha), so the types of `{service}` are not known"
    )


class _Reflection:
    """One stream of questions and answers."""

    def __init__(
        self, channel: grpc.Channel, version: str, host: str, timeout: float, known: Authorization | None
    ) -> None:
        call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        self._questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._host = text_field(1, host)
        metadata = [("authorization", known.value)] if known is not None else []
        self._answers = call(iter(self._questions.get, None), timeout=timeout, metadata=metadata)

    def ask(self, field: int, value: str) -> list[bytes]:
        """The files that answer one question, each a serialised FileDescriptorProto.

        Raises:
            Refused: there is no such thing.
            ValueError: the answer is none.
            grpc.RpcError: no answer.
        """
        self._questions.put(self._host + text_field(field, value))
        answer = next(self._answers, None)
        if answer is None:
            raise ValueError("nothing")
        for number, content in fields(answer):
            if number == _ERROR_ANSWER and isinstance(content, bytes):
                error = dict(fields(content))
                said = error.get(_ERROR_MESSAGE, b"")
                detail = short(plain(said.decode(errors="replace")), _REASON) if isinstance(said, bytes) else ""
                if error.get(_ERROR_CODE) == _NOT_FOUND:
                    raise Refused(Problem(f"the server knows no `{plain(value)}`" + (f": {detail}" if detail else "")))
                raise ValueError(f"the error {error.get(_ERROR_CODE, 0)!r}" + (f": {detail}" if detail else ""))
            if number == _FILES_ANSWER and isinstance(content, bytes):
                return [file for inner, file in fields(content) if inner == _FILE_BYTES and isinstance(file, bytes)]
        raise ValueError("neither files nor an error")

    def close(self) -> None:
        """Hang up."""
        self._questions.put(None)
        self._answers.cancel()


def _whole(asked: _Reflection, service: str) -> bytes:
    """The file of a service and all that it imports, however few of them the server sends at a time."""
    found: dict[str, bytes] = {}
    missing: list[str] = []
    size = 0
    files = asked.ask(_CONTAINING_SYMBOL, service)
    while True:
        for file in files:
            name, *dependencies = _names(file)
            if name not in found:
                size += len(file)
                found[name] = file
                missing += dependencies
        if size > _TYPES_CAP or len(found) > _MOST_FILES:
            raise ValueError(f"more than {_TYPES_CAP >> 20} MiB or {_MOST_FILES} files of types")
        while missing and missing[-1] in found:
            missing.pop()
        if not missing:
            return b"".join(text_field(_SET_FILE, file) for file in found.values())
        wanted = missing.pop()
        files = asked.ask(_BY_FILENAME, wanted)
        if wanted not in {next(_names(file)) for file in files}:
            raise ValueError(f"other files than `{plain(wanted)}`")


def _names(file: bytes) -> Iterator[str]:
    """A file's own name, then those of the files that it imports."""
    read = list(fields(file))
    yield next((_text(value) for number, value in read if number == _FILE_NAME), "")
    yield from (_text(value) for number, value in read if number == _FILE_DEPENDENCY)


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise ValueError("a number where a text belongs")  # noqa: TRY004 - the message is wrong, not the program
    return value.decode()


def _said(error: grpc.RpcError) -> str:
    detail = short(plain(error.details() or ""), _REASON)
    return f"gRPC status {error.code().name}: {detail}".rstrip(": ")


def _channel(target: Target, address: Address, tls: TlsMaterial, cap: int) -> grpc.Channel:
    host, port = address
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = (target.settings.server_name if target.tls else "") or target.host
    authority = f"[{name}]:{target.port}" if ":" in name else f"{name}:{target.port}"
    options = [
        ("grpc.enable_http_proxy", 0),
        # Over TLS grpcio wants it to be what the certificate says.
        ("grpc.default_authority", authority if target.tls else target.authority or authority),
        ("grpc.max_receive_message_length", cap),
        # Without it a channel of the same address is reused, with the back-off of the look before.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if not target.tls:
        return grpc.insecure_channel(where, options=options)
    if target.settings.insecure:
        hint = "name the certificate's authority as `tls.ca`, or give the types as files"
        raise Refused(Problem("reflection needs a connection whose certificate is verified", hint=hint))
    options.append(("grpc.ssl_target_name_override", name))
    credentials = grpc.ssl_channel_credentials(tls.ca or _roots(), tls.key or None, tls.certificate or None)
    return grpc.secure_channel(where, credentials, options=options)


def _roots() -> bytes | None:
    """The authorities that HTTP trusts here, too; None, the library's own, where they are not one file."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file is not None else None
