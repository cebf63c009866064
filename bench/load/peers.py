"""The tools of the table: how each is called for a kind of load, and where it says how many requests were good.

Every tool gets the same: 32 connections over HTTP/1.1, 4 connections with 16 streams each over HTTP/2 and gRPC, a
closed loop, the same server, the same seconds. One thread where a tool lets itself be told (wrk, h2load); the others as
they come. Reports are made after the measured process has ended where a tool allows it (vegeta).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.process import Ran, Unusable, run
from bench.load.servers import Nginx
from tests.components import cache, located, program

__all__ = ["CONNECTIONS", "KINDS", "STREAMS", "WIDE", "Sample", "Tool", "Where", "gitslo", "tools", "versions"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).with_name("scripts")
CONNECTIONS = 32
WIDE, STREAMS = 4, 16
"""Connections and streams on each, over HTTP/2 and gRPC."""
METHOD = "grpc.health.v1.Health/Check"
GRACE = 60.0
"""Seconds that a tool may take beyond its load: to start, to stop, to say what it saw."""

KINDS = {
    "http1": f"HTTP/1.1, closed loop, {CONNECTIONS} connections",
    "tls": f"HTTP/1.1 over TLS, closed loop, {CONNECTIONS} connections",
    "http2": f"HTTP/2 in the clear, closed loop, {WIDE} connections × {STREAMS} streams",
    "grpc": f"gRPC unary (health check), closed loop, {WIDE} connections × {STREAMS} streams",
}


@dataclass(frozen=True, slots=True)
class Where:
    """What is loaded, and a folder for files."""

    nginx: Nginx
    grpc: int
    folder: Path

    def url(self, kind: str) -> str:
        """What a tool is pointed at."""
        urls = {
            "http1": f"http://127.0.0.1:{self.nginx.plain}/",
            "tls": f"https://127.0.0.1:{self.nginx.tls}/",
            "http2": f"http://127.0.0.1:{self.nginx.h2c}/",
            "grpc": f"127.0.0.1:{self.grpc}",
        }
        return urls[kind]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one tool did in one round.

    Attributes:
        cpu: of the whole process tree.
        own: of the parts that send, while they send, where the tool says it; the start of the program is not in it.
        said: the tool's own result, where it is read further.
    """

    good: int
    cpu: float
    wall: float
    peak: int
    bad: int = 0
    own: float | None = None
    said: Mapping[str, object] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[str, ...]:
        """The kinds of what was not good."""
        found = self.said.get("errors")
        return tuple(found) if isinstance(found, dict) else ()

    @property
    def per_cpu(self) -> float:
        """Requests per CPU-second of the whole tree."""
        return self.good / self.cpu

    @property
    def per_own_cpu(self) -> float:
        """Requests per CPU-second of what sends."""
        return self.good / (self.own or self.cpu)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool for one kind of load."""

    name: str
    kind: str
    argv: Callable[[Where, float], Sequence[str]]
    good: Callable[[Ran, Where], int]
    environment: Callable[[Where, float], Mapping[str, str]] = lambda _where, _seconds: {}
    component: str = ""
    own: Callable[[Ran], float | None] = lambda _ran: None

    def measure(self, where: Where, seconds: float) -> Sample:
        """Run it once; Unusable where that gives no figure."""
        try:
            argv = [str(program(self.component or self.name)), *self.argv(where, seconds)]
        except LookupError as error:
            raise Unusable(str(error)) from None
        ran = run(argv, seconds + GRACE, cwd=where.folder, environment=self.environment(where, seconds))
        try:
            good, own = self.good(ran, where), self.own(ran)
        except (LookupError, ValueError, TypeError, OSError) as error:
            raise Unusable(
                f"{self.name}: no figure ({error!r}), exit {ran.code}: {(ran.err or ran.out)[-300:]}"
            ) from None
        if not good:
            raise Unusable(f"{self.name}: not one good request, exit {ran.code}: {(ran.err or ran.out)[-300:]}")
        return Sample(good, ran.cpu, ran.wall, ran.peak, own=own)


def gitslo(
    url: str,
    *options: str,
    seconds: float,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    started: Callable[[int], None] | None = None,
) -> Sample:
    """`gitslo load`, as a person runs it, behind a command `before` it; Unusable where it refuses."""
    argv = [*before, sys.executable, "-m", "gitslo", "load", url, "--duration", f"{round(seconds * 1000)}ms"]
    argv += ["--max-bytes", "100GiB", "--json", *options]
    ran = run(argv, seconds + GRACE, cwd=ROOT, environment=environment, started=started)
    if ran.code not in (0, 1) or not ran.out.startswith("{"):
        raise Unusable(f"gitslo load {url.partition('://')[0]}://: exit {ran.code}: {ran.err.strip()[-300:]}")
    said = json.loads(ran.out)
    bad = sum(number if isinstance(number, int) else number["count"] for number in said["errors"].values())
    good = said["requests"] - bad
    if not good:
        raise Unusable(f"gitslo load {url.partition('://')[0]}://: not one good request: {ran.err.strip()[-300:]}")
    return Sample(good, ran.cpu, ran.wall, ran.peak, bad, said["cpu_seconds_loading"], said)


def tools() -> tuple[Tool, ...]:
    """All of them, gitslo not among them."""
    connections, wide, streams = str(CONNECTIONS), str(WIDE), str(STREAMS)
    under_way = str(WIDE * STREAMS)
    return (
        Tool(
            "wrk", "http1",
            lambda at, s: ["-t1", f"-c{connections}", f"-d{s:.0f}s", at.url("http1")],
            lambda ran, _: _number(r"(\d+) requests in", ran.out),
        ),
        Tool(
            "wrk", "tls",
            lambda at, s: ["-t1", f"-c{connections}", f"-d{s:.0f}s", at.url("tls")],
            lambda ran, _: _number(r"(\d+) requests in", ran.out),
        ),
        Tool(
            "h2load", "http1",
            lambda at, s: ["--h1", f"-c{connections}", "-t1", "-D", f"{s:.0f}", at.url("http1")],
            _h2load,
        ),
        Tool(
            "h2load", "http2",
            lambda at, s: [f"-c{wide}", f"-m{streams}", "-t1", "-D", f"{s:.0f}", at.url("http2")],
            _h2load,
        ),
        Tool(
            "fortio", "http1",
            lambda at, s: [
                "load", "-quiet", "-c", connections, "-qps", "0", "-t", f"{s}s", "-json", "-", at.url("http1"),
            ],
            lambda ran, _: _counted(ran.out, "RetCodes", "200"),
        ),
        Tool(
            "fortio", "tls",
            lambda at, s: [
                "load", "-quiet", "-k", "-c", connections, "-qps", "0", "-t", f"{s}s", "-json", "-", at.url("tls"),
            ],
            lambda ran, _: _counted(ran.out, "RetCodes", "200"),
        ),
        Tool(
            "fortio", "grpc",
            lambda at, s: [
                "load", "-quiet", "-grpc", "-c", wide, "-s", streams, "-qps", "0", "-t", f"{s}s", "-json", "-",
                at.url("grpc"),
            ],
            lambda ran, _: _counted(ran.out, "RetCodes", "SERVING"),
        ),
        Tool("oha", "http1", lambda at, s: [*_OHA, "-z", f"{s}s", "-c", connections, at.url("http1")], _oha),
        Tool(
            "oha", "http2",
            lambda at, s: [*_OHA, "-z", f"{s}s", "--http2", "-c", wide, "-p", streams, at.url("http2")],
            _oha,
        ),
        Tool(
            "hey", "http1",
            lambda at, s: ["-z", f"{s}s", "-c", connections, at.url("http1")],
            lambda ran, _: _number(r"\[200\]\s+(\d+) responses", ran.out),
        ),
        Tool(
            "vegeta", "http1",
            lambda at, s: [
                "attack", "-rate", "0", "-workers", connections, "-max-workers", connections, "-duration", f"{s}s",
                "-targets", _target(at), "-output", str(at.folder / "vegeta.bin"),
            ],
            _vegeta,
        ),
        Tool(
            "k6", "http1",
            lambda at, _s: [*_K6, "--summary-export", str(at.folder / "k6.json"), str(SCRIPTS / "http.js")],
            _k6("http_reqs"),
            lambda at, s: {"URL": at.url("http1"), "VUS": connections, "DURATION": f"{s}s"},
        ),
        Tool(
            "k6", "grpc",
            lambda at, _s: [*_K6, "--summary-export", str(at.folder / "k6.json"), str(SCRIPTS / "grpc.js")],
            _k6("iterations"),
            lambda at, s: {"URL": at.url("grpc"), "VUS": under_way, "DURATION": f"{s}s"},
        ),
        Tool(
            "ghz", "grpc",
            lambda at, s: [
                "--insecure", "--call", METHOD, "-c", under_way, "--connections", wide, "-z", f"{s}s",
                "--duration-stop", "wait", "-O", "json", at.url("grpc"),
            ],
            lambda ran, _: _counted(ran.out, "statusCodeDistribution", "OK"),
        ),
        Tool(
            "locust", "http1",
            lambda at, s: [
                "-m", "locust", "-f", str(SCRIPTS / "locustfile.py"), "--headless", "--only-summary", "--json",
                "-u", connections, "-r", connections, "-t", f"{s:.0f}s", "-H", at.url("http1").rstrip("/"),
            ],
            lambda ran, _: sum(one["num_requests"] - one["num_failures"] for one in _json(ran.out, "[")),
            own=lambda ran: float(re.search(r"CPU ([0-9.]+)", ran.err)[1]),  # type: ignore[index]
        ),
        _client("httpx", "http1", connections, streams),
        _client("aiohttp", "http1", connections, streams),
        _client("grpcio", "grpc", wide, streams),
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Which version each tool has, where it is ours; otherwise where it was found."""
    names = ("nginx", "fortio", "wrk", "h2load", "hey", "vegeta", "ghz", "k6", "oha", "locust", "python-clients")
    found = {name: located(name).version or "missing" for name in names}
    libraries = found.pop("python-clients").split(", ")
    said = {name: version.replace(str(cache()), "").removeprefix(f"{name}==") for name, version in found.items()}
    return said | dict(library.split("==") for library in libraries if "==" in library)


