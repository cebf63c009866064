"""An HTTP/2 server of single frames, for what no library lets a server do, and real ones from nginx and hypercorn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitslo.load.http2 import frames
from tests.load.listening import listening
from tests.required import required

__all__ = ["OK", "Peer", "answering", "app", "hypercorn", "nginx"]

OK = b"\x88"
"""A header block that says `:status 200`, and needs no table."""


class Peer:
    """One client as such a server sees it.

    Attributes:
        number: of the connection, from 0.
        got: (type, flags, stream, payload) of every frame so far.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.number = number
        self.got: list[tuple[int, int, int, bytes]] = []
        self._connection = connection
        self._read = connection.makefile("rb")
        assert frames.PREFACE == self._read.read(len(frames.PREFACE))

    def send(self, *data: bytes, pieces: int = 1 << 20) -> None:
        """Send bytes, that many at a time."""
        whole = b"".join(data)
        for at in range(0, len(whole), pieces):
            self._connection.sendall(whole[at : at + pieces])

    def greet(self, *values: tuple[int, int]) -> None:
        """Send the settings."""
        self.send(frames.settings(values))

    def next(self, kind: int) -> tuple[int, int, int, bytes]:
        """The next frame of a type; ConnectionError where the client is gone."""
        while True:
            start = self._read.read(9)
            if len(start) < 9:
                raise ConnectionError
            high, low, found, flags, stream = frames.FRAME_HEADER.unpack(start)
            frame = (found, flags, stream, self._read.read(high << 8 | low))
            self.got.append(frame)
            if found == kind:
                return frame

    def request(self) -> int:
        """Wait for a request; its stream."""
        return self.next(frames.HEADERS)[2]

    def answer(self, stream: int, *, pieces: int = 1 << 20) -> None:
        """A good answer."""
        self.send(frames.header_frames(stream, OK, 16384, end=False), frames.frame(0, 1, stream, b"ok"), pieces=pieces)

    def wait(self) -> None:
        """Read until the client is gone."""
        with suppress(OSError):
            while self._connection.recv(65536):
                pass

    def half_close(self) -> None:
        """Say nothing more."""
        self._connection.shutdown(socket.SHUT_WR)


@contextmanager
def answering(talk: Callable[[Peer], None]) -> Iterator[int]:
    """The port of a server that calls `talk` for each connection; when that returns the connection is closed."""
    with listening(lambda connection, number: talk(Peer(connection, number))) as port:
        yield port


# --------------------------------------------------------------------------- real ones


_NGINX = """
daemon off; master_process off; pid {0}/pid; error_log {0}/error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {0}/1; proxy_temp_path {0}/2; fastcgi_temp_path {0}/3;
  uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
  keepalive_requests {1}; http2_max_concurrent_streams 8;
  server {{
    listen 127.0.0.1:{2} http2; listen 127.0.0.1:{3} ssl http2; listen 127.0.0.1:{4};
    ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;
    client_max_body_size 10m;
    location / {{ return 200 "ok\\n"; }}
    location /old {{ return 302 /; }}
    location /big {{ root {0}; }}
    location /missing {{ return 404; }}
  }}
  server {{ listen 127.0.0.1:{5} ssl; ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem; }}
}}
"""


class Nginx:
    """A running nginx: its ports of HTTP/2 and of HTTP/1.1 alone, and the authority that signed for it."""

    def __init__(self, ports: list[int], ca: bytes) -> None:
        self.plain, self.tls, self.http1, self.http1_tls = ports
        self.ca = ca


@contextmanager
def nginx(folder: Path, requests: int = 10_000_000) -> Iterator[Nginx]:
    """A real one, in a folder of its own; `requests`: how many a connection may carry."""
    program = str(required("nginx"))
    ports = _ports(4)
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
            "-out", f"{folder}/cert.pem",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "big").write_bytes(b"0123456789" * 30_000)
    (folder / "nginx.conf").write_text(_NGINX.format(folder, requests, *ports))
    with _running([program, "-c", f"{folder}/nginx.conf", "-p", str(folder)], ports[0]):
        yield Nginx(ports, (folder / "cert.pem").read_bytes())


@contextmanager
def hypercorn() -> Iterator[int]:
    """The port of a hypercorn that serves `app`."""
    [port] = _ports(1)
    argv = [sys.executable, "-m", "hypercorn", "-b", f"127.0.0.1:{port}", "--log-level", "CRITICAL"]
    with _running([*argv, "tests.load.h2_server:app"], port):
        yield port


async def app(
    scope: dict[str, object], receive: Callable[[], object], send: Callable[[dict[str, object]], object]
) -> None:
    """An ASGI application: answers with the length of what it got."""
    if scope["type"] != "http":
        raise NotImplementedError(f"no {scope['type']}")  # how ASGI says it: the server goes on without
    size, more = 0, True
    while more:
        message = await receive()  # type: ignore[misc]
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})  # type: ignore[misc]
    await send({"type": "http.response.body", "body": b"%d" % size})  # type: ignore[misc]


def _ports(number: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


@contextmanager
def _running(argv: list[str], port: int) -> Iterator[None]:
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root, env=os.environ
    ) as process:
        try:
            until = time.monotonic() + 20
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, f"{argv[0]} did not start"
                assert time.monotonic() < until, f"{argv[0]} does not listen"
                threading.Event().wait(0.02)
            yield
        finally:
            process.terminate()
            process.wait(10)
