from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gitslo.adapters.http_client import HttpClient, bounded
from gitslo.errors import Retry
from gitslo.model import (
    ByteCount,
    GrpcHealthReadiness,
    HttpReadiness,
    Seconds,
    Target,
    TargetScheme,
    TcpReadiness,
)
from gitslo.ports import Address, Readied
from gitslo.wiring_run import readiness_probe
from tests.closed_port import closed_port

SHOP = Target("shop", TargetScheme.HTTP, "shop.dev.svc", 8080, path="/base")
SOON = Seconds(5.0)


class Shop(BaseHTTPRequestHandler):
    """Says what it was asked for, in JSON."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        type(self).seen.append((self.path, self.headers["Host"], self.headers["User-Agent"]))
        status, body = {
            "/base/readyz": (200, b'{"ready": true, "waiting": ["cache"]}'),
            "/base/text": (200, b"ready"),
            "/base/moved": (302, b""),
            "/base/large": (200, b"[" + b"1," * 500_000 + b"1]"),
        }.get(self.path, (503, b"starting"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/base/readyz")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the client reads no further than its cap
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's output."""


class Server(ThreadingHTTPServer):
    """Clients that hang up are what some tests are about."""

    def handle_error(self, *_: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def shop() -> Iterator[tuple[Address, list[tuple[str, str, str]]]]:
    handler = type("Here", (Shop,), {"seen": []})
    server = Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield ("127.0.0.1", server.server_address[1]), handler.seen
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def raw(answer: Callable[[socket.socket], None], asked: list[bytes] | None = None) -> Iterator[Address]:
    """A server that treats one connection as it likes; what it was asked is added to `asked`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the client may have gone
                request = connection.recv(65536)
                if asked is not None:
                    asked.append(request)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[:2]
        thread.join()


def check(path: str = "/readyz", expect: int = 200, json: str | None = None) -> HttpReadiness:
    return HttpReadiness("shop", path, expect, json, Seconds(30.0))


def look(readiness, address: Address, target: Target = SHOP, timeout: Seconds = SOON) -> Readied:
    return readiness_probe().look(readiness, target, address, timeout)


# --------------------------------------------------------------------------- HTTP


def test_the_expected_status_is_ready(shop) -> None:
    """The request goes to the address, below the target's base path, under the plan's host name."""
    address, seen = shop

    assert look(check(), address) == Readied(ready=True)
    assert seen == [("/base/readyz", "shop.dev.svc:8080", "gitslo")]


def test_another_status_is_not_ready(shop) -> None:
    """The reason names both."""
    address, _ = shop

    assert look(check("/other"), address) == Readied(ready=False, reason="status 503, expected 200")
    assert look(check("/other", expect=503), address).ready


def test_redirects_are_not_followed(shop) -> None:
    """A redirect could lead to a host that nobody allowed."""
    address, seen = shop

    assert look(check("/moved"), address) == Readied(ready=False, reason="status 302, expected 200")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("path", "json", "reason"),
    [
        ("/readyz", "ready", ""),
        ("/readyz", "length(waiting) == `1`", ""),
        ("/readyz", "waiting", 'waiting is ["cache"], not true'),
        ("/readyz", "missing", "missing is null, not true"),
        ("/text", "ready", "the body is not JSON"),
        ("/large", "[0]", "the body is larger than 262144 bytes"),
    ],
)
def test_the_body_must_satisfy_the_expression(shop, path, json, reason) -> None:
    """A JMESPath expression that is exactly true; anything else, and no JSON at all, is not ready."""
    address, _ = shop

    assert look(check(path, json=json), address) == Readied(ready=not reason, reason=reason)


def test_a_malformed_expression_is_a_reason(shop) -> None:
    """The parser refuses it; should one come here all the same, it does not end the run with a traceback."""
    address, _ = shop
    found = look(check(json="a b ["), address)

    assert not found.ready
    assert "JMESPath" in found.reason


def test_nobody_listens(free_port) -> None:
    """A refused connection is a reason, not an exception."""
    found = look(check(), ("127.0.0.1", free_port))

    assert not found.ready
    assert found.reason.startswith("no connection to shop.dev.svc:8080")


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 70 + ".invalid", "a b"])
@pytest.mark.parametrize("readiness", [check(), TcpReadiness("shop", SOON)], ids=["http", "tcp"])
def test_a_name_that_does_not_resolve(host, readiness) -> None:
    """Neither is a name that nobody knows, nor one that is none."""
    assert not look(readiness, (host, 80)).ready


def test_why_there_is_no_connection_is_said_in_our_words(shop, free_port) -> None:
    """Neither an error number nor a library's own words: nobody listens, no such name, no TLS."""
    tls = replace(SHOP, tls=True)
    found = [
        readiness_probe().look(check(), target, address, SOON).reason.removeprefix("no connection to shop.dev.svc:8080")
        for target, address in (
            (SHOP, ("127.0.0.1", free_port)),
            (SHOP, ("nowhere.invalid", 80)),
            (tls, shop[0]),
        )
    ]

    assert [
        ": Connection refused",
        ": the name 'nowhere.invalid' does not resolve",
        ": it does not answer in TLS; is it plain http?",
    ] == found


def test_a_trickling_server_is_cut_off() -> None:
    """The deadline is over the whole answer: a byte now and then does not hold a thread."""
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.05):
            connection.sendall(b"x")

    with raw(trickle) as address:
        began = time.monotonic()
        found = look(check(), address, timeout=Seconds(0.5))
        took = time.monotonic() - began
        stop.set()

    assert found == Readied(ready=False, reason="no whole answer within 500 ms")
    assert took < 3.0


