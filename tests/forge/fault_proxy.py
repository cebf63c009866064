"""A proxy on loopback in front of a forge, which does to one write what networks and servers do now and then.

Called by the tests of faults. Armed with a fault, it hits the next write that goes through and lets everything else
pass; `after` is the cruel side: the forge has carried it out, and the answer is lost or spoilt.
"""

from __future__ import annotations

import http.client
import threading
from contextlib import suppress
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

__all__ = ["Fault", "FaultProxy", "Side"]


class Fault(StrEnum):
    """What happens instead of the answer."""

    ERROR = "500"
    GATEWAY = "502"
    BUSY = "429"
    BUSY_UNTIL = "429 with Retry-After"
    SECONDARY = "403 secondary limit"
    SILENCE = "no answer in time"
    CUT = "connection cut"
    PAGE = "an HTML page"
    TORN = "truncated JSON"
    DRIP = "slow drip"


class Side(StrEnum):
    """Whether the forge has carried it out."""

    BEFORE = "before"
    AFTER = "after"


RETRY_AFTER = 7
_ANSWERS = {
    Fault.ERROR: (500, {"Content-Type": "application/json"}, b'{"message": ""}'),
    Fault.GATEWAY: (502, {"Content-Type": "text/html"}, b"<html><h1>Bad Gateway</h1></html>"),
    Fault.BUSY: (429, {}, b""),
    Fault.BUSY_UNTIL: (429, {"Retry-After": str(RETRY_AFTER)}, b""),
    Fault.SECONDARY: (403, {}, b'{"message": "You have exceeded a secondary rate limit."}'),
    Fault.PAGE: (200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Maintenance</title>"),
    Fault.TORN: (200, {"Content-Type": "application/json"}, b'{"number": 1, "sta'),
}


class FaultProxy:
    """Listens on a free port of 127.0.0.1 until it is closed."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removeprefix("http://")
        self._armed: tuple[Fault, Side] | None = None
        self._skipped = 0
        self._ended = threading.Event()
        self.hits = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="fault-proxy")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def arm(self, fault: Fault, side: Side, skipped: int = 0) -> None:
        """Hit the next write, or one some writes later."""
        self._armed, self._skipped = (fault, side), skipped

    @property
    def armed(self) -> Fault | None:
        """What the next write will meet."""
        return None if self._armed is None or self._skipped else self._armed[0]

    def taken(self, method: str) -> tuple[Fault, Side] | None:
        """What this request meets; it is met once."""
        if method == "GET" or self._armed is None:
            return None
        if self._skipped:
            self._skipped -= 1
            return None
        taken, self._armed = self._armed, None
        self.hits += 1
        return taken

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """The forge's own answer: its status, its `Link` and its body."""
        upstream = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheader("Link", ""), answer.read()
        finally:
            upstream.close()

    def wait(self, seconds: float) -> bool:
        """Whether the proxy is closed before that."""
        return self._ended.wait(seconds)


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class inside
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            met = proxy.taken(self.command)
            answer = None
            if met is None or met[1] is Side.AFTER:
                answer = proxy.forward(self.command, self.path, headers, body)
            if met is None:
                assert answer is not None
                status, link, content = answer
                self._say(status, {"Content-Type": "application/json", "Link": link}, content)
            elif met[0] is Fault.SILENCE:
                proxy.wait(30.0)
            elif met[0] is Fault.DRIP:
                self._drip()
            elif met[0] is not Fault.CUT:
                self._say(*_ANSWERS[met[0]])

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815 - as the library calls them

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            with suppress(OSError):
                while not proxy.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()

        def log_message(self, *arguments: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Handler
