"""An HTTP server on loopback that answers as it is told, and can tell every lie of the metric sources' contract."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gitslo.testing.metrics_contract import Lie

__all__ = ["Answer", "Asked", "LyingServer", "lying_server"]

TEN_MINUTES = 600


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(slots=True)
class LyingServer:
    """One server.

    Attributes:
        url: where it is.
        honest: the truth.
        lie: what it says instead; None: the truth.
        twist: the truth's body -> the lie's, for lies that are of the kind of server.
        asked: every request, in order.
    """

    url: str
    honest: Callable[[Asked], Answer]
    lie: Lie | None = None
    twist: Callable[[bytes], bytes] | None = None
    asked: list[Asked] = field(default_factory=list)
    elsewhere: int = 0
    elsewhere_url: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)

    def answer(self, asked: Asked) -> Answer:
        """What it says, but for those lies that are about how it says it."""
        match self.lie:
            case Lie.REFUSED:
                return Answer(422, b'{"status":"error","errorType":"execution","error":"the query is wrong"}')
            case Lie.NOT_LET_IN:
                told = asked.headers.get("authorization", "").encode()
                return Answer(401, b"who are you? not " + told, {"Content-Type": "text/plain"})
            case Lie.REDIRECT:
                return Answer(302, b"", {"Location": f"{self.elsewhere_url}/login"})
            case Lie.PAGE:
                return Answer(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
            case Lie.TOO_MANY:
                return Answer(429, b"slow down", {"Retry-After": "7"})
            case Lie.BROKEN:
                return Answer(503, b'{"status":"error","error":"no quorum"}')
            case Lie.OTHER_SHAPE:
                return Answer(200, b'{"hello": ["world"]}')
            case Lie.TOO_LARGE:
                return Answer(200, b" " * (4 * 1024 * 1024) + self.honest(asked).body)
        honest = self.honest(asked)
        return honest if self.twist is None else Answer(honest.status, self.twist(honest.body), honest.headers)


@contextlib.contextmanager
def lying_server(honest: Callable[[Asked], Answer]) -> Iterator[LyingServer]:
    """A server, and a second one that it may send people to."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            server.asked.append(asked)
            answer = server.answer(asked)
            skew = {Lie.AHEAD: TEN_MINUTES, Lie.BEHIND: -TEN_MINUTES}.get(server.lie, 0)
            self.send_response_only(answer.status)
            self.send_header("Date", formatdate(time.time() + skew, usegmt=True))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            _say(self, server, answer.body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Elsewhere(Handler):
        def do_GET(self) -> None:
            server.elsewhere += 1
            self.send_error(404)

    with _serving(Handler) as url, _serving(Elsewhere) as other:
        server = LyingServer(url, honest, elsewhere_url=other)
        try:
            yield server
        finally:
            server.stopping.set()


def _say(handler: BaseHTTPRequestHandler, server: LyingServer, body: bytes) -> None:
    """The body, or as much of it as there is to be."""
    handler.close_connection = server.lie in {Lie.CUT_OFF, Lie.SLOW}
    pieces = [body[: len(body) // 2]] if server.lie is Lie.CUT_OFF else [body]
    if server.lie is Lie.SLOW:
        pieces = [body[at : at + 1] for at in range(len(body))]
    with contextlib.suppress(OSError):
        for each in pieces:
            handler.wfile.write(each)
            if server.lie is Lie.SLOW and server.stopping.wait(0.05):
                break


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
