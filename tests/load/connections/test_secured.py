"""Connections over TLS as the protocols see them: everything arrives, in order, whole, and ends once."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from gitslo.load.connections.secured import open_secured
from gitslo.load.connections.sockets import Readiness
from tests.load.client import BIG, Client, echo
from tests.load.jobs import hold, job, measured
from tests.load.scripted import plain

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Key and certificate of `localhost`, in one file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", path, "-out", path,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return path


async def _within(certificate: Path, serve: Serve, use: Callable[[Client], Awaitable[None]]) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=str(certificate))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=theirs)
    address = server.sockets[0].getsockname()
    client = await open_secured(Client, address, ours, "localhost", Readiness(asyncio.get_running_loop()))
    assert isinstance(client, Client)
    async with asyncio.timeout(60):
        await use(client)
        client.transport.abort()
        await client.gone
    server.close()


def run(certificate: Path, serve: Serve, use: Callable[[Client], Awaitable[None]]) -> None:
    """Run `use` on a connection to a server that runs `serve`."""
    uvloop.run(_within(certificate, serve, use))


def test_much_arrives_whole_and_in_order(certificate):
    """What the socket does not take waits its turn, the protocol is told to pause, and then to go on."""

    async def use(client: Client) -> None:
        client.transport.write(BIG)
        client.transport.write(b"the end")
        await client.has(len(BIG) + 7)
        assert client.received == BIG + b"the end"
        assert client.said == ["pause", "resume"]

    run(certificate, echo, use)


def test_what_is_written_before_closing_arrives(certificate):
    """Closing waits for what was written, and is the end for both sides."""
    got = bytearray()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    ours = ssl.create_default_context(cafile=str(certificate))

    def take() -> None:
        # On a plain blocking socket: a TLS server of uvloop whose reader is behind drops what it holds once the other
        # side has closed, whoever that is (a blocking client's bytes as well; asyncio's own server drops none).
        with listening.accept()[0] as plain, theirs.wrap_socket(plain, server_side=True) as secured:
            while data := secured.recv(65536):
                got.extend(data)

    async def use() -> None:
        ready = Readiness(asyncio.get_running_loop())
        client = await open_secured(Client, listening.getsockname(), ours, "localhost", ready)
        assert isinstance(client, Client)
        client.transport.write(BIG)
        client.transport.close()
        client.transport.write(b"too late")
        assert client.transport.is_closing()
        async with asyncio.timeout(60):
            assert await client.gone is None

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=take)
        thread.start()
        uvloop.run(use())
        thread.join(60)
    assert got == BIG


def test_the_other_side_closes(certificate):
    """What it said before comes first; its closing is no error, and said once, even where we abort as well."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"goodbye")
        writer.close()

    async def use(client: Client) -> None:
        assert await client.gone is None
        assert client.received == b"goodbye"
        client.transport.abort()
        client.transport.write(b"nobody hears this")

    run(certificate, say, use)


def test_the_protocol_may_abort_while_it_reads(certificate):
    """Nothing is read after that, and the end is told after the call, not within it."""

    async def use(client: Client) -> None:
        seen: list[bool] = []

        def abort(data: bytes) -> None:
            client.transport.abort()
            seen.append(client.gone.done())

        # Taken at each read, as a parser is that was replaced.
        client.data_received = abort  # type: ignore[method-assign]
        client.transport.write(bytes(200_000))
        assert await client.gone is None
        assert seen == [False]

    run(certificate, echo, use)


def test_a_name_that_the_certificate_has_not(certificate):
    """The handshake ends with the reason, and no protocol is made."""

    async def use(client: Client) -> None:
        peer = client.transport.get_extra_info("socket").getpeername()
        ours = ssl.create_default_context(cafile=str(certificate))
        made: list[Client] = []

        def make() -> Client:
            made.append(Client())
            return made[-1]

        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await open_secured(make, peer, ours, "shop.test", Readiness(asyncio.get_running_loop()))
        assert made == []

    run(certificate, echo, use)


def test_a_port_without_tls_is_named():
    """What answers the first flight with something that is no record of TLS speaks none, whatever it speaks."""
    with plain(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        found = measured(job(port, stages=[hold(20, 0.1)], tls=True))

    assert found.result.summaries[0].errors == (("connect: TLS: the server speaks no TLS", 2),)
