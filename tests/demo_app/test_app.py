"""The demo's application: each version behaves as its table says, and the wire format holds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitslo.demo.app import Service


@contextmanager
def serving(version: str = "v2", **environment: str):
    """The application as a process of its own; yields it and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gitslo.demo.app"],
        env={"PATH": os.environ["PATH"], "PORT": "0", "VERSION": version, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes, and read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def ask(port: int, line: str, *headers: str, body: str = "") -> tuple[int, object]:
    """Status and JSON body of one request."""
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: hello", "Connection: close", *headers))
    answer, _, found = exchange(port, f"{head}\r\n\r\n{body}".encode()).partition(b"\r\n\r\n")
    return int(answer.split()[1]), json.loads(found)


def test_every_path_answers_json():
    """The paths of the table answer; anything else is said to be wrong."""
    with serving("v1", GREETING="good morning") as (_, port):
        found = [
            ask(port, "GET /"),
            ask(port, "GET /items?page=1")[0],
            ask(port, "POST /pay", "Content-Length: 9", body='{"cup": 1}'[:9]),
            ask(port, "GET /version"),
            ask(port, "GET /readyz"),
            ask(port, "GET /pay")[0],
            ask(port, "GET /nothing")[0],
        ]

    assert found == [
        (200, {"greeting": "good morning", "version": "v1"}),
        200,
        (200, {"paid": True}),
        (200, {"version": "v1"}),
        (200, {"ready": True}),
        405,
        404,
    ]


@pytest.mark.parametrize(("version", "milliseconds"), [("v1", 4), ("v2", 2), ("v4", 2), ("v99", 2)])
def test_latency_follows_the_version(version, milliseconds):
    """A version that the table does not name behaves like v2."""
    assert Service(version).answer("GET", "/items", 0.0)[2] == pytest.approx(milliseconds / 1000)


def test_v3_is_slow_under_load_only():
    """One more millisecond for each request of the last second, up to 120."""
    service = Service("v3")
    alone = service.answer("GET", "/items", 0.0)[2]
    under_load = [service.answer("GET", "/items", 10 + index / 150)[2] for index in range(600)]
    later = service.answer("GET", "/items", 100.0)[2]

    assert (alone, later, max(under_load), min(under_load[150:])) == (0.004, 0.004, 0.400, 0.400)


def test_v4_fails_five_in_a_hundred():
    """About 5 % of its business answers are errors; readiness never is."""
    service = Service("v4")
    errors = sum(service.answer("POST", "/pay", 0.0)[0] == 500 for _ in range(10_000))
    readiness = {service.answer("GET", "/readyz", 0.0)[0] for _ in range(1000)}

    assert (400 < errors < 600, readiness) == (True, {200})


def test_slow_makes_and_mends_drift():
    """`POST /slow` changes the running process; readiness and version stay quick."""
    service = Service("v2")
    found = [
        service.answer("POST", "/slow?ms=150", 0.0)[0],
        service.answer("GET", "/items", 0.0)[2],
        service.answer("GET", "/readyz", 0.0)[2],
        service.answer("POST", "/slow?ms=0", 0.0)[0],
        service.answer("GET", "/items", 0.0)[2],
    ]

    assert found == [200, pytest.approx(0.152), 0.0, 200, pytest.approx(0.002)]


@pytest.mark.parametrize("query", ["", "?ms=", "?ms=-1", "?ms=1.5", "?ms=1&ms=2", "?ms=60001", "?ms=²"])
def test_slow_takes_whole_milliseconds_only(query):
    """A mistake changes nothing."""
    service = Service("v2")
    status = service.answer("POST", f"/slow{query}", 0.0)[0]

    assert (status, service.slow) == (400, 0.0)


def test_the_access_log_has_a_line_per_request(tmp_path):
    """Arrival, User-Agent, path and status; a User-Agent cannot forge a column or a line."""
    log = tmp_path / "access.log"
    with serving("v2", ACCESS_LOG=str(log)) as (_, port):
        ask(port, "GET /items?page=2", "User-Agent: gitslo\trun/7")
        ask(port, "GET /nothing")
    lines = [line.split("\t") for line in log.read_text().splitlines()]

    assert ([line[1:] for line in lines], float(lines[0][0]) <= float(lines[1][0])) == (
        [["gitslo run/7", "/items", "200"], ["-", "/nothing", "404"]],
        True,
    )


def test_pipelined_requests_are_answered_in_order():
    """Slow and quick answers on one connection keep the order of the requests."""
    sent = b"GET /items HTTP/1.1\r\n\r\nGET /version HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    with serving("v1") as (_, port):
        received = exchange(port, sent)

    assert (received.count(b"HTTP/1.1 200"), received.index(b"items") < received.index(b'{"version"')) == (3, True)


def test_a_thousand_quick_requests_at_once():
    """A full pipeline is worked off without recursion."""
    with serving() as (_, port):
        received = exchange(port, b"GET /readyz HTTP/1.1\r\n\r\n" * 2000 + b"GET /readyz HTTP/1.0\r\n\r\n")

    assert received.count(b"HTTP/1.1 200") == 2001


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"POST /pay HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /pay HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"501"),
        (b"GET /" + b"a" * 20_000, b"431"),
    ],
)
def test_a_malformed_request_is_refused(sent, status):
    """It is answered, and its connection closed."""
    with serving() as (_, port):
        received = exchange(port, sent)

    assert received.split()[1] == status


def test_requests_under_way_are_answered_at_the_end():
    """SIGTERM: the answer under way still comes, and the exit code is 0."""
    with (
        serving("v2") as (process, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as busy,
        socket.create_connection(("127.0.0.1", port), timeout=10) as other,
    ):
        ask(port, "POST /slow?ms=300")
        busy.sendall(b"GET /items HTTP/1.1\r\n\r\n")
        # The other connection's answer proves that the busy one's request was read before the signal.
        other.sendall(b"GET /version HTTP/1.1\r\n\r\n")
        assert other.recv(65536).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        answer = busy.recv(65536)
        code = process.wait(timeout=10)

    assert (answer.startswith(b"HTTP/1.1 200"), code) == (True, 0)


def test_a_wrong_port_is_said():
    """A mistake in the environment is one line, and exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "gitslo.demo.app"],
        env={"PATH": os.environ["PATH"], "PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (2, "PORT is 'http', expected a number from 0 to 65535\n")


def test_it_is_fast_enough_for_the_demo():
    """Half a core carries 2,000 requests a second: at most 250 microseconds of processor time each."""
    requests, connections = 4000, 20

    async def one(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests // connections):
            writer.write(b"GET /items HTTP/1.1\r\nHost: hello\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
        writer.close()
        await writer.wait_closed()

    async def load(port: int) -> None:
        await asyncio.gather(*(one(port) for _ in range(connections)))

    def used(pid: int) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with serving("v2") as (process, port):
        before = used(process.pid)
        asyncio.run(load(port))
        each = (used(process.pid) - before) / requests

    assert each <= 250e-6