def test_what_is_no_http_is_a_reason() -> None:
    """A server that speaks something else."""
    with raw(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as address:
        found = look(check(), address)

    assert not found.ready
    assert found.reason.startswith("no HTTP answer")


def test_nothing_is_decompressed() -> None:
    """A body that was not asked to be packed is taken as it is: 100 kB of it would unfold to 100 MB."""
    packed = gzip.compress(b"[" + b" " * 10_000_000 + b"]")
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        )

    with raw(answer, asked) as address:
        found = HttpClient().get(SHOP, "/", address=address, timeout=SOON)

    assert (packed, True) == (found.body, found.whole)
    assert b"\r\naccept-encoding: identity\r\n" in asked[0].lower()


def test_a_name_service_that_hangs_is_not_waited_for() -> None:
    """The deadline holds for what a thread does for the loop, too."""
    release = threading.Event()

    async def resolve() -> None:
        async with asyncio.timeout(0.1):
            await asyncio.get_running_loop().run_in_executor(None, release.wait, 30.0)

    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            bounded(resolve())
        took = time.monotonic() - began
    finally:
        release.set()

    assert took < 5.0


def test_a_body_is_read_up_to_its_cap(shop) -> None:
    """What lies beyond is not read, and the answer says that there was more."""
    address, _ = shop
    answer = HttpClient().get(SHOP, "/large", address=address, timeout=SOON, cap=ByteCount(100))

    assert (len(answer.body), answer.whole, answer.status) == (100, False, 200)


def test_the_client_says_what_went_wrong(free_port) -> None:
    """For other callers a failed request is a Retry with one line."""
    with pytest.raises(Retry, match=r"no connection to shop\.dev\.svc:8080"):
        HttpClient().get(SHOP, "/", address=("127.0.0.1", free_port), timeout=SOON)


def test_proxies_of_the_environment_are_not_used(shop, monkeypatch, free_port) -> None:
    """The host that was allowed is asked, and no other."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port}")

    assert look(check(), shop[0]).ready


# --------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A certificate of shop.dev.svc and its key; it is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    wanted = ("-subj", "/CN=shop.dev.svc", "-addext", "subjectAltName=DNS:shop.dev.svc", "-days", "2")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, "-keyout", key, "-out", cert, *wanted], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls_shop(certificate) -> Iterator[Address]:
    server = Server(("127.0.0.1", 0), type("Here", (Shop,), {"seen": []}))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield ("127.0.0.1", server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def test_tls_is_verified_against_the_plans_host(tls_shop, certificate, monkeypatch) -> None:
    """Whatever address is connected to, the certificate must be the named host's, of a known authority."""
    trusted = replace(SHOP, tls=True)
    untrusted = look(check(), tls_shop, trusted)
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    other = look(check(), tls_shop, replace(trusted, host="till.dev.svc"))

    assert look(check(), tls_shop, trusted) == Readied(ready=True)
    assert (untrusted.ready, other.ready) == (False, False)
    assert "certificate is not accepted" in untrusted.reason
    assert "not valid for 'till.dev.svc'" in other.reason


def test_grpc_over_tls_is_verified_likewise(certificate, monkeypatch) -> None:
    """The same authorities and the same name."""
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    cert, key = (Path(name).read_bytes() for name in certificate)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    server.start()
    target = Target("shop", TargetScheme.GRPC, "shop.dev.svc", 9090, tls=True)
    whole = GrpcHealthReadiness("shop", "", Seconds(30.0))
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    try:
        trusted = look(whole, ("127.0.0.1", port), target)
        other = look(whole, ("127.0.0.1", port), replace(target, host="till.dev.svc"), Seconds(2.0))
    finally:
        server.stop(None).wait()

    assert trusted == Readied(ready=True)
    assert not other.ready


# --------------------------------------------------------------------------- TCP


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else will."""
    with closed_port() as port:
        yield port


def test_tcp_is_ready_when_a_connection_is_accepted(shop, free_port) -> None:
    """Nothing is sent, nothing is read."""
    tcp = TcpReadiness("shop", Seconds(30.0))
    refused = look(tcp, ("127.0.0.1", free_port))

    assert look(tcp, shop[0]) == Readied(ready=True)
    assert refused == Readied(ready=False, reason=f"no connection to `shop` on port {free_port}: Connection refused")


# --------------------------------------------------------------------------- gRPC


@pytest.fixture
def grpc_server() -> Iterator[tuple[Address, health.HealthServicer]]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield ("127.0.0.1", port), servicer
    server.stop(None).wait()


PRICING = Target("pricing", TargetScheme.GRPC, "pricing.dev.svc", 9090)


def test_grpc_health_follows_the_server(grpc_server) -> None:
    """SERVING is ready; other states and unknown services say what they are."""
    address, servicer = grpc_server
    whole = GrpcHealthReadiness("pricing", "", Seconds(30.0))
    part = GrpcHealthReadiness("pricing", "acme.Pricing", Seconds(30.0))
    servicer.set("acme.Pricing", health_pb2.HealthCheckResponse.NOT_SERVING)

    assert look(whole, address, PRICING) == Readied(ready=True)
    assert look(part, address, PRICING) == Readied(ready=False, reason="NOT_SERVING")
    assert "NOT_FOUND" in look(GrpcHealthReadiness("pricing", "no.Such", SOON), address, PRICING).reason

    servicer.set("acme.Pricing", health_pb2.HealthCheckResponse.SERVING)

    assert look(part, address, PRICING).ready


def test_grpc_nobody_listens(free_port) -> None:
    """A refused connection is a reason, within the time-out."""
    found = look(GrpcHealthReadiness("pricing", "", SOON), ("127.0.0.1", free_port), PRICING, Seconds(1.0))

    assert not found.ready
    assert "UNAVAILABLE" in found.reason or "DEADLINE_EXCEEDED" in found.reason
