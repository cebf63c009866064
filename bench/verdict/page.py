"""Writes docs/explanation/verdict-figures.md and its pictures: nothing there is typed by hand but the words below."""

from __future__ import annotations

import operator
import os
import platform
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.verdict.cells import KINDS, MIN_DURATION, RATE, SCRAPES, SECONDS, Kind
from bench.verdict.figures import Cell, Figures, Judged, Promise, bounds
from bench.verdict.rules import ALPHA, GITSLO, RULES, size_and_most
from gitslo.core.figures import count, duration, share
from gitslo.core.guarantee import GUARANTEE
from gitslo.core.simulation.chart import FAIL, OTHERS, PASS, Curve, Panel, svg

__all__ = ["page", "pictures", "write"]

HEAD = """\
# Figures of verdicts

How often gitslo is wrong, how long it takes, and how other rules do on the same data. This page is written by

    make bench-verdict                  everything, a quarter of an hour
    python -m bench.verdict --help      fewer runs, single kinds of service, without the real service

A *cell* is one kind of service at one true rate: {runs} simulated runs of {seconds} s at {rate} requests/s against
`errors < 1%` (or the limit that is said), judged at every second as the product judges them: its vectorised twin is
compared with it path by path in `tests/simulate`. `min_duration` is {least} s, `false_fail` and `false_pass` are 5 %.
Bounds are Clopper's and Pearson's at 95 %.

> {guarantee}
"""

METHOD = """\
## What stands behind the figures

* *True rate* is the share of bad requests in the long run; a run begins at any moment of it, so it may begin within a
  burst. In bursts of D seconds that come by the rate, the distance of two of them is D x (share bad within) / rate.
* A **false fail** is a fail at or below the limit. It is required to be at most 5 % in every cell but those of
  brownouts, which are longer than the bursts that a fail is calibrated for. With limits far above the usual it is not
  kept for long weak bursts either: at 20 %, with bursts of 5 s in which half of the requests are bad, see the last
  table.
* A **false pass** is a pass at or above the limit. It is required to be at most 5 % where bursts come at least five
  times in `min_duration` on average. Where they come less often, most short runs have none of them, and no rule that
  looks at requests can know them; those rates are *shown*.
* *threshold at the end* compares the estimate of all {seconds} s with the limit; *threshold, every 10 s* does so
  every ten seconds from `min_duration` on, and the first excess fails.
* *Flagger* (`interval: 1m`, `threshold: 5`, `request-success-rate` at the limit, five steps): each minute is compared
  by itself; the fifth failed check rolls back, the fifth good one promotes. *Argo Rollouts* (`interval: 1m`,
  `count: 5`, `failureLimit` 0, its default): one failed measurement fails the analysis.
* *fixed size* is a binomial test of {fixed} requests ({fixed_bad} bad ones pass), the fewest with which both errors
  are at most 5 % at the limit and at twice the limit, if each request is bad on its own. It looks once.
* A gauge is scraped every 15 s for {hours:g} hours; its samples have a beta distribution with a standard deviation of
  0.05, the limit on its mean is 0.15. For the others its minutes are means of four samples.
* Of *hanging requests* the others see what has ended; gitslo counts by intended time, and looks one time-out later.
"""


def page(figures: Figures, runs: int) -> str:
    """The whole page."""
    total, most = size_and_most(0.01)
    quoted = "\n> ".join(textwrap.wrap(GUARANTEE, 117))
    words = HEAD.format(runs=count(runs), seconds=SECONDS, rate=RATE, least=MIN_DURATION, guarantee=quoted)
    parts = [words, _machine(figures), *_summary(figures)]
    parts += ["![How often runs fail and pass, by kind of service](verdict-requests.svg)\n"]
    for kind in KINDS:
        if kind.name in figures.cells:
            if kind.name == "gauge, phi 0.6":
                parts.append("![How often gauges fail and pass](verdict-gauges.svg)\n")
            parts += _kind(figures, kind)
    parts += _extra(figures)
    parts += _real(figures)
    parts.append(METHOD.format(seconds=SECONDS, fixed=count(total), fixed_bad=most, hours=SCRAPES * 15 / 3600))
    return "\n".join(parts)


def _machine(figures: Figures) -> str:
    took = sum(figures.took.values())
    machine = f"Computed on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    return f"{machine}; it took {took / 60:.0f} minutes.\n" if took else f"{machine}.\n"


# --------------------------------------------------------------------------- what was promised


