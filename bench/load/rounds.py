"""The rounds of the table: every tool and every row once per round, in another order each time.

Between two runs of one tool lies a whole round, so that a slow minute of the machine falls on all of them.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import random
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.load.figures import Figures
from bench.load.peers import CONNECTIONS, STREAMS, WIDE, Sample, Where, gitslo, tools
from bench.load.process import Unusable, held, run, tree
from tests.components import program

__all__ = ["CLOSED", "FULL", "ONE", "OPEN", "TWO", "memory", "play", "rates"]

CLOSED = "gitslo"
FULL = "gitslo, every P0 feature"
OPEN = "gitslo, open loop at 70 % of its maximum"
ONE = "gitslo, one worker at a quarter of its maximum"
TWO = "gitslo, two workers at a quarter of it each"
ALL_FEATURES = ("--timeout", "1s", "--expect", "200", "--header", "Accept: text/plain")
"""With a time-out, a status check and a header of one's own; snapshots by the second are always on."""
SLOWEST_RATE = 1000.0
MEMORY_SECONDS = 25.0
SEED = 20


def rates() -> tuple[str, ...]:
    """The names of the rows of achieved rates."""
    return ("1,000/s", "the geometric mean of the two", "half its maximum")


def play(figures: Figures, where: Where, rounds: int, seconds: float, only: frozenset[str]) -> None:
    """All rounds; what could not be measured is said once and in `figures.unusable`."""
    shuffle = random.Random(SEED)  # noqa: S311 - an order, not a secret
    for number in range(rounds):
        figures.loads.append(os.getloadavg()[0])
        cells = [
            (kind, name, work)
            for kind, name, work in _cells(where, seconds)
            if not only or name.partition(",")[0] in only
        ]
        shuffle.shuffle(cells)
        print(f"round {number + 1} of {rounds}: {len(cells)} tools", file=sys.stderr)
        for kind, name, work in cells:
            _measure(figures, where, (kind, name), number, work)
        if not only or CLOSED in only:
            _of_itself(figures, where, number, seconds)


def _cells(where: Where, seconds: float) -> Iterator[tuple[str, str, Callable[[], Sample]]]:
    closed = ("--closed", "--connections", str(CONNECTIONS))
    wide = ("--closed", "--connections", str(WIDE), "--streams", str(STREAMS))
    trusting = {"SSL_CERT_FILE": str(where.nginx.authority)}
    http1, tls = where.url("http1"), where.url("tls")
    http2 = where.url("http2").replace("http://", "h2c://")
    grpc = f"grpc://{where.url('grpc')}/grpc.health.v1.Health/Check"
    yield "http1", CLOSED, lambda: gitslo(http1, *closed, seconds=seconds)
    yield "http1", FULL, lambda: gitslo(http1, *closed, *ALL_FEATURES, seconds=seconds)
    yield "tls", CLOSED, lambda: gitslo(tls, *closed, seconds=seconds, environment=trusting)
    yield "http2", CLOSED, lambda: gitslo(http2, *wide, seconds=seconds)
    yield "grpc", CLOSED, lambda: gitslo(grpc, *wide, seconds=seconds)
    for tool in tools():
        yield tool.kind, tool.name, functools.partial(tool.measure, where, seconds)


def _measure(
    figures: Figures, where: Where, cell: tuple[str, str], number: int, work: Callable[[], Sample]
) -> Sample | None:
    before = where.nginx.served()
    try:
        sample = work()
    except Unusable as error:
        why = " ".join(str(error).split())
        figures.unusable.setdefault(cell, []).append(why)
        print(f"  without {cell[1]} ({cell[0]}): {why}", file=sys.stderr)
        return None
    served = where.nginx.served() - before - 1
    if cell[0] != "grpc" and not sample.bad:  # of what was bad, some was never sent
        off = abs(served - sample.good) / max(served, 1)
        figures.counts[cell[1]] = max(off, figures.counts.get(cell[1], 0.0))
    figures.cells.setdefault(cell, {})[number] = sample
    print(f"  {cell[0]:6} {cell[1]:44} {sample.per_own_cpu:10,.0f} per CPU-second", file=sys.stderr)
    return sample


