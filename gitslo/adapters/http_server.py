"""The daemon's own endpoints: `/healthz`, `/readyz`, `/metrics`. Built by the wiring for `serve`.

What must stay true: nobody can hold it up. A connection carries one request and lives ten seconds at most (slow
headers, a slow reader), their number is bounded, bodies are refused, and nothing that is asked here has an effect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gitslo.errors import Fatal
from gitslo.model import Seconds
from gitslo.ports import Address

__all__ = ["HealthServer", "parse_listen"]

_LIFETIME = Seconds(10.0)
"""Seconds a connection lives."""

_CONNECTIONS = 64
"""Connections at a time; further ones are cut at once."""

_HEADER_CAP = 16 * 1024
_LARGEST_PORT = 65535


def parse_listen(listen: str) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080`; the host must be an address, so that no name service decides who is served.

    Raises:
        Fatal: it is something else.
    """
    host, separator, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        ipaddress.ip_address(host)
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not separator or not 0 <= number <= _LARGEST_PORT:
        message = f"listen: expected ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080, not {listen!r}"
        raise Fatal(message)
    return host, number


class HealthServer:
    """Serves from its own thread from construction until `stop`.

    Attributes:
        address: where it really listens; the port is set where 0 was asked for.
    """

    def __init__(
        self,
        listen: str,
        ready: Callable[[], tuple[bool, str]],
        metrics: Callable[[], bytes],
        lifetime: Seconds = _LIFETIME,
    ) -> None:
        """Bind and serve.

        Args:
            listen: `ADDRESS:PORT`, see `parse_listen`; port 0 for any free one.
            ready: whether the daemon can do its work, and one line saying why (not); called per request, must not
                block for long, from several threads.
            metrics: the Prometheus text exposition; called like `ready`.
            lifetime: seconds after which a connection is cut, whatever it is doing.

        Raises:
            Fatal: `listen` is malformed or cannot be bound.
        """
        host, port = parse_listen(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            message = f"listen: cannot bind {listen}: {error.strerror}"
            raise Fatal(message) from None
        bound = self._socket.getsockname()
        self.address: Address = (str(bound[0]), int(bound[1]))
        self._server = uvicorn.Server(
            uvicorn.Config(
                _NoBodies(_application(ready, metrics)),
                http=type("Deadline", (_MortalProtocol,), {"lifetime": lifetime}),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("Connection", "close"), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")],
                h11_max_incomplete_event_size=_HEADER_CAP,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="health-server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to ask, e.g. `http://127.0.0.1:8080`."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Close the socket, let requests under way end (a second at most), and end the thread; twice equals once."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _MortalProtocol(H11Protocol):
    """uvicorn has no deadline for headers or for reading a response; one for the connection covers both."""

    lifetime: Seconds = _LIFETIME

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base does
        super().connection_made(transport)
        self._end = self.loop.call_later(self.lifetime, transport.abort)
        if len(self.connections) > _CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


class _NoBodies:
    """Refuses requests that bring a body, before anything reads it."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or length.lstrip(b"0"):
            await PlainTextResponse("no body is read here\n", status_code=413)(scope, receive, send)
            return
        await self._inner(scope, receive, send)


def _application(ready: Callable[[], tuple[bool, str]], metrics: Callable[[], bytes]) -> Starlette:
    def healthz(request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        del request
        is_ready, why = ready()
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=200 if is_ready else 503)

    def exposition(request: Request) -> Response:
        del request
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)])
