"""A real Git server on loopback: `git http-backend` behind the standard library's HTTP server.

Used by tests and demonstrations, by ours and by those of whoever extends gitslo. Must stay true: what is served is
Git's own implementation, so that a test on it proves something about real servers; it listens on 127.0.0.1 only, and
leaving the `with` block leaves no thread, process or port behind.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import unquote

from gitslo.testing.bare_repository import BareRepository, environment

__all__ = ["Access", "BareRepository", "Fault", "GitServer"]

_CHUNK = 1 << 16
_FAREWELL = 1.0


class Fault(StrEnum):
    """What the server does instead of answering."""

    UNAVAILABLE = "unavailable"
    """503, and nothing is carried out."""
    HANG = "hang"
    """No answer until the server is closed, and nothing is carried out."""
    LOSE_REPLY = "lose-reply"
    """Everything is carried out; the connection then ends without an answer."""
    GARBAGE = "garbage"
    """200 and a page that is not Git's."""


@dataclass(frozen=True, slots=True)
class Access:
    """One request.

    Attributes:
        method: GET or POST.
        path: with its query.
        service: `git-upload-pack`, `git-receive-pack`, or empty.
        authorized: whether credentials that hold were given (True where none are needed).
        agent: the User-Agent.
    """

    method: str
    path: str
    service: str
    authorized: bool
    agent: str

    @property
    def is_push(self) -> bool:
        """Whether it carries a push, not the look before it."""
        return self.method == "POST" and self.service == "git-receive-pack"


class GitServer:
    """Serves every bare repository of a folder at `http://127.0.0.1:<port>/<name>`, or https.

    Args:
        root: the folder.
        credentials: user name and password that every request needs, or None.
        fault: asked for every request; may answer with a fault. Called from several threads.
        tls: the server's certificate and its key, PEM files; None for plain HTTP.
    """

    def __init__(
        self,
        root: Path,
        *,
        credentials: tuple[str, str] | None = None,
        fault: Callable[[Access], Fault | None] = lambda _: None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        backend = shutil.which("git")
        if backend is None:
            raise RuntimeError("git is needed")
        self.root = root.absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        self.fault = fault
        self._authorization = "Basic " + b64encode(":".join(credentials).encode()).decode() if credentials else None
        self._journal: list[Access] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._scheme = "http" if tls is None else "https"
        self._server = _Server(self)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake comes with the first read, in the request's own thread: who only connects waits alone.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="git-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:<port>`, or https."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def url(self, name: str) -> str:
        """The URL of one repository."""
        return f"{self.origin}/{name}"

    @property
    def journal(self) -> tuple[Access, ...]:
        """Every request so far, in the order of arrival."""
        with self._lock:
            return tuple(self._journal)

    @property
    def pushes(self) -> int:
        """How many pushes have arrived."""
        return sum(access.is_push for access in self.journal)

    def note(self, access: Access) -> None:
        """Write a request down."""
        with self._lock:
            self._journal.append(access)

    def authorizes(self, header: str | None) -> bool:
        """Whether an Authorization header opens this server."""
        return self._authorization is None or compare_digest((header or "").encode(), self._authorization.encode())

    def wait_for_close(self) -> None:
        """Return when the server is being closed."""
        self._closing.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, owner: GitServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """End TLS in good order, too: an answer without a length would otherwise count as cut off."""
        if isinstance(request, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                request.settimeout(_FAREWELL)
                request.unwrap()
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is its own business."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing on standard error: the journal has it."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        owner = self.server.owner
        self.close_connection = True  # one request a connection: a fault then cannot hit the next one
        path, _, query = self.path.partition("?")
        tail = path.rsplit("/", 1)[-1]
        service = tail if tail.startswith("git-") else query.removeprefix("service=")
        authorized = owner.authorizes(self.headers.get("Authorization"))
        agent = self.headers.get("User-Agent", "")
        access = Access(self.command, self.path, service, authorized, agent)
        owner.note(access)
        if not authorized:
            self._say(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="git"'})
            return
        match owner.fault(access):
            case Fault.UNAVAILABLE:
                self._say(503, b"not now\n")
            case Fault.HANG:
                owner.wait_for_close()
            case Fault.GARBAGE:
                self._say(200, b"<html>this is a portal</html>\n")
            case Fault.LOSE_REPLY:
                self._run(unquote(path), query, send=False)
            case None:
                self._run(unquote(path), query, send=True)

    def _say(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _run(self, path: str, query: str, *, send: bool) -> None:
        owner = self.server.owner
        body = b"".join(self._body())
        variables = environment(owner.root) | {
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(owner.root),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        backend = subprocess.Popen(
            ["git", "http-backend"],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with backend, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            feeder = threading.Thread(target=_feed, args=(backend.stdin, body))
            feeder.start()
            try:
                if backend.stdout is not None:
                    self._answer(backend.stdout, send=send)
            finally:
                feeder.join()

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline(32).split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            pass

    def _answer(self, out: IO[bytes], *, send: bool) -> None:
        """Pass a CGI answer on; it is read to its end in any case, so that the work is done."""
        status, headers = 200, []
        while line := out.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        if send:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
        while chunk := out.read(_CHUNK):
            if send:
                self.wfile.write(chunk)


def _feed(stdin: IO[bytes] | None, body: bytes) -> None:
    if stdin is not None:
        with contextlib.suppress(BrokenPipeError), stdin:
            stdin.write(body)