def _summary(figures: Figures) -> Iterator[str]:
    promises = list(figures.promises())
    yield "## What was promised, and what came of it\n"
    rows = []
    for what, required in (("false fail", True), ("false pass", True), ("false pass", False), ("false fail", False)):
        some = [each for each in promises if each.what == what and each.required is required]
        if not some:
            continue
        worst = max(some, key=operator.attrgetter("share"))
        missed = sum(not each.met for each in some)
        met = ("yes" if not missed else f"**no, in {missed}**") if required else "not required"
        where = (
            ""
            if required
            else {"false pass": ", bursts that come rarely", "false fail": ", brownouts, weak bursts at 20 %"}[what]
        )
        rows.append((f"{what}{where}", str(len(some)), f"{share(worst.allowed)}", _measured(worst), _place(worst), met))
    yield _table(("", "cells", "at most", "the worst cell", "which it is", "kept"), rows)
    for each in promises:
        if each.required and not each.met:
            yield f"* **missed**: {each.what} {_measured(each)}, {_place(each)}"
    yield "## Beside other rules\n"
    yield "The worst of the cells in which gitslo's errors are promised, and the requests where they are bad alone.\n"
    yield _table(
        ("", "worst false fail", "worst false pass", "0.2 x: requests", "0.5 x", "2 x", "5 x"),
        [_rule(figures, rule) for rule in RULES],
    )


def _rule(figures: Figures, rule: str) -> tuple[str, ...]:
    found = [each for each in figures.promises(rule) if each.required]
    alone = figures.cells.get("independent", {})
    cells = [alone.get(factor, {}).get(rule) for factor in (0.2, 0.5, 2.0, 5.0)]
    worst = []
    for what in ("false fail", "false pass"):
        some = [each for each in found if each.what == what]
        worst.append(_percent(max((each.share for each in some), default=0.0)) if some else "")
    return (_bold(rule), *worst, *("" if cell is None else _taken(cell) for cell in cells))


def _measured(promise: Promise) -> str:
    low, high = bounds(promise.number, promise.runs)
    return f"{_percent(promise.share)} ({_percent(low)}–{_percent(high)})"


def _place(promise: Promise) -> str:
    return f"{promise.kind.name}, {promise.factor:g} x the limit"


# --------------------------------------------------------------------------- kinds


def _kind(figures: Figures, kind: Kind) -> Iterator[str]:
    what = "samples" if kind.name.startswith("gauge") else "requests"
    yield f"### {kind.name[0].upper()}{kind.name[1:]}\n"
    yield f"{kind.about[0].upper()}{kind.about[1:]}. The limit is {share(kind.limit)}.\n"
    own, others = [], []
    for factor, rules in figures.cells[kind.name].items():
        cell, rate = rules[GITSLO], factor * kind.limit
        undecided = cell.runs - cell.passed - cell.failed
        own.append(
            (
                f"{factor:g} x = {share(rate)}",
                _bounded(cell.failed, cell.runs),
                _bounded(cell.passed, cell.runs),
                _percent(undecided / cell.runs),
                _taken(cell),
                _recurs(kind, rate),
                _said(figures, kind, factor),
            )
        )
        others.append((f"{factor:g} x", *(_other(rules[rule]) for rule in RULES[1:])))
    yield _table(("true rate", "fails", "passes", "undecided", f"{what}: median (p90)", "bursts come", "errors"), own)
    yield f"Other rules on the same runs: fails / passes, median of {what}.\n"
    yield _table(("", *RULES[1:]), others)


def _said(figures: Figures, kind: Kind, factor: float) -> str:
    words = []
    for each in figures.promises():
        if each.kind is kind and each.factor == factor:
            word = ("kept" if each.met else "**missed**") if each.required else "shown"
            words.append(f"{each.what}: {word}")
    return ", ".join(words)


def _recurs(kind: Kind, rate: float) -> str:
    if kind.recurs is None or rate == 0:
        return ""
    return f"every {duration(round(kind.recurs(rate), 1))}"


def _other(cell: Cell) -> str:
    return f"{_percent(cell.failed / cell.runs)} / {_percent(cell.passed / cell.runs)}, {count(round(cell.median))}"


def _taken(cell: Cell) -> str:
    return f"{count(round(cell.median))} ({count(round(cell.most))})"


def _bounded(number: int, of: int) -> str:
    low, high = bounds(number, of)
    return f"{_percent(number / of)} ({_percent(low)}–{_percent(high)})"


def _extra(figures: Figures) -> Iterator[str]:
    if figures.extra:
        yield "## What the rules of the frame are for\n"
        yield _table(("at or above the limit", "false pass"), [(k, _percent(v)) for k, v in figures.extra.items()])


# --------------------------------------------------------------------------- the real service