def _client(name: str, kind: str, connections: str, streams: str) -> Tool:
    """A plain Python library, see scripts/clients.py."""
    return Tool(
        name,
        kind,
        lambda at, s: [str(SCRIPTS / "clients.py"), name, at.url(kind), connections, streams, str(s)],
        lambda ran, _: int(ran.out.split()[0]),
        component="python-clients",
        own=lambda ran: float(ran.out.split()[1]),
    )


_OHA = ("--no-tui", "--output-format", "json")
_K6 = ("run", "--quiet", "--no-usage-report", "--no-color")


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern}")
    return int(found[1])


def _json(text: str, opening: str = "{") -> list[dict[str, int]]:
    value = json.loads(text[text.index(opening) :])
    return value if isinstance(value, list) else [value]


def _counted(text: str, *keys: str) -> int:
    value: object = _json(text)[0]
    for key in keys:
        value = value[key]  # type: ignore[index]
    return int(value)  # type: ignore[call-overload, no-any-return]


def _h2load(ran: Ran, _where: Where) -> int:
    return _number(r"(\d+) succeeded", ran.out)


def _oha(ran: Ran, _where: Where) -> int:
    return _counted(ran.out, "statusCodeDistribution", "200")


def _vegeta(_ran: Ran, where: Where) -> int:
    results = where.folder / "vegeta.bin"
    report = run([str(program("vegeta")), "report", "-type", "json", str(results)], GRACE)
    results.unlink()
    return _counted(report.out, "status_codes", "200")


def _k6(metric: str) -> Callable[[Ran, Where], int]:
    def read(_ran: Ran, where: Where) -> int:
        return _counted((where.folder / "k6.json").read_text(), "metrics", metric, "count")

    return read


def _target(where: Where) -> str:
    file = where.folder / "vegeta.txt"
    file.write_text(f"GET {where.url('http1')}\n")
    return str(file)
