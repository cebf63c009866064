"""`POST /webhooks/NAME` over real sockets: statuses, caps, deadlines, storms and garbage."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from gitslo.adapters.http_server import HealthServer
from gitslo.core.webhooks import Sender
from gitslo.model import Seconds
from gitslo.ports import Address
from gitslo.wiring_run import SystemClock
from tests.webhooks.deliveries import PATIENCE, Desk, exchange, post, signed, status

MIB = 1024 * 1024
BODY = b'{"ref": "refs/heads/main"}'


class Served:
    """A server with a desk behind it."""

    def __init__(self, lifetime: float, body_lifetime: float) -> None:
        self.desk = Desk(SystemClock())
        self.server = HealthServer(
            "127.0.0.1:0",
            lambda: (True, ""),
            lambda: b"",
            Seconds(lifetime),
            webhooks=self.desk.webhooks,
            body_lifetime=Seconds(body_lifetime),
        )

    @property
    def address(self) -> Address:
        return self.server.address

    def healthy(self) -> bool:
        return status(exchange(self.address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served(PATIENCE, PATIENCE)
    yield one
    one.server.stop()


@pytest.fixture
def hasty() -> Iterator[Served]:
    """Bodies have 0.3 seconds, connections a second."""
    one = Served(1.0, 0.3)
    yield one
    one.server.stop()


@pytest.fixture
def patient() -> Iterator[Served]:
    """Bodies have time enough for all of a test's connections to be there, on a busy machine, too."""
    one = Served(PATIENCE, 1.5)
    yield one
    one.server.stop()


