"""Plain Python clients as people write them: N requests under way until the time is over.

Prints how many were good, and the seconds of CPU that they took, without those of importing.

    clients.py httpx|aiohttp|grpcio URL CONNECTIONS STREAMS SECONDS
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
import grpc
import httpx
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc


async def of_httpx(url: str, connections: int, until: float) -> int:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits) as client:

        async def one() -> int:
            good = 0
            while time.monotonic() < until:
                good += (await client.get(url)).is_success
            return good

        return sum(await asyncio.gather(*(one() for _ in range(connections))))


async def of_aiohttp(url: str, connections: int, until: float) -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def one() -> int:
            good = 0
            while time.monotonic() < until:
                async with session.get(url) as answer:
                    await answer.read()
                    good += answer.ok
            return good

        return sum(await asyncio.gather(*(one() for _ in range(connections))))


async def of_grpcio(address: str, connections: int, streams: int, until: float) -> int:
    # without this, channels to one address share a connection
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(connections)]

    async def one(channel: grpc.aio.Channel) -> int:
        good = 0
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        while time.monotonic() < until:
            good += (await stub.Check(request)).status == 1
        return good

    good = sum(await asyncio.gather(*(one(channel) for channel in channels for _ in range(streams))))
    for channel in channels:
        await channel.close()
    return good


def main() -> None:
    kind, where, connections, streams, seconds = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])
    began = time.process_time()
    until = time.monotonic() + seconds
    if kind == "httpx":
        work = of_httpx(where, int(connections), until)
    elif kind == "aiohttp":
        work = of_aiohttp(where, int(connections), until)
    else:
        work = of_grpcio(where, int(connections), int(streams), until)
    good = uvloop.run(work)
    print(good, time.process_time() - began)


main()
