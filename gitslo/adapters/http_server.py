"""The daemon's own endpoints, built by the wiring for `serve`: health, metrics, `/api/v1/...`, and `/webhooks/NAME`.

What must stay true: nobody can hold it up. A connection carries one request and lives ten seconds at most (slow
headers, a slow reader), and their number is bounded. Bodies are refused, but for webhooks: there they have a cap that
is looked at before anything else of them, a deadline of their own, and only so many are read at a time. Nothing that
is asked here has an effect; a webhook's is at most that a repository is looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gitslo.errors import Fatal
from gitslo.model import Seconds
from gitslo.ports import Address, Ask, ServedReply, ServedRequest, WebhookDesk

__all__ = ["HealthServer", "parse_listen"]

_LIFETIME = Seconds(10.0)
"""Seconds a connection lives."""

_CONNECTIONS = 64
"""Connections at a time; for each further one the oldest is cut, so that those who wait for nothing keep nobody out."""

_HEADER_CAP = 16 * 1024
_API = "/api/"
_ASKING = 8
"""Questions to the API that are answered at a time; further ones wait, within their connection's life."""
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_WEBHOOKS = "/webhooks/"
_BODY_CAP = 1024 * 1024
"""Bytes of a delivery."""
_BODY_LIFETIME = Seconds(5.0)
"""Seconds in which a delivery's body has to be there."""
_DELIVERIES = 16
"""Deliveries that are read at a time: what they may take of memory is that many caps."""
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
        *,
        ask: Ask | None = None,
        webhooks: WebhookDesk | None = None,
        body_lifetime: Seconds = _BODY_LIFETIME,
    ) -> None:
        """Bind and serve.

        Args:
            listen: `ADDRESS:PORT`, see `parse_listen`; port 0 for any free one.
            ready: whether the daemon can do its work, and one line saying why (not); called per request, must not
                block for long, from several threads.
            metrics: the Prometheus text exposition; called like `ready`.
            lifetime: seconds after which a connection is cut, whatever it is doing.
            ask: answers what is asked below `/api/`; None: nothing is there.
            webhooks: takes what is posted below `/webhooks/`; None: nothing is there.
            body_lifetime: seconds in which a delivery's body has to be there.

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
                _Entrance(_application(ready, metrics, ask), webhooks, body_lifetime),
                http=type("Deadline", (_MortalProtocol,), {"lifetime": lifetime, "alive": {}}),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",  # a warning for every request that is no HTTP would let strangers fill the log
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
    """uvicorn has no deadline for headers or for reading a response; one for the connection covers both.

    Attributes:
        alive: those of one server, oldest first.
    """

    lifetime: Seconds = _LIFETIME
    alive: ClassVar[dict[_MortalProtocol, None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base does
        super().connection_made(transport)
        self._end = self.loop.call_later(self.lifetime, transport.abort)
        self.alive[self] = None
        if len(self.alive) > _CONNECTIONS:
            oldest = next(iter(self.alive))
            del self.alive[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        self.alive.pop(self, None)
        super().connection_lost(exc)


class _Entrance:
    """Lets in what has no body; a body is read for webhooks only, whatever else is asked for is refused before it."""

    def __init__(self, inner: ASGIApp, webhooks: WebhookDesk | None, lifetime: Seconds) -> None:
        self._inner = inner
        self._desk = webhooks
        self._lifetime = lifetime
        self._deliveries = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = Headers(scope=scope), str(scope.get("path", ""))
        length = headers.get("content-length", "0")
        has_body = "transfer-encoding" in headers or length.lstrip("0") != ""
        if self._desk is not None and path.startswith(_WEBHOOKS):
            answer = await self._delivery(self._desk, scope["method"], path, headers, receive)
        elif has_body:
            answer = PlainTextResponse("no body is read here\n", status_code=413)
        else:
            await self._inner(scope, receive, send)
            return
        if answer is not None:
            await answer(scope, receive, send)

    async def _delivery(
        self, desk: WebhookDesk, method: str, path: str, headers: Headers, receive: Receive
    ) -> Response | None:
        """The answer to a delivery; None where nobody waits for it any more."""
        name = path.removeprefix(_WEBHOOKS)
        if not desk.takes(name):
            return PlainTextResponse("there is no webhook of this name\n", status_code=404)
        if method != "POST":
            return PlainTextResponse("a delivery is a POST\n", status_code=405, headers={"Allow": "POST"})
        length = headers.get("content-length", "0")
        if len(length) > len(str(_BODY_CAP)) or int(length) > _BODY_CAP:  # h11 has seen that these are digits
            return _too_large()
        if self._deliveries >= _DELIVERIES:
            message = "too many deliveries at a time; the repository is polled all the same\n"
            return PlainTextResponse(message, status_code=503, headers={"Retry-After": "60"})
        self._deliveries += 1
        try:
            async with asyncio.timeout(self._lifetime):
                body = await _whole_body(receive)
        except TimeoutError:
            return PlainTextResponse("the body did not come in time\n", status_code=408)
        except _TooLargeError:
            return _too_large()
        finally:
            self._deliveries -= 1
        return None if body is None else _response(desk.receive(name, dict(headers.items()), body))


class _TooLargeError(Exception):
    """A body that does not say its length went beyond the cap."""


async def _whole_body(receive: Receive) -> bytes | None:
    """A request's body; None where the connection ended before it."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _BODY_CAP:
            raise _TooLargeError
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> Response:
    return PlainTextResponse(f"a delivery has at most {_BODY_CAP} bytes\n", status_code=413)


def _response(reply: ServedReply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.media)


def _application(ready: Callable[[], tuple[bool, str]], metrics: Callable[[], bytes], ask: Ask | None) -> Starlette:
    slots = asyncio.Semaphore(_ASKING)

    # Not in a thread of the pool: who asks whether we live must not wait for those who ask for more.
    async def healthz(request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        del request
        is_ready, why = ready()
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=200 if is_ready else 503)

    def exposition(request: Request) -> Response:
        del request
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def api(request: Request) -> Response:
        assert ask is not None  # noqa: S101 - without it there is no such route
        query = tuple((name, value) for name, value in request.query_params.multi_items())
        asked = ServedRequest(request.method, str(request.scope["path"]), query, dict(request.headers.items()))
        async with slots:
            return _response(await run_in_threadpool(ask, asked))

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]
    if ask is not None:
        routes.append(Route(_API + "{rest:path}", api, methods=_METHODS))
    return Starlette(routes=routes)