def chunked(path: str, headers: dict[str, str], chunks: list[bytes]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return "\r\n".join([*lines, "", ""]).encode() + b"".join(parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("sender", list(Sender))
def test_a_delivery_of_each_forge_is_taken(served, sender) -> None:
    """202, and one look."""
    headers = signed(sender, BODY, at=served.desk.clock.now().wall)
    answer = exchange(served.address, post(f"/webhooks/{sender}", headers, BODY))

    assert (202, 1) == (status(answer), served.desk.looks)


def test_a_repetition_says_so(served) -> None:
    """200 and a sentence: the forge's page shows that nothing is wrong."""
    sent = post("/webhooks/github", signed(Sender.GITHUB, BODY), BODY)
    exchange(served.address, sent)
    again = exchange(served.address, sent)

    assert (200, True, 1) == (status(again), b"taken already" in again, served.desk.looks)


def test_every_mistake_has_its_status(served) -> None:
    """Another name, another method, no signature, a wrong one, too large: each is told from the others; no look."""
    good = signed(Sender.GITHUB, BODY)
    wrong = signed(Sender.GITHUB, BODY, secret="another")
    asked = {
        "another repository": post("/webhooks/shop", good, BODY),
        "no repository": post("/webhooks/", good, BODY),
        "below it": post("/webhooks/github/x", good, BODY),
        "upwards": post("/webhooks/../github", good, BODY),
        "GET": post("/webhooks/github", good, b"", "GET"),
        "PUT": post("/webhooks/github", good, BODY, "PUT"),
        "no signature": post("/webhooks/github", {}, BODY),
        "a wrong signature": post("/webhooks/github", wrong, BODY),
        "no body": post("/webhooks/github", good, b""),
        "elsewhere": post("/healthz", good, BODY),
        "a length that is none": b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "two lengths": b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    }
    found = {name: status(exchange(served.address, sent)) for name, sent in asked.items()}

    assert found == {
        "another repository": 404,
        "no repository": 404,
        "below it": 404,
        "upwards": 404,
        "GET": 405,
        "PUT": 405,
        "no signature": 401,
        "a wrong signature": 401,
        "no body": 401,
        "elsewhere": 413,
        "a length that is none": 400,
        "two lengths": 400,
    }
    assert 0 == served.desk.looks


def test_without_webhooks_there_is_no_such_path() -> None:
    """Off unless the operator wants it: what brings a body is refused as everywhere, what brings none is not found."""
    server = HealthServer("127.0.0.1:0", lambda: (True, ""), lambda: b"")
    try:
        found = [status(exchange(server.address, post("/webhooks/github", {}, body))) for body in (BODY, b"")]
    finally:
        server.stop()

    assert [413, 404] == found


@pytest.mark.parametrize("length", [MIB + 1, 50 * MIB, 10**18])
def test_a_length_beyond_the_cap_is_refused_before_anything_is_read(served, length: int) -> None:
    """413 on the headers alone, whatever they are signed with: nobody computes anything about such a body."""
    sent = f"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()

    assert 413 == status(exchange(served.address, sent))


def test_garbage_fills_no_log(served, capfd, caplog) -> None:
    """What is no HTTP is answered and not told: whoever reaches us could write the log otherwise."""
    answers = {status(exchange(served.address, b"\x16\x03\x01 no HTTP\r\n\r\n")) for _ in range(5)}

    assert ({400}, [], ("", "")) == (answers, caplog.records, capfd.readouterr())


def test_the_largest_body_is_taken(served) -> None:
    """Exactly the cap, in one piece and in chunks."""
    body, other = b"a" * MIB, b"b" * MIB
    whole = exchange(served.address, post("/webhooks/github", signed(Sender.GITHUB, body), body))
    pieces = [other[at : at + 50_000] for at in range(0, MIB, 50_000)]
    chunks = exchange(served.address, chunked("/webhooks/github", signed(Sender.GITHUB, other), pieces))

    assert (202, 202) == (status(whole), status(chunks))


def test_chunks_beyond_the_cap_are_not_read_on(served) -> None:
    """A body without a length is cut off where the cap is reached."""
    with socket.create_connection(served.address, timeout=PATIENCE) as connection:
        connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 20 * MIB:
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                sent += 65536
        answer = b""
        with contextlib.suppress(OSError):
            answer = connection.recv(4096)

    assert sent < 20 * MIB
    assert status(answer) in (413, 0)  # a reset may overtake the answer
    assert served.healthy()


def test_a_body_that_drips_is_ended(hasty) -> None:
    """408 when its time is over, however steadily it comes."""
    with socket.create_connection(hasty.address, timeout=PATIENCE) as connection:
        connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        connection.settimeout(0.02)
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < PATIENCE:
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(4096)
            if not answer:
                connection.sendall(b"a")

    assert 408 == status(answer)


@pytest.mark.parametrize("sent", [b"", b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_headers_that_do_not_come_are_not_waited_for(hasty, sent: bytes) -> None:
    """The connection ends with its life."""
    assert b"" == exchange(hasty.address, sent)


def test_slow_bodies_do_not_keep_others_out(patient) -> None:
    """So many are read at a time, further ones are told; health is answered meanwhile, and then all is as before."""
    head = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(patient.address, timeout=PATIENCE) for _ in range(30)]
    for connection in slow:
        connection.sendall(head)
    healthy = patient.healthy()
    found = Counter(status(connection.recv(4096)) for connection in slow)
    for connection in slow:
        connection.close()

    assert (True, {408: 16, 503: 14}) == (healthy, dict(found))
    assert 202 == status(exchange(patient.address, post("/webhooks/github", signed(Sender.GITHUB, BODY), BODY)))


def test_who_goes_away_leaves_nothing_behind(served) -> None:
    """A connection that ends in the middle of its body takes no place."""
    for _ in range(40):
        with socket.create_connection(served.address, timeout=PATIENCE) as connection:
            connection.sendall(b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")

    deadline, answer = time.monotonic() + PATIENCE / 2, 503  # long before the time of a body is over
    while answer == 503 and time.monotonic() < deadline:
        answer = status(exchange(served.address, post("/webhooks/github", signed(Sender.GITHUB, BODY), BODY)))

    assert (202, 1) == (answer, served.desk.looks)


def test_a_storm_with_garbage_and_repetitions(served) -> None:
    """F14 in small: every delivery has its answer, and together they are one look."""
    chance = random.Random(14)  # noqa: S311 - a seed that plays the same again
    good = [post("/webhooks/github", signed(Sender.GITHUB, b"%d" % at, str(at)), b"%d" % at) for at in range(300)]
    garbage = [chance.randbytes(chance.randrange(1, 400)) + b"\r\n\r\n" for _ in range(30)]
    sent = [*good, *garbage, *good[:30]]
    order = list(sent)
    chance.shuffle(order)
    found: Counter[int] = Counter()
    lock, work = threading.Lock(), iter(order)

    def carry() -> None:
        while True:
            with lock:
                one = next(work, None)
            if one is None:
                return
            answer = status(exchange(served.address, one))
            with lock:
                found[answer] += 1

    threads = [threading.Thread(target=carry) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (300, 30, 30) == (found[202], found[200], found[400] + found[0])
    assert (1, True) == (served.desk.looks, served.healthy())
