"""The servers that are loaded, all on loopback, all ended with the block that started them.

nginx answers a small constant body (HTTP/1.1, HTTP/2 in the clear, TLS), counts what it served, and is asked for a
nonce before anything is sent to it, so that no load goes to somebody else's port. `fortio server` is the Go gRPC
server. `known` (bench/servers/known) is the server whose times are known beforehand.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.process import Unusable, ended
from tests.components import cache, program

SOURCES = Path(__file__).resolve().parents[1] / "servers"

CONFIGURATION = """\
daemon off; worker_processes 1; error_log stderr warn; pid {folder}/nginx.pid; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{h2c} http2; http2_max_concurrent_streams 256;
    listen 127.0.0.1:{tls} ssl http2; ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ return 200 "{nonce}\\n"; }}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx.

    Attributes:
        authority: its certificate, which is its own authority too.
    """

    plain: int
    h2c: int
    tls: int
    status: int
    authority: Path

    def served(self) -> int:
        """How many requests it has answered so far, this question included."""
        said = _get(self.status).split()
        return int(said[said.index("requests") + 3])


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Nginx with one worker."""
    _certificate(folder)
    nonce = secrets.token_hex(8)
    plain, h2c, tls, status = _free_ports(4)
    configuration = folder / "nginx.conf"
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    configuration.write_text(
        CONFIGURATION.format(folder=folder, plain=plain, h2c=h2c, tls=tls, status=status, nonce=nonce, user=user),
        encoding="utf-8",
    )
    argv = [str(_program("nginx")), "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
    with _server(argv, folder / "nginx.log") as process:
        _wait(lambda: _get(plain).strip() == nonce, process, folder / "nginx.log")
        yield Nginx(plain, h2c, tls, status, folder / "certificate.pem")


@contextlib.contextmanager
def fortio(folder: Path) -> Iterator[int]:
    """The gRPC port of `fortio server`; everything else of it is off."""
    web, port = _free_ports(2)
    off = [part for name in ("redirect", "tcp", "udp") for part in (f"-{name}-port", "disabled")]
    argv = [str(_program("fortio")), "server", "-quiet", *off, "-ui-path", ""]
    argv += ["-http-port", f"127.0.0.1:{web}", "-grpc-port", f"127.0.0.1:{port}"]
    with _server(argv, folder / "fortio.log") as process:
        _wait(lambda: _answers(port), process, folder / "fortio.log")
        yield port


@dataclass(slots=True)
class Known:
    """The server of known times: its port, and, when it has ended, what it measured of itself."""

    port: int
    said: dict[str, float]


@contextlib.contextmanager
def known(*arguments: str) -> Iterator[Known]:
    """A fresh one: its freeze counts from the first request."""
    process = subprocess.Popen(
        [str(known_program()), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with ended(process):
        assert process.stdout is not None  # noqa: S101 - for the type checker
        server = Known(int(process.stdout.readline().rpartition(":")[2]), {})
        nonce = secrets.token_hex(8)
        if _get(server.port, f"/nonce?{nonce}") != nonce:
            raise Unusable("something else listens where the known server should")
        yield server
        process.terminate()
        server.said.update(json.loads(process.stdout.read()))


def known_program() -> Path:
    """Built once for its source, in the components' folder; Unusable where that fails."""
    source = SOURCES / "known"
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(source.iterdir()))).hexdigest()[:12]
    binary = cache() / "known" / digest / "known"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            raise Unusable("the known server needs Go")
        binary.parent.mkdir(parents=True, exist_ok=True)
        making = binary.with_suffix(f".{os.getpid()}")
        built = subprocess.run(
            [go, "build", "-trimpath", "-o", str(making), "."],
            cwd=source, capture_output=True, text=True, check=False, env=os.environ | {"CGO_ENABLED": "0"},
        )  # fmt: skip
        if built.returncode:
            raise Unusable(f"the known server does not build: {built.stderr.strip()}")
        making.rename(binary)
    return binary


def _program(name: str) -> Path:
    try:
        return program(name)
    except LookupError as error:
        raise Unusable(str(error)) from None


@contextlib.contextmanager
def _server(argv: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True)
        with ended(process):
            yield process


def _wait(ready: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ready():
                return
        time.sleep(0.02)
    raise Unusable(f"{log.stem} does not come up: {log.read_text()[-500:]}")


def _get(port: int, path: str = "/") -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


def _free_ports(number: int) -> list[int]:
    """Ports that nobody has now; whoever takes one in between is found out by the nonce."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _certificate(folder: Path) -> None:
    """A certificate of 127.0.0.1 that signs itself."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    argv += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    made = subprocess.run(argv, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Unusable(f"openssl makes no certificate: {made.stderr.strip()}")
