"""The demo's application: a small HTTP/1.1 service whose latency and errors depend on its version.

Run as `python -m gitslo.demo.app [VERSION]` by the process syncer, or by anybody who wants a target to try plans on.
Only the standard library, so that it starts fast and can stand in an image of its own.

Environment: PORT (0 or missing: any free port, printed at the start), HOST (default 127.0.0.1), VERSION (an argument
goes before it), GREETING (part of the answer of `GET /`), ACCESS_LOG (a file; one line per request: arrival in seconds
since the epoch, User-Agent, path, status, separated by tabs).

| version | behaviour of `GET /`, `GET /items` and `POST /pay` |
|---|---|
| v1 | 4 ms |
| v2 | 2 ms, and any version not named here |
| v3 | 4 ms when nobody else asks; four more for each request of the last second, up to 400 ms |
| v4 | 2 ms, and 5 % answers with status 500 |

`POST /slow?ms=150` makes this process slower by that much from then on, `POST /slow?ms=0` mends it; `GET /version` and
`GET /readyz` are never slow. SIGTERM: no new connection, requests under way are answered, the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import parse_qs

__all__ = ["Service", "main"]

HEAD_CAP = 16 * 1024
BODY_CAP = 1024 * 1024
SLOWEST_MS = 60_000
DRAIN_SECONDS = 2.0
STATUS_TEXT = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
}
METHODS = {
    "/": "GET",
    "/items": "GET",
    "/pay": "POST",
    "/version": "GET",
    "/readyz": "GET",
    "/slow": "POST",
}
SLOWED = frozenset({"/", "/items", "/pay"})


class Service:
    """What one running process answers, and how late; knows nothing of HTTP's wire format.

    Attributes:
        version: which row of the table above.
        slow: seconds added to every answer of the business paths since the last `POST /slow`.
    """

    def __init__(self, version: str, greeting: str = "hello", seed: int = 4) -> None:
        self.version = version
        self.slow = 0.0
        self._recent: deque[float] = deque()
        self._chance = random.Random(seed)  # noqa: S311 - which request fails is no secret
        self._answers = {
            "/": json.dumps({"greeting": greeting, "version": version}).encode(),
            "/items": json.dumps({"items": [{"id": 1, "name": "tea"}, {"id": 2, "name": "cup"}]}).encode(),
            "/pay": json.dumps({"paid": True}).encode(),
            "/version": json.dumps({"version": version}).encode(),
            "/readyz": b'{"ready": true}',
        }

    def answer(self, method: str, target: str, now: float) -> tuple[int, bytes, float]:
        """Status, JSON body and delay in seconds of one request that arrived at `now` (monotonic seconds)."""
        path, _, query = target.partition("?")
        wanted = METHODS.get(path)
        if wanted is None:
            return 404, b'{"error": "no such path"}', 0.0
        if method != wanted and not (method == "HEAD" and wanted == "GET"):
            return 405, b'{"error": "method not allowed"}', 0.0
        if path == "/slow":
            return self._set_slow(query)
        if path not in SLOWED:
            return 200, self._answers[path], 0.0
        delay = self._latency(now) + self.slow
        if self.version == "v4" and self._chance.random() < 0.05:  # noqa: PLR2004 - the table in the module's docstring
            return 500, b'{"error": "this version fails now and then"}', delay
        return 200, self._answers[path], delay

    def _latency(self, now: float) -> float:
        match self.version:
            case "v1":
                return 0.004
            case "v3":
                recent = self._recent
                recent.append(now)
                while recent[0] < now - 1.0:
                    recent.popleft()
                return min(0.400, 0.004 * len(recent))
            case _:
                return 0.002

    def _set_slow(self, query: str) -> tuple[int, bytes, float]:
        values = parse_qs(query).get("ms", [])
        if len(values) != 1 or not values[0].isascii() or not values[0].isdigit() or int(values[0]) > SLOWEST_MS:
            return 400, b'{"error": "expected ?ms=0 to ?ms=60000"}', 0.0
        self.slow = int(values[0]) / 1000
        return 200, json.dumps({"slow_ms": int(values[0])}).encode(), 0.0


class _Connection(asyncio.Protocol):
    """One client's connection: requests are answered one after the other, pipelined ones wait in the buffer."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio promises for TCP
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.left(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > HEAD_CAP + BODY_CAP and self._transport is not None:
            self._transport.abort()
            return
        self._pump()

    def finish(self) -> None:
        """Close now if idle, after the answer under way otherwise."""
        if not self._busy and self._transport is not None:
            self._transport.close()

    def _pump(self) -> None:
        while self._buffer and not self._busy and self._transport is not None and not self._transport.is_closing():
            if not self._take_request():
                return

    def _take_request(self) -> bool:
        """Begin to answer the first whole request of the buffer; False where there is none yet."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_CAP:
                self._reply(431, b'{"error": "header too large"}', keep=False)
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = headers.get("content-length", "0")
        if len(words) != 3:  # noqa: PLR2004 - method, target, version
            self._reply(400, b'{"error": "malformed request line"}', keep=False)
        elif "transfer-encoding" in headers:
            self._reply(501, b'{"error": "send a Content-Length"}', keep=False)
        elif not length.isascii() or not length.isdigit():
            self._reply(400, b'{"error": "malformed Content-Length"}', keep=False)
        elif int(length) > BODY_CAP:
            self._reply(413, b'{"error": "body too large"}', keep=False)
        elif len(self._buffer) < end + 4 + int(length):
            return False
        else:
            del self._buffer[: end + 4 + int(length)]
            self._handle(words, headers)
        return True

    def _handle(self, words: list[str], headers: Mapping[str, str]) -> None:
        method, target, protocol = words
        loop = self._server.loop
        status, body, delay = self._server.service.answer(method, target, loop.time())
        wall = time.time()
        options = headers.get("connection", "").lower()
        keep = options != "close" and (protocol != "HTTP/1.0" or options == "keep-alive")
        self._busy = True
        agent = headers.get("user-agent", "-")

        def reply() -> None:
            self._busy = False
            self._server.log(wall, agent, target, status)
            self._reply(status, body, keep=keep and not self._server.closing, head_only=method == "HEAD")

        def reply_later() -> None:
            reply()
            self._pump()

        if delay > 0:
            loop.call_later(delay, reply_later)
        else:
            reply()

    def _reply(self, status: int, body: bytes, *, keep: bool, head_only: bool = False) -> None:
        if self._transport is None:
            return
        head = (
            f"HTTP/1.1 {status} {STATUS_TEXT[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        self._transport.write(head.encode() + (b"" if head_only else body))
        if not keep:
            self._transport.close()


class _Server:
    """The listening process: its connections, its access log, its orderly end."""

    def __init__(self, service: Service, access_log: str | None, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.loop = loop
        self.connections: set[_Connection] = set()
        self.closing = False
        self._empty = asyncio.Event()
        self._log = None
        if access_log:
            self._log = os.open(access_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def log(self, wall: float, agent: str, target: str, status: int) -> None:
        """One line, written whole: readers of the file see no halves, and a killed process loses none."""
        if self._log is not None:
            agent = " ".join(agent.split())
            os.write(
                self._log, f"{wall:.6f}\t{agent}\t{target.partition('?')[0]}\t{status}\n".encode("latin-1", "replace")
            )

    async def serve(self, host: str, port: int) -> None:
        """Listen until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, stop.set)
        listener = await self.loop.create_server(lambda: _Connection(self), host, port, backlog=1024)
        bound = listener.sockets[0].getsockname()[1]
        print(f"hello {self.service.version} listens on {host}:{bound}", flush=True)  # noqa: T201 - its one line of output
        await stop.wait()
        self.closing = True
        listener.close()
        for connection in tuple(self.connections):
            connection.finish()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained(), DRAIN_SECONDS)

    def left(self, connection: _Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def _drained(self) -> None:
        while self.connections:
            self._empty.clear()
            await self._empty.wait()


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Serve until a signal; the exit code."""
    port = environment.get("PORT", "0")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        print(f"PORT is {port!r}, expected a number from 0 to 65535", file=sys.stderr)  # noqa: T201 - a program's own message
        return 2
    version = arguments[0] if arguments else environment.get("VERSION", "v2")

    async def run() -> None:
        service = Service(version, environment.get("GREETING", "hello"))
        server = _Server(service, environment.get("ACCESS_LOG"), asyncio.get_running_loop())
        await server.serve(environment.get("HOST", "127.0.0.1"), int(port))

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run())
    except OSError as error:
        print(f"cannot serve: {error}", file=sys.stderr)  # noqa: T201 - a program's own message
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
