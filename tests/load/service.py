"""A real HTTP/1.1 server for the load engine's tests: well and badly behaved paths, and a log of everything it got.

It runs in a thread of the test's process on a loop of its own; the load comes from the engine's processes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Received", "Service", "service"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "until-end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "cut-closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nshort",
    "hang-up": b"",
    "garbage": b"SSH-2.0-OpenSSH_9.9\r\n",
    "twice": OK + OK,
    "early": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
    "head": b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
    "big": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000),
}
GIGABYTES = 10 << 30


def body(content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A response with a body."""
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content)}", "", "")
    return "\r\n".join(lines).encode() + content


PACKED = gzip.compress(b'{"state": "ok"}', mtime=0)
ANSWERS |= {
    "json": body(b'{"state": "ok", "items": [1, 2]}', "Content-Type: application/json", "X-Cache: hit"),
    "errors": body(b'{"data": null, "errors": [{"message": "boom"}]}'),
    "gzip": body(PACKED, "Content-Encoding: gzip"),
    "gzip-cut": body(PACKED[:-9], "Content-Encoding: gzip"),
    "gzip-no": body(b"plain", "Content-Encoding: gzip"),
    "gzip-bomb": body(gzip.compress(bytes(64 << 20), mtime=0), "Content-Encoding: gzip"),
    "gzip-twice": body(gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), "Content-Encoding: gzip"),
    "headers": body(b"", *(f"X-{number}: 1" for number in range(1100))),
    "brotli": body(b"\x0b\x02\x80hello\x03", "Content-Encoding: br"),
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
    b"2\r\nok\r\n0\r\nX-Late: yes\r\n\r\n",
    "announced": f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTES}\r\n\r\n".encode(),
    "half-close": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
    "loop": body(b"", "Location: /loop", status="302 Found"),
    "away": body(b"", "Location: http://other.test/", status="301 Moved"),
    "no-location": body(b"", status="302 Found"),
    "bad-location": body(b"", "Location: http://[", status="302 Found"),
    "set": body(b"", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/other", "Location: /jar", status="302 Found"),
}
CLOSING = {"close", "until-end", "cut", "cut-closing", "hang-up"}
_REQUEST = re.compile(rb"(\w+) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def made(status: str) -> bytes:
    """An empty response with any status."""
    return f"HTTP/1.1 {status} Made\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass(frozen=True)
class Received:
    """One line of the access log; `at` is on the monotonic clock."""

    at: float
    method: str
    path: str
    head: str
    body: bytes


@dataclass
class Service:
    """The server from the outside."""

    port: int = 0
    log: list[Received] = field(default_factory=list)
    connections: int = 0
    accepted: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    freeze_at: int | None = None
    frozen_for: float = 0.0
    thaw: float = 0.0
    fixed: float = 0.0

    def freeze(self, request: int, seconds: float) -> None:
        """From the given request on (0-based), answer nothing for `seconds`; then answer everything at once."""
        self.freeze_at, self.frozen_for = request, seconds

    def note(self, received: Received | None = None, connections: int = 0) -> None:
        """Log, and wake whoever waits."""
        with self.changed:
            if received is not None:
                self.log.append(received)
            self.connections += connections
            self.accepted += max(0, connections)
            self.changed.notify_all()

    def wait(self, condition: Callable[[Service], bool], within: float = 10.0) -> None:
        """Return once the condition holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), within), f"not within {within} s: {self}"


def led(got: Received, kind: str, rest: list[str]) -> bytes:
    """Redirects, and what they lead to."""
    match kind, *rest:
        case "hop" | "hop-closing", "0":
            return OK
        case "hop" | "hop-closing", count:
            location = f"Location: /{kind if count != '1' else 'hop'}/{int(count) - 1}"
            closing = ["Connection: close"] if kind == "hop-closing" else []
            return body(b"on", location, *closing, status="302 Found")
        case "moved", status:
            return body(b"", "Location: ../echo/landed?x=%20y z#part", status=f"{status} Moved")
        case _:
            said = {"method": got.method, "path": got.path, "head": got.head, "body": got.body.decode()}
            return body(json.dumps(said).encode())


class _Connection(asyncio.Protocol):
    def __init__(self, service: Service) -> None:
        self.service = service
        self.buffer = b""
        self.paused = self.flooding = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.service.note(connections=1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.service.note(connections=-1)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (match := _REQUEST.match(self.buffer)) is not None:
            length = _LENGTH.search(match[3])
            end = match.end() + (int(length[1]) if length else 0)
            if len(self.buffer) < end:
                return
            body, self.buffer = self.buffer[match.end() : end], self.buffer[end:]
            service, now = self.service, time.monotonic()
            if service.freeze_at == len(service.log):
                service.thaw = now + service.frozen_for
            service.note(Received(now, match[1].decode(), match[2].decode(), match[3].decode(), body))
            wait = max(service.fixed, service.thaw - now)
            if wait > 0:
                asyncio.get_running_loop().call_later(wait, self.answer, match[2].decode(), len(service.log))
            else:
                self.answer(match[2].decode(), len(service.log))

    def answer(self, path: str, number: int) -> None:
        """Behave as the path says."""
        if self.transport.is_closing():
            return
        match path.partition("?")[0].strip("/").split("/"):
            case ["status", status]:
                self.transport.write(made(status))
            case ["every", n, status]:
                self.transport.write(OK if number % int(n) else made(status))
            case ["silent" | "slow" | "dribble" | "flood" | "half-close" | "reset" as kind]:
                self.trouble(kind)
            case ["echo" | "hop" | "hop-closing" | "moved" as kind, *rest]:
                self.transport.write(led(self.service.log[number - 1], kind, rest))
                if kind == "hop-closing":
                    self.transport.close()
            case [name]:
                self.transport.write(ANSWERS.get(name, OK))
                if name in CLOSING:
                    self.transport.close()

    def trouble(self, kind: str) -> None:
        """Answer as nobody should."""
        match kind:
            case "slow":
                self.slowly(ANSWERS["json"])
            case "dribble":
                self.dribble(ANSWERS["chunked"])
            case "flood":
                self.flooding = True
                self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self.flood()
            case "half-close":
                self.transport.write(ANSWERS["half-close"])
                self.transport.write_eof()
            case "reset":
                raw = self.transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.flooding:
            self.flood()

    def flood(self) -> None:
        """Chunks without end."""
        if not self.paused and not self.transport.is_closing():
            self.transport.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            asyncio.get_running_loop().call_soon(self.flood)

    def slowly(self, rest: bytes) -> None:
        """A few bytes now and then."""
        if rest and not self.transport.is_closing():
            self.transport.write(rest[:8])
            asyncio.get_running_loop().call_later(0.1, self.slowly, rest[8:])

    def dribble(self, rest: bytes) -> None:
        """One byte per turn of the loop."""
        if rest and not self.transport.is_closing():
            self.transport.write(rest[:1])
            asyncio.get_running_loop().call_soon(self.dribble, rest[1:])


@contextmanager
def service(fixed: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    """A server on a loopback port of its own; `fixed` is its latency in seconds."""
    made = Service(fixed=fixed)
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    finish = asyncio.Event()

    async def serve() -> None:
        server = await loop.create_server(lambda: _Connection(made), "127.0.0.1", 0, backlog=1024, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
        listening.set()
        await finish.wait()
        server.close()

    def run() -> None:
        loop.run_until_complete(serve())

    thread = threading.Thread(target=run, name="service")
    thread.start()
    assert listening.wait(10)
    try:
        yield made
        # The engine's processes are gone, so every connection ends without our doing.
        made.wait(lambda s: s.connections == 0)
    finally:
        loop.call_soon_threadsafe(finish.set)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
