"""The targets: what was promised of the engine, and whether the figures of a run keep it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass

from bench.load.figures import Figures, Known, Spread
from bench.load.peers import Sample
from bench.load.rounds import CLOSED, FULL, ONE, OPEN, TWO, rates

__all__ = ["Target", "targets"]

PER_CPU = operator.attrgetter("per_own_cpu")
WHOLE = operator.attrgetter("per_cpu")
TWICE = 1.8
STALL = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """One line: what is wanted, what was measured, and the same with whole process trees where that differs."""

    what: str
    least: str
    aim: str
    measured: str
    met: bool | None
    whole: str = ""


def targets(figures: Figures, *, busy: bool) -> Iterator[Target]:
    """All of them; what could not be measured has None for `met`."""
    yield from _beside(figures, "http1", "HTTP/1.1", CLOSED, (("wrk", 0.85, "1.0"), ("fortio", 1.1, "")))
    yield from _beside(figures, "http1", "HTTP/1.1", CLOSED, (("vegeta", 5.0, ""), ("k6", 5.0, "")))
    yield from _beside(figures, "http1", "HTTP/1.1 with every P0 feature", FULL, (("wrk", 0.75, "0.9"),))
    yield from _beside(figures, "http2", "HTTP/2", CLOSED, (("h2load", 0.75, "1.0"),))
    yield from _beside(figures, "grpc", "gRPC unary", CLOSED, (("fortio", 4.0, "6"), ("ghz", 4.0, ""), ("k6", 8.0, "")))
    closed = ("http1", CLOSED)
    opened = figures.ratio(closed, ("http1", OPEN), PER_CPU)
    yield _at_most("open loop at 70 % of its maximum: CPU per request, of that of the closed loop", opened, 1.25, "1.1")
    # Generators and server share the cores: at full speed two workers would show how they crowd each other out.
    two = figures.ratio(("http1", TWO), ("http1", ONE), PER_CPU)
    yield Target(
        "two workers: twice the requests per CPU-second of two, of those of one, each with the same load of its own",
        "≥ 1.8", "1.95", two.text(".2f", 2.0) if two else "", two.median * 2 >= TWICE if two else None,
    )  # fmt: skip
    for name in rates():
        off = figures.spread("rate", name, _rate_off)
        yield _at_most(f"achieved rate ({name}): off the plan, in %", off, 0.1, "0.01", ".4f", 100.0)
    yield from _known(figures, busy=busy)
    per_million, worker = figures.memory or (None, None)
    yield _plain("memory per further million requests, MB", per_million, 1.0, "0")
    yield _plain("RSS of the worker after them, MB", worker, 80.0, "50")
    start = Spread.of(figures.starts.get("gitslo", []))
    yield _at_most("start of the command to the first request, s", start, 0.6, "0.3")


def _beside(
    figures: Figures, kind: str, what: str, name: str, peers: tuple[tuple[str, float, str], ...]
) -> Iterator[Target]:
    for peer, least, aim in peers:
        ours, theirs = (kind, name), (kind, peer)
        found = figures.ratio(ours, theirs, PER_CPU)
        whole = figures.ratio(ours, theirs, WHOLE)
        yield Target(
            f"{what}: requests per CPU-second, of those of {peer}", f"≥ {least:g}", aim,
            found.text(".2f") if found else "", found.median >= least if found else None,
            whole.text(".2f") if whole else "",
        )  # fmt: skip


def _at_most(what: str, found: Spread | None, most: float, aim: str, form: str = ".2f", factor: float = 1.0) -> Target:
    measured = found.text(form, factor) if found else ""
    return Target(what, f"≤ {most:g}", aim, measured, found.median * factor <= most if found else None)


def _plain(what: str, found: float | None, most: float, aim: str) -> Target:
    measured = None if found is None else found / 1e6
    return Target(
        what, f"≤ {most:g}", aim, "" if measured is None else f"{measured:.2f}",
        None if measured is None else measured <= most,
    )  # fmt: skip


def _rate_off(sample: Sample) -> float:
    rate = sample.said["rate"]
    assert isinstance(rate, dict)  # noqa: S101 - for the type checker
    return float(abs(rate["achieved"] / rate["planned"] - 1))


def _known(figures: Figures, *, busy: bool) -> Iterator[Target]:
    """Stalls against the truth; distributions against what the server measured of itself, which is late as well."""
    share, floor = (0.03, 1e-3) if busy else (0.01, 200e-6)
    for case in figures.accuracy:
        told, server = _of_gitslo(case)
        if told is None or server is None or case.truth.p99 is None:
            continue
        if "freeze" in case.name:
            off = told / case.truth.p99 - 1
            yield Target(f"{case.name}: p99 off the truth", "within 5 %", "2 %", f"{off:+.1%}", abs(off) <= STALL)
        else:
            off = told - server
            within = max(share * server, floor)
            yield Target(
                f"{case.name}: p99 off what the server measured", f"within {within * 1e3:.2g} ms", "",
                f"{off * 1e3:+.2f} ms", abs(off) <= within,
            )  # fmt: skip


def _of_gitslo(case: Known) -> tuple[float | None, float | None]:
    told, server = dict(case.rows).get("gitslo"), dict(case.server).get("gitslo")
    return (told.p99 if told else None, server.p99 if server else None)
