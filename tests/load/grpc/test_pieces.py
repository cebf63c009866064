"""gRPC answers count the same in whatever pieces they come, on the fast path and on the full one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import cycle

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.load.connections.addresses import Addresses
from gitslo.load.connections.pool import Pool
from gitslo.load.grpc.calls import call_sources
from gitslo.load.grpc.full import connections
from gitslo.load.messages import Limit, PreparedMethod
from gitslo.load.record.recorder import Recorder
from tests.load.grpc_calls import EMPTY, FINE, HEAD, HEALTH, section, target


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        """Nobody is there."""

    close = abort


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["fine", "fine", "fine", "long", "padded", "coloured", "apart", "missing", "status"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def answered(server: H2Connection, kind: str, stream: int) -> None:
    """One answer of a kind."""
    if kind == "missing":
        server.send_headers(stream, [*HEAD, ("grpc-status", "5")], end_stream=True)
        return
    server.send_headers(stream, [*HEAD, *([("x-colour", str(stream))] if kind == "coloured" else ())])
    message = b"\0\0\0\0\x02\x08\x01" if kind != "long" else b"\0\0\0\0\x64" + bytes(100)
    if kind == "apart":
        server.send_data(stream, message[:3])
        message = message[3:]
    server.send_data(stream, message, pad_length=9 if kind == "padded" else None)
    server.send_headers(stream, FINE if kind != "status" else [("grpc-status", "8")], end_stream=True)


async def spoken(calls: list[tuple[str, bool]], sizes: list[int]) -> tuple[int, dict[str, int]]:
    """Calls whose answers come in pieces of these sizes; where the second word of a call says so, answers go out."""
    load, to = section(HEALTH), target(1)
    sources = call_sources(load, to, "7", 0, 1, {}, "", (PreparedMethod("/a.B/C", messages=(EMPTY,)),))
    recorder = Recorder([b""], (Limit(None, None),), load.timeout)
    pool = Pool(
        recorder,
        Addresses((("127.0.0.1", 1),)),
        lambda _pool, _address: asyncio.Event().wait(),
        sources,
        good=bytes(1000),
        connections=1,
        streams=100,
        max_in_flight=1000,
        timeout=5.0,
        connect_timeout=5.0,
        age=None,
        tolerance=1.0,
    )
    (cell,) = recorder.cells(0, judged=True)
    connection, wire = connections(load, to, sources)(pool), Wire()
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    connection.connection_made(wire)
    pieces = cycle(sizes)

    def say() -> None:
        said = server.data_to_send()
        while said:
            size = next(pieces)
            connection.data_received(said[:size])
            said = said[size:]

    def hear() -> list[int]:
        came, wire.written = bytes(wire.written), bytearray()
        return [event.stream_id for event in server.receive_data(came) if isinstance(event, StreamEnded)]

    say()
    hear()
    waiting: list[tuple[str, int]] = []
    for kind, now in calls:
        pool.send(cell, time.monotonic(), 0.0)
        cell.total += 1
        waiting += [(kind, stream) for stream in hear()]
        if now:
            for each in waiting:
                answered(server, *each)
            waiting.clear()
            say()
            hear()
    for each in waiting:
        answered(server, *each)
    say()
    assert 0 == pool.in_flight
    await connection.greeting()
    return cell.total - recorder.errors, recorder.kinds[0]


@settings(max_examples=150, deadline=None)
@given(calls=ANSWERS, sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_answers_count_the_same_in_whatever_pieces_they_come(calls, sizes) -> None:
    """However alike they are, and whatever comes between them; each is counted once, as what it is."""
    failed = {"missing": "grpc NOT_FOUND", "status": "grpc RESOURCE_EXHAUSTED"}
    expected = Counter(failed[kind] for kind, _ in calls if kind in failed)

    assert (len(calls) - expected.total(), expected) == asyncio.run(spoken(calls, sizes))
