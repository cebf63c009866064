"""A real gRPC server (grpcio's) with all four kinds of methods, and what tests say of and to it.

What a call does is said by its message: `name` `fail NOT_FOUND` fails so, `slow` waits until the caller gives up,
`none` answers nothing. Everything else is answered with itself; `total` says how many messages came.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gitslo.adapters.proto_compiler import compile_proto

__all__ = ["MONEY", "SERVICE", "SHOP", "SOURCES", "GrpcServer", "grpc_server", "types"]

SERVICE = "acme.shop.v1.Shop"

SHOP = b"""syntax = "proto3";
package acme.shop.v1;

import "acme/money.proto";
import "google/protobuf/timestamp.proto";

enum Kind {
  KIND_UNSPECIFIED = 0;
  FRUIT = 1;
  BREAD = 2;
}

message Item {
  string name = 1;
  int32 count = 2;
  int64 total = 3;
  Kind kind = 4;
  repeated Item parts = 5;
  map<string, acme.Money> prices = 6;
  map<int32, string> shelves = 7;
  google.protobuf.Timestamp best_before = 8;
  oneof label {
    string text = 9;
    bytes image = 10;
  }
}

service Shop {
  rpc Buy(Item) returns (Item);
  rpc Watch(Item) returns (stream Item);
  rpc Collect(stream Item) returns (Item);
  rpc Chat(stream Item) returns (stream Item);
}
"""

MONEY = b"""syntax = "proto3";
package acme;

message Money {
  int64 cents = 1;
}
"""

SOURCES = (("acme/shop.proto", SHOP), ("acme/money.proto", MONEY))


@cache
def types() -> bytes:
    """The FileDescriptorSet of SOURCES."""
    return compile_proto(SOURCES)


@dataclass
class GrpcServer:
    """A running server.

    Attributes:
        seen: for each call its method, its metadata and how many messages came, in the order of their ends.
        health: what it says of itself.
    """

    port: int
    health: health.HealthServicer
    seen: list[tuple[str, dict[str, str | bytes], int]] = field(default_factory=list)
    messages: list[tuple[Any, ...]] = field(default_factory=list)


class _Shop:
    """The four methods, by their names in the `.proto`."""

    def __init__(self, server: GrpcServer, item: Any) -> None:
        self._server = server
        self._item = item
        self._lock = threading.Lock()

    def handlers(self) -> grpc.GenericRpcHandler:
        item = self._item
        how = {"request_deserializer": item.FromString, "response_serializer": item.SerializeToString}
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Buy": grpc.unary_unary_rpc_method_handler(self._buy, **how),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **how),
                "Collect": grpc.stream_unary_rpc_method_handler(self._collect, **how),
                "Chat": grpc.stream_stream_rpc_method_handler(self._chat, **how),
            },
        )

    def _buy(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note("Buy", context, (request,))
        self._obey(request, context)
        return self._answer(request, 1)

    def _watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._note("Watch", context, (request,))
        for index in range(request.count):
            yield self._answer(request, index + 1)
        self._obey(request, context)

    def _collect(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        came = tuple(requests)
        self._note("Collect", context, came)
        for request in came:
            self._obey(request, context)
        return self._answer(came[-1] if came else self._item(), len(came))

    def _chat(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        came = []
        for request in requests:
            came.append(request)
            self._obey(request, context)
            yield self._answer(request, len(came))
        self._note("Chat", context, tuple(came))

    def _note(self, name: str, context: grpc.ServicerContext, came: tuple[Any, ...]) -> None:
        metadata = dict(context.invocation_metadata())
        with self._lock:
            self._server.seen.append((name, metadata, len(came)))
            self._server.messages.append(came)
        echoed = [(key, value) for key, value in metadata.items() if key.startswith("x-")]
        if name != "Chat":
            context.send_initial_metadata(echoed)
        context.set_trailing_metadata(echoed)

    def _obey(self, request: Any, context: grpc.ServicerContext) -> None:
        order, _, rest = request.name.partition(" ")
        if order == "fail":
            code, _, detail = rest.partition(" ")
            context.abort(grpc.StatusCode[code], detail or "as told")
        if order == "slow":
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(60)
        if order == "gzip":
            context.set_compression(grpc.Compression.Gzip)

    def _answer(self, request: Any, total: int) -> Any:
        answer = self._item()
        answer.CopyFrom(request)
        answer.total = total
        return answer


@contextmanager
def grpc_server(
    *,
    reflect: tuple[str, ...] = ("v1", "v1alpha"),
    credentials: grpc.ServerCredentials | None = None,
    options: tuple[tuple[str, int], ...] = (),
) -> Iterator[GrpcServer]:
    """A server in threads of this process.

    Args:
        reflect: versions of reflection that it offers.
        credentials: of TLS.
        options: channel arguments, e.g. `grpc.max_connection_age_ms`.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(types()).file:
        pool.Add(file)
    item = message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.shop.v1.Item"))
    threads = ThreadPoolExecutor(16)
    server = grpc.server(threads, options=[("grpc.so_reuseport", 0), *options])
    running = GrpcServer(0, health.HealthServicer())
    health_pb2_grpc.add_HealthServicer_to_server(running.health, server)
    server.add_generic_rpc_handlers((_Shop(running, item).handlers(),))
    servicer = reflection.ReflectionServicer((SERVICE,), pool=pool)
    for version in reflect:
        server.add_generic_rpc_handlers((_reflection(version, servicer),))
    where = "127.0.0.1:0"
    if credentials is None:
        running.port = server.add_insecure_port(where)
    else:
        running.port = server.add_secure_port(where, credentials)
    server.start()
    try:
        yield running
    finally:
        server.stop(None).wait()
        threads.shutdown()


def _reflection(version: str, servicer: Any) -> grpc.GenericRpcHandler:
    from grpc_reflection.v1alpha import reflection_pb2

    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    name = f"grpc.reflection.{version}.ServerReflection"
    return grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})


SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
