"""Carries gRPC calls out as a worker does, without one: the sources, the pool and the connections, in this process."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from gitslo.load.connections.addresses import Addresses
from gitslo.load.connections.pool import Pool
from gitslo.load.connections.tls import context
from gitslo.load.grpc.calls import CallSource, call_sources
from gitslo.load.grpc.full import connections
from gitslo.load.grpc.prepared import prepare
from gitslo.load.messages import Limit, PreparedMethod
from gitslo.load.record.recorder import Recorder
from gitslo.model import (
    Call,
    Checks,
    Feeder,
    LoadSection,
    LoadStage,
    RatePerSecond,
    Seconds,
    Share,
    StageForm,
    Target,
    TargetScheme,
)
from gitslo.ports import TlsMaterial
from tests.load.grpc_server import SERVICE, types

__all__ = [
    "BUY",
    "CHAT",
    "CHECKED",
    "COLLECT",
    "EMPTY",
    "FINE",
    "HEAD",
    "HEALTH",
    "WATCH",
    "Outcome",
    "carried_out",
    "section",
    "target",
]

BUY, WATCH, COLLECT, CHAT = (f"{SERVICE}/{name}" for name in ("Buy", "Watch", "Collect", "Chat"))
HEALTH = Call("health", "grpc.health.v1.Health/Check")
CHECKED = Checks(json=("name == 'x'",))
"""What makes answers be looked into, that is the slow path."""
HEAD = [(":status", "200"), ("content-type", "application/grpc")]
FINE = [("grpc-status", "0")]
EMPTY = b"\0\0\0\0\0"
"""A message without a field, as it stands in a stream."""

_PATIENCE = 20.0
_TICK = 0.002


@dataclass
class Outcome:
    """What became of some calls.

    Attributes:
        kinds: kind -> how many failed so.
        examples: kind -> the first one.
        good: how many did not fail.
        responses: seconds of all, in the order of their ends.
        sources: what they came from.
        connected: connections that were open at the end.
    """

    kinds: dict[str, int]
    examples: dict[str, bytes]
    good: int
    responses: list[float]
    sources: tuple[CallSource, ...]
    connected: int


def target(port: int, *, tls: bool = False, **more: Any) -> Target:
    """A loopback target."""
    return Target("shop", TargetScheme.GRPC, "127.0.0.1", port, tls=tls, **more)


def section(
    *calls: Call,
    timeout: float = 5.0,
    streams: int = 100,
    data: tuple[Feeder, ...] = (),
    trace: float = 0.0,
    age: float | None = None,
) -> LoadSection:
    """A section with these calls."""
    stages = (LoadStage(StageForm.HOLD, RatePerSecond(1.0), Seconds(1.0)),)
    return LoadSection(
        "shop",
        "shop",
        (),
        Seconds(timeout),
        Seconds(0.0),
        stages,
        calls=calls,
        streams=streams,
        data=data,
        trace=Share(trace),
        connection_age=None if age is None else Seconds(age),
    )


def carried_out(
    to: Target,
    load: LoadSection,
    *,
    number: int = 1,
    at_once: int = 1,
    most: int = 1,
    tls: TlsMaterial | None = None,
    environment: dict[str, str] | None = None,
    authorization: str = "",
    methods: tuple[PreparedMethod, ...] = (),
) -> Outcome:
    """Send `number` calls, in turn over the section's, `at_once` at the same time, over at most `most` connections."""
    environment = environment or {}
    methods = methods or prepare(load, environment, lambda _: types())
    sources = call_sources(load, to, "7", 0, 1, environment, authorization, methods)
    recorder = Recorder([b"" for _ in sources], (Limit(None, None),), load.timeout)
    secured = context(to, tls or TlsMaterial(), "h2") if to.tls else None
    made = connections(load, to, sources)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_carry_out(to, load, sources, recorder, made, secured, number, at_once, most))


async def _carry_out(
    to: Target,
    load: LoadSection,
    sources: tuple[CallSource, ...],
    recorder: Recorder,
    made: Callable[[Pool], Any],
    secured: ssl.SSLContext | None,
    number: int,
    at_once: int,
    most: int,
) -> Outcome:
    loop = asyncio.get_running_loop()

    async def open_to(pool: Pool, address: Any) -> None:
        name = (to.settings.server_name or to.host) if secured is not None else None
        _, protocol = await loop.create_connection(lambda: made(pool), *address, ssl=secured, server_hostname=name)
        await protocol.greeting()

    pool = Pool(
        recorder,
        Addresses(((to.host, to.port),)),
        open_to,
        sources,
        good=bytes(1000),
        connections=most,
        streams=load.streams,
        max_in_flight=at_once + 1,
        timeout=load.timeout,
        connect_timeout=load.timeout,
        age=load.connection_age,
        tolerance=1.0,
    )
    cells = recorder.cells(0, judged=True)
    over: asyncio.Future[None] = loop.create_future()
    sent = 0

    def tick() -> None:
        nonlocal sent
        while sent < number and pool.in_flight < at_once:
            cell = cells[sent % len(cells)]
            cell.total += 1
            sent += 1
            pool.send(cell, time.monotonic(), 0.0)
        pool.sweep(time.monotonic())
        if sent < number or pool.in_flight:
            loop.call_later(_TICK, tick)
        else:
            over.set_result(None)

    tick()
    await asyncio.wait_for(over, _PATIENCE)
    sinks = [sinks[True] for sinks in recorder.sinks]
    responses = [
        r for sink in sinks for r in [*sink.direct_response, *sink.direct_prompt, *(each[0] for each in sink.queued)]
    ]
    kinds: dict[str, int] = {}
    for each in recorder.kinds:
        for kind, count in each.items():
            kinds[kind] = kinds.get(kind, 0) + count
    examples = {kind: example for each in recorder.examples for kind, example in each.items()}
    connected = len(pool._open)
    pool.close("over")
    gone: asyncio.Future[None] = loop.create_future()
    loop.call_later(_TICK, gone.set_result, None)
    await gone
    return Outcome(kinds, examples, number - sum(kinds.values()), responses, sources, connected)