def _of_itself(figures: Figures, where: Where, number: int, seconds: float) -> None:
    """What is measured against gitslo's own maximum of this round, and the starts."""
    closed = figures.cells.get(("http1", CLOSED), {}).get(number)
    if closed is None:
        return
    most = closed.good / seconds
    http1 = where.url("http1")

    def at(rate: float, workers: int = 1) -> Callable[[], Sample]:
        options = ("--rate", f"{rate:.0f}/s", "--workers", str(workers))
        return lambda: gitslo(http1, "--connections", str(CONNECTIONS * workers), *options, seconds=seconds)

    _measure(figures, where, ("http1", OPEN), number, at(0.7 * most))
    _measure(figures, where, ("http1", ONE), number, at(most / 4))
    _measure(figures, where, ("http1", TWO), number, at(most / 2, 2))
    half = most / 2
    for name, rate in zip(rates(), (SLOWEST_RATE, math.sqrt(SLOWEST_RATE * half), half), strict=True):
        _measure(figures, where, ("rate", name), number, at(rate))
    for name, took in _starts(where):
        figures.starts.setdefault(name, []).append(took)


def _starts(where: Where) -> Iterator[tuple[str, float]]:
    """Seconds from starting a command to the first byte of its first request."""
    commands: dict[str, Callable[[str], object]] = {
        "gitslo": lambda url: gitslo(url, "--rate", "50/s", "--connections", "1", seconds=0.2),
        "fortio": lambda url: run(
            [str(program("fortio")), "load", "-quiet", "-c", "1", "-qps", "50", "-n", "5", url], 30.0
        ),
        "k6": lambda url: run(
            [str(program("k6")), "run", "--quiet", "--no-usage-report", str(_script())], 30.0,
            cwd=where.folder, environment={"URL": url, "VUS": "1", "DURATION": "1s"},
        ),
    }  # fmt: skip
    for name, command in commands.items():
        with contextlib.suppress(Unusable, LookupError), _Stamped(("127.0.0.1", 0), _Stamp) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            began = time.perf_counter()
            try:
                command(f"http://127.0.0.1:{server.server_address[1]}/")
            finally:
                server.shutdown()
            if server.first:
                yield name, server.first - began


def _script() -> Path:
    return Path(__file__).with_name("scripts") / "http.js"


class _Stamped(socketserver.ThreadingTCPServer):
    daemon_threads = True
    first = 0.0


class _Stamp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while self.request.recv(65536):
                server = self.server
                assert isinstance(server, _Stamped)  # noqa: S101 - for the type checker
                server.first = server.first or time.perf_counter()
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def memory(figures: Figures, where: Where) -> None:
    """How much the processes grow per further million requests, after the first third of a long run."""
    seen: list[tuple[int, int, int]] = []
    over = threading.Event()

    def watch(pid: int) -> None:
        while not over.wait(0.5):
            workers = [held(one) for one in tree(pid)]
            if not sum(workers):
                return
            seen.append((where.nginx.served(), sum(workers), max(workers[1:], default=0)))

    try:
        options = ("--closed", "--connections", str(CONNECTIONS))
        gitslo(where.url("http1"), *options, seconds=MEMORY_SECONDS, started=watch)
    except Unusable as error:
        figures.unusable["memory", CLOSED] = [str(error)]
        return
    finally:
        over.set()
    # the last looks may fall into the end of the run, when processes are leaving
    under_load = seen[len(seen) // 3 : -3]
    if len(under_load) > 1:
        (first, small, _), (last, large, worker) = under_load[0], under_load[-1]
        figures.memory = ((large - small) / max(last - first, 1) * 1e6, worker)
