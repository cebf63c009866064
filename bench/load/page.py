"""Writes docs/explanation/load-figures.md from a run: nothing on that page is typed by hand but the words below."""

from __future__ import annotations

import operator
import os
import platform
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load.figures import Figures, Known, Spread, Told
from bench.load.peers import KINDS
from bench.load.rounds import CLOSED
from bench.load.targets import targets

__all__ = ["Conditions", "page"]

HEAD = """\
# Figures of load

What `gitslo load` costs and how true its figures are, beside the tools that people use today. This page is written by

    make bench-load                     gets the tools first (a quarter of an hour, once), then measures
    python -m bench.load --help         fewer rounds, other seconds, single tools

In each round every tool runs once, for {seconds:g} s, on the same server, in another order each time: {rounds} rounds.
Shown are medians with the least and the most. CPU is that of the generator: *whole* is the whole process tree from its
start to its end, *sending* leaves out the start of the program where a tool says what it spent on sending (gitslo does,
for all its workers together, from the load's first moment on). Ratios are taken within a round, then their median.
{counts}
"""

METHOD = """\
## What stands behind the figures

* nginx with one worker answers a small constant body, its keep-alive is endless and its access log off; the gRPC server
  is `fortio server`. Everything is on loopback, so that the generators, not a network, are compared, and on few cores
  generator and server take turns: compare CPU, not requests per second. A generator that uses less than one core had to
  wait for the server; it then finds more answers at each look, which makes each of them cheaper.
* Two workers are compared with one where neither the server nor the cores are the limit: each of them has a quarter of
  what one worker can do, with connections of its own. What is left of the ratio is what they cost each other.
* wrk and h2load run one thread; the Go tools run as they come. k6 gives each virtual user a connection of its own, 64
  of them over gRPC. httpx searches its whole pool of connections for every request.
* `known` is a server whose n-th request takes a fixed quantile of a distribution, so that every stretch of requests has
  the distribution's quantiles; a stalled one answers nothing for a while. Truth is arithmetic. The server also measures
  itself: what it reports is its own lateness, and no tool's.
* Most tools start their clock when they send. A request that had to wait for a free connection, because the target did
  not answer, then looks fast, or is not sent at all: that is what the stalls show. wrk has no rate and corrects its
  figures afterwards by an assumed interval: that is right for a stall and wrong for two kinds of requests.
* gitslo says of itself when its figures may not be judged; that is the last column. In a verdict, `no fail` means that
  these figures may not revert anything, `no pass` that they may not promote anything.
"""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of the run: when, how long, with what, and what else the machine did meanwhile."""

    rounds: int
    seconds: float
    took: float
    versions: dict[str, str]
    others: float

    @property
    def busy(self) -> bool:
        """Whether somebody else used the machine: then the wider bounds hold."""
        return self.others > 0.1  # noqa: PLR2004 - a tenth of one core is no more than a machine's own noise


def page(figures: Figures, conditions: Conditions) -> str:
    """The whole page."""
    worst = max(figures.counts.items(), key=operator.itemgetter(1), default=("", 0.0))
    counts = (
        "The servers counted what they served: every tool's own count was within "
        f"{max(worst[1], 0.0001):.2%} of it{f' (the most: {worst[0]})' if worst[1] > 1e-3 else ''}."  # noqa: PLR2004
        if figures.counts
        else ""
    )
    parts = [HEAD.format(seconds=conditions.seconds, rounds=conditions.rounds, counts=counts)]
    parts.append(_machine(figures, conditions))
    parts.append("## Targets\n")
    parts.append(
        _table(
            ("", "at least", "aim", "measured", "with whole trees", "met"),
            [
                (one.what, one.least, one.aim, one.measured or "not measured", one.whole, _MET[one.met])
                for one in targets(figures, busy=conditions.busy)
            ],
        )
    )
    parts.append("## Requests per CPU-second\n")
    for kind, title in KINDS.items():
        parts.append(f"### {title}\n")
        parts.append(_cells(figures, kind, conditions.seconds))
    parts.extend(_starts(figures))
    if figures.accuracy:
        parts.append("## The truth, and what is said of it\n")
        parts.extend(_known(case) for case in figures.accuracy)
    if figures.troubled:
        parts.append("## When the generator is in trouble\n")
        parts.append("The server always takes 5 ms; 1,000 requests/s for 4 s.\n")
        columns = ("what is done", "p50", "p99", "most", "requests", "what gitslo says of the run")
        parts.append(_table(columns, [(name, *_told(told)) for name, told in figures.troubled]))
    parts.append(METHOD)
    return "\n".join(parts)


_MET = {True: "yes", False: "**no**", None: ""}


def _machine(figures: Figures, conditions: Conditions) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    idle = "." if not conditions.busy else ": **the machine was not idle**, and the bounds for a busy one hold below."
    lines = [
        f"Measured on {os.cpu_count()} cores ({_processor()}), Linux {platform.release()},",
        f"Python {platform.python_version()}; the whole run took {conditions.took / 60:.0f} minutes.",
        f"Before it, other processes used {conditions.others:.0%} of one core{idle}",
    ]
    if figures.loads:
        lines.append(f"Load average at the start of a round: {min(figures.loads):.1f}–{max(figures.loads):.1f}.")
    return "\n".join([*lines, "", *textwrap.wrap(f"Versions: {versions}.", 120), ""])


def _cells(figures: Figures, kind: str, seconds: float) -> str:
    names = [name for of, name in figures.cells if of == kind]
    found = {name: figures.spread(kind, name, operator.attrgetter("per_own_cpu")) for name in names}
    names.sort(key=lambda name: -_median(found[name]))
    rows = []
    for name in names:
        whole = figures.spread(kind, name, operator.attrgetter("per_cpu"))
        rate = figures.spread(kind, name, lambda sample: sample.good / seconds)
        cores = figures.spread(kind, name, lambda sample: sample.cpu / sample.wall)
        ratio = figures.ratio((kind, CLOSED), (kind, name), operator.attrgetter("per_own_cpu"))
        peak = max(sample.peak for sample in figures.cells[kind, name].values())
        rows.append(
            (
                f"**{name}**" if name.startswith("gitslo") else name,
                _text(found[name], ",.0f"), _text(whole, ",.0f"), _text(ratio, ".2f"),
                f"{_median(rate):,.0f}", f"{_median(cores):.2f}", f"{peak / 1e6:.0f} MB",
            )
        )  # fmt: skip
    columns = (
        "",
        "per CPU-second, sending",
        "per CPU-second, whole",
        "gitslo is × of it",
        "per second",
        "cores",
        "peak RSS",
    )
    notes = [
        f"* {name}: no figure in {len(whys)} of the rounds: {whys[0]}"
        for (of, name), whys in figures.unusable.items()
        if of == kind
    ]
    for name in names:
        samples = figures.cells[kind, name].values()
        if any(sample.bad for sample in samples):
            bad, kinds = sum(sample.bad for sample in samples), {kind for one in samples for kind in one.errors}
            share = bad / sum(sample.good + sample.bad for sample in samples)
            notes.append(f"* {name}: {share:.3%} of its requests were not good: {', '.join(sorted(kinds))}")
    return "\n".join([_table(columns, rows) if rows else "", *notes, ""])


def _starts(figures: Figures) -> Iterator[str]:
    if figures.starts:
        yield "### From the start of the command to the first request\n"
        rows = [(name, spread.text(".0f", 1e3)) for name, took in figures.starts.items() if (spread := Spread.of(took))]
        yield _table(("", "ms"), rows)


def _known(case: Known) -> str:
    rows = [("*the truth*", *_told(case.truth), "", "")]
    servers = dict(case.server)
    for name, told in case.rows:
        off = "" if not told.p99 or not case.truth.p99 else f"{told.p99 / case.truth.p99 - 1:+.1%}"
        p50, p99, most, sent, remark = _told(told)
        itself = servers[name].p99
        bold = f"**{name}**" if name == "gitslo" else name
        rows.append((bold, p50, p99, most, sent, remark, off, _ms(itself)))
    columns = ("", "p50", "p99", "most", "requests", "says of itself", "p99 is off", "p99 by the server itself")
    order = (0, 1, 2, 6, 3, 4, 7, 5)
    table = _table([columns[at] for at in order], [[row[at] for at in order] for row in rows])
    return f"### {case.name}\n\n{case.about}.\n\n{table}"


def _told(told: Told) -> tuple[str, str, str, str, str]:
    return (_ms(told.p50), _ms(told.p99), _ms(told.most), f"{told.sent:,}", told.remark)


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:,.1f} ms"


def _median(spread: Spread | None) -> float:
    return spread.median if spread else 0.0


def _text(spread: Spread | None, form: str) -> str:
    return spread.text(form) if spread else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
