from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from gitslo.adapters.http_server import HealthServer, parse_listen
from gitslo.errors import Fatal
from gitslo.model import Seconds
from gitslo.ports import Address, ServedReply, ServedRequest

PATIENCE = 10.0


@pytest.fixture
def serve() -> Iterator[Callable[..., HealthServer]]:
    started: list[HealthServer] = []

    def start(ready: tuple[bool, str] = (True, ""), lifetime: float = PATIENCE) -> HealthServer:
        server = HealthServer("127.0.0.1:0", lambda: ready, lambda: b"gitslo_polls_total 1.0\n", Seconds(lifetime))
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def ask(
    address: Address, path: str, method: str = "GET", body: bytes | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("ready", "path", "expected"),
    [
        ((True, ""), "/healthz", (200, "ok\n")),
        ((False, "no poll yet"), "/healthz", (200, "ok\n")),
        ((True, ""), "/readyz", (200, "ready\n")),
        ((True, "12 environments"), "/readyz", (200, "12 environments\n")),
        ((False, "shop: no answer"), "/readyz", (503, "shop: no answer\n")),
        ((True, ""), "/metrics", (200, "gitslo_polls_total 1.0\n")),
        ((True, ""), "/", (404, "Not Found")),
    ],
)
def test_endpoints(serve, ready: tuple[bool, str], path: str, expected: tuple[int, str]) -> None:
    """Alive is always 200, ready says why not with 503, metrics are the bytes that were given."""
    assert expected == ask(serve(ready).address, path)[:2]


def test_metrics_name_their_format(serve) -> None:
    """Prometheus is told the exposition format."""
    assert "text/plain; version=0.0.4; charset=utf-8" == ask(serve().address, "/metrics")[2]["Content-Type"]


def test_nothing_has_an_effect(serve) -> None:
    """Only reading is allowed, and a body is refused before it is read."""
    address = serve().address

    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        promised = connection.recv(12)

    assert (405, 413, b"HTTP/1.1 413") == (
        ask(address, "/healthz", "POST")[0],
        ask(address, "/healthz", "GET", b"x")[0],
        promised,
    )


def test_the_answer_says_nothing_about_the_server(serve) -> None:
    """One request per connection, nothing cached, no server name."""
    headers = ask(serve().address, "/healthz")[2]

    assert ("close", "no-store", None) == (headers["Connection"], headers["Cache-Control"], headers["Server"])


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_slow_caller_is_cut_off(serve, sent: bytes) -> None:
    """A connection that never finishes its headers, or sends nothing, ends at its deadline."""
    with socket.create_connection(serve(lifetime=0.2).address, timeout=PATIENCE) as connection:
        connection.sendall(sent)
        try:
            got = connection.recv(1024)
        except ConnectionResetError:
            got = b""

    assert b"" == got


def test_idle_connections_do_not_keep_others_out(serve) -> None:
    """Idle connections end by themselves or for newer ones, and others are served."""
    server = serve(lifetime=0.5)
    idle = [socket.create_connection(server.address, timeout=PATIENCE) for _ in range(80)]
    for connection in idle:
        with contextlib.suppress(ConnectionResetError):
            assert b"" == connection.recv(1)
        connection.close()

    assert 200 == ask(server.address, "/healthz")[0]


def test_who_waits_for_nothing_keeps_nobody_out(serve) -> None:
    """While more connections than there are places send nothing, whoever asks is answered: the oldest ones are cut."""
    server = serve()
    idle = []
    answers = []
    for _ in range(80):
        idle.append(socket.create_connection(server.address, timeout=PATIENCE))
        answers.append(ask(server.address, "/healthz")[0])
    with contextlib.suppress(ConnectionResetError):
        assert b"" == idle[0].recv(1)
    idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    newest = idle[-1].recv(12)
    for connection in idle:
        connection.close()

    assert ([200] * 80, b"HTTP/1.1 200") == (answers, newest)


def test_large_headers_are_refused(serve) -> None:
    """Headers have a cap."""
    with socket.create_connection(serve().address, timeout=PATIENCE) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 20_000 + b"\r\n")
        try:
            got = connection.recv(64)
        except ConnectionResetError:
            got = b"HTTP/1.1 400"

    assert got.startswith(b"HTTP/1.1 400")


