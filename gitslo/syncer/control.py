"""The syncer's control endpoint: `GET /environments` on loopback, for whoever can read the token.

Asked by `gitslo.adapters.process_client`. Read-only: nothing can be deployed through it.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gitslo.syncer.runner import Snapshot

__all__ = ["Control", "Said"]

TIMEOUT = 5.0
"""Seconds that one connection may take."""

Said = tuple[str, Mapping[str, Snapshot]]
"""What is wrong with the repository as a whole (empty: nothing), and the snapshots by environment."""


class Control:
    """The endpoint, listening."""

    def __init__(self, say: Callable[[], Said], token: str) -> None:
        """Listen on a free port of 127.0.0.1 and answer in threads."""

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT
            protocol_version = "HTTP/1.1"
            server_version = "gitslo-syncer"
            sys_version = ""

            def do_GET(self) -> None:
                shown = self.headers.get("Authorization", "")
                if not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
                    self._answer(HTTPStatus.UNAUTHORIZED, b'{"error": "show the token of syncer.json"}')
                elif self.path == "/environments":
                    self._answer(HTTPStatus.OK, _encoded(say()))
                else:
                    self._answer(HTTPStatus.NOT_FOUND, b'{"error": "there is only /environments"}')

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Polls are not worth a line."""

            def _answer(self, status: HTTPStatus, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="syncer-control", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _encoded(said: Said) -> bytes:
    problem, snapshots = said
    environments = {
        name: {
            "revision": snapshot.revision,
            "tree": snapshot.tree,
            "images": snapshot.images,
            "state": snapshot.state,
            "detail": snapshot.detail,
            "fingerprint": snapshot.fingerprint,
            "addresses": snapshot.addresses,
        }
        for name, snapshot in snapshots.items()
    }
    return json.dumps({"schema": "gitslo/v1", "problem": problem, "environments": environments}).encode()
