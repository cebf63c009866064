"""What each tool says of a server whose times are known, beside the truth.

The truth of a frozen server is arithmetic: whoever is due while it stands waits until it goes on. The truth of a
distribution is its quantile. The `known` server also measures itself, so that its own lateness is not blamed on a tool;
what it cannot see is what never reached it in time, and that is what most tools do not see either.

Every tool gets the same rate and the same bound of connections (wrk, which has no rate: as many as give that rate when
nothing is frozen), and the setting of its documentation that is best for it: `-uniform -r 0.0001` for Fortio.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load.figures import Figures, Known, Told
from bench.load.peers import GRACE, SCRIPTS, Sample, gitslo
from bench.load.process import Unusable, ended, run, tree
from bench.load.servers import known
from tests.components import program

__all__ = ["play", "trouble"]

SECONDS = 8.0
BASE = 0.002
"""What a request takes where nothing else is said."""
FREEZE_AT = 3.0
STOPPED = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """A server and a load.

    Attributes:
        quantile: the time that a share of the requests does not exceed, for shares up to 1.
        mean: seconds that a request takes when nothing is frozen.
    """

    name: str
    arguments: tuple[str, ...]
    rate: float
    connections: int
    quantile: Callable[[float], float]
    mean: float

    @property
    def about(self) -> str:
        """The load in a few words."""
        return f"{self.rate:,.0f}/s for {SECONDS:.0f} s over at most {self.connections:,} connections"

    @property
    def truth(self) -> Told:
        """What an ideal tool would say."""
        # the largest of N requests that are spread evenly over the shape
        last = self.quantile(1 - 0.5 / (self.rate * SECONDS))
        return Told(self.quantile(0.5), self.quantile(0.99), last, round(self.rate * SECONDS))


def frozen(rate: float, freeze: float, connections: int, how: str) -> Case:
    """A server that stands still once. Of `SECONDS`, the share `freeze / SECONDS` is due while it does."""

    def quantile(share: float) -> float:
        return max(0.0, freeze - (1 - share) * SECONDS) + BASE

    arguments = ("-shape", f"fixed:{BASE}s", "-freeze-at", f"{FREEZE_AT}s", "-freeze-for", f"{freeze}s")
    return Case(f"{freeze:g} s freeze, {how}", arguments, rate, connections, quantile, BASE)


def cases() -> tuple[Case, ...]:
    """The stalls, then the distributions."""
    normal = statistics.NormalDist()
    mixed = ((0.002, 0.97), (1.05, 0.997), (1.9, 1.0))
    return (
        frozen(2000, 1.4, 100, "100 connections"),
        frozen(1000, 1.0, 50, "few connections"),
        frozen(1000, 1.0, 1500, "many connections"),
        Case("fixed 5 ms", ("-shape", "fixed:5ms"), 1000, 100, lambda _share: 0.005, 0.005),
        Case(
            "lognormal, median 5 ms, sigma 0.5", ("-shape", "lognormal:5ms:0.5"), 1000, 200,
            lambda share: 0.005 * math.exp(0.5 * normal.inv_cdf(share)), 0.005 * math.exp(0.125),
        ),
        Case(
            "97 % 2 ms, 2.7 % 1.05 s, 0.3 % 1.9 s", ("-shape", "2ms*0.97+1.05s*0.027+1.9s*0.003"), 1000, 400,
            lambda share: next(time for time, up_to in mixed if share <= up_to), 0.03599,
        ),
    )  # fmt: skip


def play(figures: Figures, folder: Path, only: frozenset[str]) -> None:
    """Every case with every tool, each on a fresh server."""
    for case in cases():
        rows: list[tuple[str, Told]] = []
        itself: list[tuple[str, Told]] = []
        for name, ask in _TOOLS.items():
            if only and name not in only:
                continue
            try:
                with known(*case.arguments) as server:
                    told = ask(case, f"http://127.0.0.1:{server.port}/", folder)
                said = server.said
                itself.append((name, Told(said["p50"], said["p99"], said["max"], round(said["requests"]))))
                rows.append((name, told))
                print(f"  {case.name:38} {name:8} p99 {told.p99} of {case.truth.p99:.4f}", file=sys.stderr)
            except (Unusable, LookupError, ValueError, TypeError) as error:
                print(f"  {case.name:38} without {name}: {error}", file=sys.stderr)
        figures.accuracy.append(Known(case.name, case.about, case.truth, rows, itself))


def _of_gitslo(case: Case, url: str, folder: Path) -> Told:
    del folder
    return _told(gitslo(url, *_options(case.rate, case.connections), seconds=SECONDS))


def _options(rate: float, connections: int) -> tuple[str, ...]:
    return ("--rate", f"{rate:.0f}/s", "--connections", str(connections), "--timeout", "10s")


def _told(sample: Sample) -> Told:
    latency, health = sample.said["latency"], sample.said["health"]
    assert isinstance(latency, dict)  # noqa: S101 - for the type checker
    assert isinstance(health, dict)  # noqa: S101
    causes = [f"{name.replace('_', ' ')}: {cause}" for name, found in health.items() for cause in found]
    remark = "; ".join(dict.fromkeys(causes))
    return Told(latency["p50"], latency["p99"], latency["max"], sample.good + sample.bad, remark)


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _of_wrk(case: Case, url: str, folder: Path) -> Told:
    del folder
    connections = max(1, round(case.rate * case.mean))
    argv = ["-t1", f"-c{connections}", f"-d{SECONDS:.0f}s", "--latency", "--timeout", "10s", url]
    out = run([str(program("wrk")), *argv], SECONDS + GRACE).out
    times = {share: _wrk_time(rf"^\s+{share}%\s+(\S+)", out) for share in (50, 99)}
    most = _wrk_time(r"^\s+Latency\s+\S+\s+\S+\s+(\S+)", out)
    found = re.search(r"(\d+) requests in", out)
    return Told(times[50], times[99], most, int(found[1]) if found else 0, f"{connections} connections, no rate")


def _wrk_time(pattern: str, text: str) -> float:
    found = re.search(pattern, text, re.MULTILINE)
    value = re.fullmatch(r"([0-9.]+)([a-z]+)", found[1]) if found else None
    if value is None:
        raise ValueError(f"no {pattern}")
    return float(value[1]) * _UNITS[value[2]]


def _of_fortio(case: Case, url: str, folder: Path) -> Told:
    del folder
    argv = ["load", "-quiet", "-c", str(case.connections), "-qps", f"{case.rate:.0f}", "-t", f"{SECONDS}s"]
    argv += ["-uniform", "-r", "0.0001", "-p", "50,99", "-timeout", "10s", "-json", "-", url]
    out = run([str(program("fortio")), *argv], SECONDS + GRACE).out
    histogram = json.loads(out[out.index("{") :])["DurationHistogram"]
    p50, p99 = (one["Value"] for one in histogram["Percentiles"])
    return Told(p50, p99, histogram["Max"], histogram["Count"])


def _of_k6(case: Case, url: str, folder: Path) -> Told:
    summary = folder / "k6.json"
    argv = ["run", "--quiet", "--no-usage-report", "--no-color", "--summary-export", str(summary)]
    given = {"URL": url, "VUS": str(case.connections), "RATE": f"{case.rate:.0f}", "DURATION": f"{SECONDS:.0f}s"}
    run([str(program("k6")), *argv, str(SCRIPTS / "http.js")], SECONDS + GRACE, cwd=folder, environment=given)
    metrics = json.loads(summary.read_text())["metrics"]
    times, dropped = metrics["http_req_duration"], metrics.get("dropped_iterations", {}).get("count", 0)
    remark = f"{dropped:,} dropped" if dropped else ""
    return Told(times["med"] / 1e3, times["p(99)"] / 1e3, times["max"] / 1e3, metrics["http_reqs"]["count"], remark)


def _of_vegeta(case: Case, url: str, folder: Path) -> Told:
    targets, results = folder / "vegeta.txt", folder / "vegeta.bin"
    targets.write_text(f"GET {url}\n")
    most = str(case.connections)
    argv = ["attack", "-rate", f"{case.rate:.0f}", "-workers", most, "-max-workers", most, "-connections", most]
    argv += ["-duration", f"{SECONDS}s", "-timeout", "10s", "-targets", str(targets), "-output", str(results)]
    run([str(program("vegeta")), *argv], SECONDS + GRACE)
    said = json.loads(run([str(program("vegeta")), "report", "-type", "json", str(results)], GRACE).out)
    times = said["latencies"]
    return Told(times["50th"] / 1e9, times["99th"] / 1e9, times["max"] / 1e9, said["requests"])


_TOOLS: dict[str, Callable[[Case, str, Path], Told]] = {
    "gitslo": _of_gitslo,
    "wrk": _of_wrk,
    "fortio": _of_fortio,
    "k6": _of_k6,
    "vegeta": _of_vegeta,
}


def trouble(figures: Figures) -> None:
    """The generator itself is in trouble: what does the run say of itself? The server always takes 5 ms."""
    kinds: dict[str, Callable[[str], Sample]] = {
        "nothing is done": _alone,
        f"the workers are stopped for {STOPPED * 1000:.0f} ms": lambda url: _alone(url, started=_stop_for_a_while),
        f"{2 * (os.cpu_count() or 1)} other processes want every core": _hogged,
        "no more than 64 descriptors, a server that stands still for 1 s": lambda url: _alone(
            url, before=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"), connections=500
        ),
    }
    for name, work in kinds.items():
        freeze = ("-freeze-at", "1s", "-freeze-for", "1s") if "stands still" in name else ()
        try:
            with known("-shape", "fixed:5ms", *freeze) as server:
                told = _told(work(f"http://127.0.0.1:{server.port}/"))
            figures.troubled.append((name, told))
        except Unusable as error:
            figures.troubled.append((name, Told(None, None, None, 0, f"no result: {error}")))


def _alone(
    url: str, *, connections: int = 100, before: tuple[str, ...] = (), started: Callable[[int], None] | None = None
) -> Sample:
    return gitslo(url, *_options(1000, connections), seconds=4.0, before=before, started=started)


def _stop_for_a_while(pid: int) -> None:
    """Stop whatever runs below it, two seconds after it has started."""
    time.sleep(2.0)
    workers = tree(pid)[1:]
    for signaled in (signal.SIGSTOP, signal.SIGCONT):
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signaled)
        if signaled == signal.SIGSTOP:
            threading.Event().wait(STOPPED)


def _hogged(url: str) -> Sample:
    with contextlib.ExitStack() as stack:
        for _ in range(2 * (os.cpu_count() or 1)):
            stack.enter_context(_hog())
        return _alone(url)


@contextlib.contextmanager
def _hog() -> Iterator[None]:
    busy = [sys.executable, "-c", "import os\nwhile os.getppid() != 1: sum(range(100000))"]
    with ended(subprocess.Popen(busy, text=True)):
        yield