def _real(figures: Figures) -> Iterator[str]:
    if not figures.real:
        return
    yield "## A real service, through the real engine\n"
    yield (
        "A service on loopback fails a share of the requests to `/pay` and is slow in a share of those to `/list`, each"
        " by chance. Every row is so many runs of one plan through `gitslo.run.attempt` and the load engine:"
        " `shop.pay.errors < 20%` and `shop.list.latency.p80 < 800ms`, 40 requests/s to each, `min_duration: 6s`,"
        " `max_duration: 12s`. *simulated* is what `gitslo simulate` says of the plan beforehand, fails / passes; it"
        " knows no generator that is late, which blocks fails.\n"
    )
    yield _table(
        (
            "injected",
            "runs",
            "fails",
            "passes",
            "simulated",
            "undecided",
            "measured: failed, slow",
            "requests",
            "blocked",
        ),
        [_judged(each) for each in figures.real],
    )
    wrong = [_wrong(figures.real, word) for word in ("fail", "pass")]
    yield "\n".join([*filter(None, wrong), ""])
    if figures.jump:
        yield "### A service that becomes bad after 100,000 clean requests\n"
        yield _table(("evidence", "verdict", "requests of this attempt", "what the finding says"), [
            (evidence, verdict, count(requests), said) for evidence, verdict, requests, said in figures.jump
        ])  # fmt: skip
        yield "That is why a revalidation starts with fresh evidence.\n"


def _judged(each: Judged) -> tuple[str, ...]:
    undecided = each.runs - each.passed - each.failed
    rates = ", ".join(_percent(rate) for rate in each.rates)
    simulated = " / ".join(_percent(part) for part in each.expected)
    numbers = (_bounded(each.failed, each.runs), _bounded(each.passed, each.runs), simulated, str(undecided))
    return (each.name, str(each.runs), *numbers, rates, count(round(each.requests)), each.remark)


def _wrong(real: Iterable[Judged], word: str) -> str:
    sides = {"fail": ("half", "at"), "pass": ("at", "twice")}[word]
    some = [each for each in real if each.name.startswith(sides)]
    number, of = sum(each.failed if word == "fail" else each.passed for each in some), sum(each.runs for each in some)
    return f"* false {word}: {_bounded(number, of)} of {of} runs, promised {share(ALPHA)}" if of else ""


# --------------------------------------------------------------------------- pictures


def pictures(figures: Figures) -> Iterator[tuple[str, str]]:
    """Names and contents of the SVG files."""
    kinds = [kind for kind in KINDS if kind.name in figures.cells]
    for name, some in (
        ("verdict-requests.svg", [kind for kind in kinds if not kind.name.startswith("gauge")]),
        ("verdict-gauges.svg", [kind for kind in kinds if kind.name.startswith("gauge")]),
    ):
        if some:
            panels = [_panel(figures, kind) for kind in some]
            title = "How often runs fail and pass, by the true rate over the limit"
            yield name, svg(panels, title=title, x_axis="true rate / limit", columns=3 if len(some) > 4 else 2)  # noqa: PLR2004


def _panel(figures: Figures, kind: Kind) -> Panel:
    found = figures.cells[kind.name]
    factors = tuple(found)

    def of(rule: str, *, fails: bool) -> tuple[float, ...]:
        cells = (found[factor][rule] for factor in factors)
        return tuple((cell.failed if fails else cell.passed) / cell.runs for cell in cells)

    dashes = ("6 3", "2 2", "8 2 2 2", "4 4")
    curves = [
        Curve(f"{rule} fails", colour, of(rule, fails=True), dash)
        for rule, colour, dash in zip(RULES[2:], OTHERS, dashes, strict=True)
    ]
    curves += [
        Curve("gitslo passes", PASS, of(GITSLO, fails=False)),
        Curve("gitslo fails", FAIL, of(GITSLO, fails=True)),
    ]
    limit = factors.index(1.0) if 1.0 in factors else None
    return Panel(kind.name, tuple(f"{factor:g}" for factor in factors), tuple(curves), limit, ALPHA)


# --------------------------------------------------------------------------- words


def _percent(part: float) -> str:
    digits = 2 if 0 < part < 0.1 or 0.9 < part < 1 else 1 if 0 < part < 1 else 0  # noqa: PLR2004 - two figures
    return f"{part * 100:.{digits}f} %"


def _bold(rule: str) -> str:
    return f"**{rule}**" if rule == GITSLO else rule


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def write(figures: Figures, to: Path, runs: int) -> None:
    """The page, and its pictures beside it."""
    to.write_text(page(figures, runs), encoding="utf-8")
    for name, content in pictures(figures):
        to.with_name(name).write_text(content, encoding="utf-8")
