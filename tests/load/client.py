"""A protocol that notes what a transport tells it, and what a server may do with it. For tests of transports."""

from __future__ import annotations

import asyncio

from gitslo.load.connections.sockets import SocketTransport

__all__ = ["BIG", "Client", "echo"]

BIG = bytes(range(256)) * 32768
"""8 MiB: more than any socket buffers."""


class Client(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.said: list[str] = []
        self.gone: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, SocketTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def pause_writing(self) -> None:
        self.said.append("pause")

    def resume_writing(self) -> None:
        self.said.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        assert not self.gone.done(), "told twice"
        self.gone.set_result(exc)

    async def has(self, number: int) -> None:
        while len(self.received) < number:
            self.changed.clear()
            await self.changed.wait()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what comes, slower than it comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
