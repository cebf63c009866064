"""HTTP/1.1 connections without a socket: what is read is given to them, what they write is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from gitslo.load.connections.addresses import Addresses
from gitslo.load.connections.pool import Pool, clock
from gitslo.load.http1.connection import Connection
from gitslo.load.http1.full import FullConnection, full
from gitslo.load.messages import Limit
from gitslo.load.record.recorder import Cell, Recorder
from gitslo.load.requests.source import Source, sources
from gitslo.model import Endpoint, LoadSection, Seconds, Target, TargetScheme

__all__ = ["TARGET", "Wire", "World", "world"]

TARGET = Target("shop", TargetScheme.HTTP, "shop.test", 80)


class Wire(asyncio.Transport):
    """What was written, and whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.cut = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.cut = True


@dataclass
class World:
    """A pool whose connections are made by hand, and what it has counted."""

    open: Callable[[Pool], FullConnection]
    made: tuple[Source, ...]
    recorder: Recorder
    pool: Pool
    cells: list[Cell]

    def connect(self) -> tuple[Connection, Wire]:
        connection = self.open(self.pool)
        wire = Wire()
        connection.connection_made(wire)
        return connection, wire

    def send(self, endpoint: int = 0, ago: float = 0.0) -> float:
        intended = clock() - ago
        self.cells[endpoint].total += 1
        self.pool.send(self.cells[endpoint], intended, 0.0)
        return intended

    def outcome(self) -> tuple[dict[str, int], int]:
        """Errors by kind, and how many requests are settled."""
        sink = self.recorder.sinks[0][True]
        return self.recorder.kinds[0], sum(map(len, (sink.direct_response, sink.direct_prompt, sink.queued)))


async def never(pool: Pool, address: object) -> None:
    await asyncio.get_running_loop().create_future()


def world(*endpoints: Endpoint, **changes: object) -> World:
    section = replace(LoadSection("load", "shop", endpoints, Seconds(60.0), Seconds(0.0), ()), **changes)
    made = sources(section, TARGET, "7", 0, 1, {}, "")
    recorder = Recorder([b"" for _ in made], [Limit(None, 60.0)], 60.0)
    pool = Pool(
        recorder,
        Addresses((("127.0.0.1", 9),), None, 0.0),
        never,
        made,
        good=bytes(200) + b"\1" * 200 + bytes(600),
        connections=2,
        streams=1,
        max_in_flight=100,
        timeout=60.0,
        connect_timeout=60.0,
        age=None,
        tolerance=1.0,
    )
    return World(full(section, TARGET, made), made, recorder, pool, recorder.cells(0, True))
