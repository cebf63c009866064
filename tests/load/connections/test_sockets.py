"""Connections on sockets of our own as the protocols see them: everything arrives, in order, whole, and ends once."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from gitslo.load.connections.sockets import Readiness, open_plain
from gitslo.model import Ceilings, RatePerSecond
from tests.closed_port import closed_port
from tests.load.client import BIG, Client, echo
from tests.load.jobs import engine, hold, job, total
from tests.load.service import service

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(serve: Serve, use: Callable[[Client], Awaitable[None]]) -> None:
    """Run `use` on a connection to a server that runs `serve`."""

    async def within() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ready = Readiness(asyncio.get_running_loop())
        client = await open_plain(Client, server.sockets[0].getsockname(), ready)
        assert isinstance(client, Client)
        async with asyncio.timeout(60):
            await use(client)
            client.transport.abort()
            await client.gone
        ready.close()
        server.close()

    uvloop.run(within())


def test_much_arrives_whole_and_in_order():
    """What the socket does not take waits its turn, the protocol is told to pause, and then to go on."""

    async def use(client: Client) -> None:
        client.transport.write(BIG)
        client.transport.write(b"the end")
        await client.has(len(BIG) + 7)
        assert client.received == BIG + b"the end"
        assert client.said == ["pause", "resume"]

    run(echo, use)


def test_what_is_written_before_closing_arrives():
    """Closing waits for what was written; afterwards nothing is taken."""
    got = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            got.extend(data)
        writer.close()
        over.set_result(None)

    async def use(client: Client) -> None:
        nonlocal over
        over = asyncio.get_running_loop().create_future()
        client.transport.write(BIG)
        client.transport.close()
        client.transport.write(b"too late")
        assert client.transport.is_closing()
        assert await client.gone is None
        await over

    over: asyncio.Future[None]
    run(take, use)
    assert got == BIG


def test_the_other_side_closes():
    """What it said before comes first; its closing is no error, and said once, even where we abort as well."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"goodbye")
        writer.close()

    async def use(client: Client) -> None:
        assert await client.gone is None
        assert client.received == b"goodbye"
        client.transport.abort()
        client.transport.write(b"nobody hears this")

    run(say, use)


def test_a_reset_is_said_with_its_error():
    """Whoever hangs up without reading what was sent has reset the connection."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async def use(client: Client) -> None:
        client.transport.write(BIG)
        assert isinstance(await client.gone, ConnectionError)

    run(hang_up, use)


def test_the_protocol_may_abort_while_it_reads():
    """Nothing is read after that, and the end is told after the call, not within it."""

    async def use(client: Client) -> None:
        seen: list[bool] = []

        def abort(data: bytes) -> None:
            client.transport.abort()
            seen.append(client.gone.done())

        client.data_received = abort  # type: ignore[method-assign]
        client.transport.write(bytes(200_000))
        assert await client.gone is None
        assert seen == [False]

    run(echo, use)


def test_nobody_listens():
    """The attempt to connect says so, and no protocol is made."""

    async def use() -> None:
        ready = Readiness(asyncio.get_running_loop())
        with closed_port() as port, pytest.raises(ConnectionRefusedError):
            await open_plain(Client, ("127.0.0.1", port), ready)
        ready.close()

    uvloop.run(use())


class Pair:
    """Two connected sockets, of which one is watched."""

    def __init__(self, ready: Readiness, calls: list[int]) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self._calls = calls
        ready.watch(self.ours.fileno(), self.read)

    def read(self) -> None:
        self._calls.append(len(self.ours.recv(1)))

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def looked(use: Callable[[Readiness, list[int]], None]) -> list[int]:
    """What was read while nobody but `use` looked."""
    calls: list[int] = []

    async def within() -> None:
        ready = Readiness(asyncio.get_running_loop())
        ready.attend(False)
        use(ready, calls)
        ready.close()

    uvloop.run(within())
    return calls


def test_a_forgotten_socket_is_not_read_though_it_was_ready():
    """Both are ready in one look, and the first that is called has the other forgotten: it is not called any more."""

    def use(ready: Readiness, calls: list[int]) -> None:
        pairs = [Pair(ready, calls), Pair(ready, calls)]
        for pair, other in zip(pairs, reversed(pairs), strict=True):
            pair.theirs.send(b"x")

            def forget(pair: Pair = pair, other: Pair = other) -> None:
                pair.read()
                ready.forget(other.ours.fileno())

            ready.forget(pair.ours.fileno())
            ready.watch(pair.ours.fileno(), forget)
        ready.look()
        for pair in pairs:
            ready.forget(pair.ours.fileno())
            pair.close()

    assert looked(use) == [1]


@pytest.mark.parametrize(("due", "read"), [(0.0, 2), (math.inf, 20)])
def test_what_is_due_has_its_turn(due, read):
    """Two sockets with ten bytes each, read byte by byte: a look takes all, or one round where something is due."""

    def use(ready: Readiness, calls: list[int]) -> None:
        ready.due = due
        pairs = [Pair(ready, calls), Pair(ready, calls)]
        for pair in pairs:
            pair.theirs.send(bytes(10))
        ready.look()
        for pair in pairs:
            ready.forget(pair.ours.fileno())
            pair.close()

    assert len(looked(use)) == read


def test_a_brisk_load_counts_as_every_other():
    """Above 20,000/s answers are looked for in groups, and when the pace slackens one by one: none is lost."""
    stages = [hold(25_000, 0.1), hold(100, 0.2), hold(25_000, 0.1)]
    ceilings = Ceilings(rate=RatePerSecond(25_000.0), connections=50)
    with service() as target:
        asked = job(target.port, stages=stages, connections=50, timeout=30.0, deadline=60.0, max_in_flight=10_000)
        found = engine(ceilings).measure(asked, lambda _: True)

    assert total(found) == 5020
    assert found.result.summaries[0].errors == ()
    assert found.result.summaries[0].requests == 5020