def test_stop_ends_everything(serve) -> None:
    """After `stop` (twice is once) nobody listens, and no thread of ours is left."""
    before = set(threading.enumerate())
    server = serve()
    server.stop()
    server.stop()

    assert set() == {thread.name for thread in set(threading.enumerate()) - before}
    with pytest.raises(ConnectionRefusedError):
        ask(server.address, "/healthz")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0)), ("0.0.0.0:65535", ("0.0.0.0", 65535))],
)
def test_listen_is_an_address_and_a_port(listen: str, expected: Address) -> None:
    """IPv4 and IPv6, port 0 included."""
    assert expected == parse_listen(listen)


@pytest.mark.parametrize(
    "listen", ["", "8080", ":8080", "localhost:80", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1"]
)
def test_another_listen_is_fatal(listen: str) -> None:
    """What is no address and port stops the start, saying what was expected."""
    with pytest.raises(Fatal, match="expected ADDRESS:PORT"):
        parse_listen(listen)


def test_a_port_in_use_is_fatal(serve) -> None:
    """A second server on the same port does not start, and says so."""
    host, port = serve().address
    with pytest.raises(Fatal, match="cannot bind"):
        HealthServer(f"{host}:{port}", lambda: (True, ""), lambda: b"")


# --------------------------------------------------------------------------- the API


class Answerer:
    """Answers with what it was asked, once it is let."""

    def __init__(self) -> None:
        self.go, self.full = threading.Event(), threading.Event()
        self.go.set()
        self.at_once, self.most = 0, 0
        self._lock = threading.Lock()

    def ask(self, request: ServedRequest) -> ServedReply:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            if self.at_once == 8:
                self.full.set()
        assert self.go.wait(PATIENCE)
        with self._lock:
            self.at_once -= 1
        said = [request.method, request.path, list(request.query), request.headers.get("authorization")]
        return ServedReply(404, json.dumps(said).encode(), headers=(("X-More", "yes"),))


@pytest.fixture
def answerer() -> Answerer:
    return Answerer()


@pytest.fixture
def api(answerer) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1:0", lambda: (True, ""), lambda: b"", Seconds(PATIENCE), ask=answerer.ask)
    yield server
    answerer.go.set()
    server.stop()


def test_a_question_comes_as_it_was_asked(api) -> None:
    """Path and query decoded, names twice where they were; the answer goes out as it was given."""
    connection = http.client.HTTPConnection(*api.address, timeout=PATIENCE)
    connection.request(
        "GET", "/api/v1/a%20b?x=1&x=%C3%A9&y=", headers={"Authorization": "Bearer t", "Host": "evil/../x"}
    )
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()

    assert (404, "application/json", "yes", "no-store") == (
        response.status,
        response.headers["Content-Type"],
        response.headers["X-More"],
        response.headers["Cache-Control"],
    )
    assert ["GET", "/api/v1/a b", [["x", "1"], ["x", "é"], ["y", ""]], "Bearer t"] == found


@pytest.mark.parametrize(("method", "expected"), [("HEAD", ""), ("POST", "POST"), ("DELETE", "DELETE")])
def test_every_method_is_for_the_api_to_refuse(api, method: str, expected: str) -> None:
    """So that its errors are its own; a HEAD has no body."""
    status, body, _ = ask(api.address, "/api/v1/x", method)

    assert (404, expected) == (status, json.loads(body)[0] if body else "")


def test_a_question_brings_no_body(api) -> None:
    """It is refused before anybody reads it."""
    assert 413 == ask(api.address, "/api/v1/verdict", "GET", b"x")[0]


def test_health_does_not_wait_for_questions(api, answerer) -> None:
    """So many questions are answered at a time, however slow they are; whether we live is told at once."""
    answerer.go.clear()
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(api.address, "/api/x")[0])) for _ in range(30)]
    for thread in threads:
        thread.start()
    assert answerer.full.wait(PATIENCE / 2)
    healthy = (ask(api.address, "/healthz")[0], ask(api.address, "/readyz")[0], ask(api.address, "/metrics")[0])
    answerer.go.set()
    for thread in threads:
        thread.join()

    assert ((200, 200, 200), [404] * 30, 8) == (healthy, statuses, answerer.most)
