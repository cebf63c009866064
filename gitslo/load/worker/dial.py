"""Chooses the protocol of one worker, and begins its connections. Called by `shard`; the pool calls what it gives.

Each protocol is imported where it is used: a worker starts within a few tens of milliseconds because of that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from gitslo.load.connections.addresses import Address
from gitslo.load.connections.pool import Pool
from gitslo.load.connections.secured import open_secured
from gitslo.load.connections.sockets import Readiness, open_plain
from gitslo.load.connections.tls import context
from gitslo.load.http1.request import request_bytes
from gitslo.load.messages import Assignment
from gitslo.load.requests.content import authority
from gitslo.load.requests.source import Source, sources

if TYPE_CHECKING:
    from gitslo.load.grpc.calls import CallSource

__all__ = ["dialler", "prepared", "wires"]


def prepared(assignment: Assignment) -> tuple[Source, ...] | tuple[CallSource, ...]:
    """What is sent, per request of the section.

    Raises:
        Refused: with everything that cannot be sent.
    """
    a, environment = assignment, dict(assignment.environment)
    if a.section.calls:
        from gitslo.load.grpc.calls import call_sources  # noqa: PLC0415 - one protocol a worker

        return call_sources(a.section, a.target, a.run_id, a.shard, a.shards, environment, a.authorization, a.methods)
    return sources(a.section, a.target, a.run_id, a.shard, a.shards, environment, a.authorization)


def wires(assignment: Assignment, made: Sequence[Source] | Sequence[CallSource]) -> list[bytes]:
    """The bytes of the requests that are the same on every connection; empty where connections make them."""
    if assignment.target.multiplexed or not _simple(assignment, made):
        return [b"" for _ in made]
    host = authority(assignment.target)
    return [request_bytes(source.content, host) for source in cast("Sequence[Source]", made)]


def _simple(assignment: Assignment, made: Sequence[Source] | Sequence[CallSource]) -> bool:
    """Whether every request is the same, and every answer is told by its status: then the fast path will do."""
    section = assignment.section
    return not (
        section.redirects
        or section.gzip
        or section.cookies
        or not section.keep_alive
        or any(source.varies or source.checks is not None for source in made)
        or any(endpoint.method == "HEAD" for endpoint in section.endpoints)
        or any(endpoint.expect not in {frozenset(), section.expect} for endpoint in section.endpoints)
    )


def dialler(
    assignment: Assignment, made: Sequence[Source] | Sequence[CallSource], ready: Readiness
) -> Callable[[Pool, Address], Awaitable[None]]:
    """What opens one connection to one address; raises OSError or TimeoutError where none comes about.

    Raises:
        Refused: the TLS material cannot be used.
    """
    protocol = _protocol(assignment, made)
    target = assignment.target
    tls = context(target, assignment.tls, "h2" if target.multiplexed else "http/1.1") if target.tls else None
    name = (target.settings.server_name or target.host) if target.tls else None

    async def open_to(pool: Pool, address: Address) -> None:
        if tls is not None:
            try:
                opened = await open_secured(lambda: protocol(pool), address, tls, name or "", ready)
            except ssl.SSLError as error:
                # Some servers choose nothing, which `greeting` notices; others hang up with an alert without a name.
                if target.multiplexed and "no application protocol" in str(error):
                    raise OSError("protocol: the server speaks no HTTP/2") from error
                raise
        else:
            opened = await open_plain(lambda: protocol(pool), address, ready)
        greeted = getattr(opened, "greeting", None)
        if greeted is not None:
            await greeted()

    return open_to


def _protocol(
    assignment: Assignment, made: Sequence[Source] | Sequence[CallSource]
) -> Callable[[Pool], asyncio.Protocol]:
    target, section = assignment.target, assignment.section
    if section.calls:
        from gitslo.load.grpc.full import connections  # noqa: PLC0415 - one protocol a worker

        return connections(section, target, cast("Sequence[CallSource]", made))
    sources = cast("Sequence[Source]", made)
    if target.http2:
        from gitslo.load.http2.full import connections as http2_connections  # noqa: PLC0415 - as above

        return http2_connections(section, target, sources)
    if _simple(assignment, made):
        from gitslo.load.http1.connection import Connection, KnownAnswers  # noqa: PLC0415 - as above

        return partial(Connection, known=KnownAnswers())
    from gitslo.load.http1.full import full  # noqa: PLC0415 - as above

    return full(section, target, sources)
