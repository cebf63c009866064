"""A token endpoint on loopback: remembers what it was asked, answers what the test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["TokenEndpoint", "token_endpoint"]


@dataclass(slots=True)
class TokenEndpoint:
    """One endpoint.

    Attributes:
        url: where it is.
        status, body: what it answers.
        asked: (headers in lower case, form) of every request.
    """

    url: str
    status: int = 200
    body: bytes = b'{"access_token": "abc.def", "token_type": "bearer", "expires_in": 100}'
    asked: list[tuple[dict[str, str], str]] = field(default_factory=list)


@contextlib.contextmanager
def token_endpoint() -> Iterator[TokenEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            endpoint.asked.append((headers, self.rfile.read(length).decode()))
            self.send_response(endpoint.status)
            self.send_header("Content-Length", str(len(endpoint.body)))
            self.end_headers()
            self.wfile.write(endpoint.body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = TokenEndpoint(f"http://127.0.0.1:{server.server_address[1]}/oauth/token")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
