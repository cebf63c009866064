"""`make bench-verdict`: how often verdicts are wrong, beside the rules of other tools and with a real service.

    python -m bench.verdict [--runs 10000] [--only KIND,...] [--without-real] [--page FILE]

Everything with 10,000 runs a cell takes about a quarter of an hour. With `--only` (parts of names of kinds; `real` is
the real service) the page is printed and not written, because most of it would be missing. `--figures FILE` keeps
every cell as soon as it is there and leaves out those that it has, so that a bench can go on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from bench.verdict import real
from bench.verdict.cells import FACTORS, HANG, KINDS, RATE, Kind, Requests
from bench.verdict.figures import Cell, Figures
from bench.verdict.page import page, write
from bench.verdict.rules import from_the_start, play
from gitslo.core.stats import log_e_pass

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "verdict-figures.md"
_AT_A_TIME = 2500
"""Runs whose counts are in memory at the same time."""


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.verdict", description="how often verdicts are wrong")
    options.add_argument("--runs", type=int, default=10_000, help="of each cell")
    options.add_argument("--seed", type=int, default=10)
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options.add_argument("--only", default="", help="parts of names of kinds, with commas; `real` is the real service")
    options.add_argument("--without-real", action="store_true", help="no real service")
    options.add_argument("--real-runs", type=int, default=200, help="of each row of the real service")
    options.add_argument("--figures", type=Path, help="go on with the figures in this file, and keep them there")
    options.add_argument("--page", type=Path, help=f"where it is written, {PAGE.relative_to(ROOT)} unless said")
    asked = options.parse_args()
    only = tuple(filter(None, asked.only.split(",")))
    figures = Figures.read(asked.figures) if asked.figures and asked.figures.exists() else Figures()
    kinds = [kind for kind in KINDS if not only or any(part in kind.name for part in only)]
    began = time.monotonic()
    for name, factor, found in _simulate(figures, kinds, asked.runs, asked.seed, asked.jobs):
        figures.cells.setdefault(name, {})[factor] = found
        _keep(figures, asked.figures)
    if kinds:
        _frame(figures, asked.runs, asked.seed)
        figures.took["simulated"] = time.monotonic() - began
        _keep(figures, asked.figures)
    if not asked.without_real and (not only or "real" in only):
        began = time.monotonic()
        real.play(figures, asked.real_runs)
        figures.took["real"] = time.monotonic() - began
        _keep(figures, asked.figures)
    whole = {kind.name for kind in KINDS} == set(figures.cells) and (asked.without_real or bool(figures.real))
    to = asked.page or (PAGE if whole else None)
    if to is None:
        print(page(figures, asked.runs))
    else:
        write(figures, to, asked.runs)
        print(f"written: {to}", file=sys.stderr)
    missed = [each for each in figures.promises() if each.required and not each.met]
    for each in missed:
        print(f"missed: {each.what} {each.share:.2%}: {each.kind.name}, {each.factor:g} x", file=sys.stderr)
    return 1 if missed else 0


def _keep(figures: Figures, path: Path | None) -> None:
    if path is not None:
        figures.write(path)


def _simulate(
    figures: Figures, kinds: list[Kind], runs: int, seed: int, jobs: int
) -> Iterator[tuple[str, float, dict[str, Cell]]]:
    """What the figures do not have with so many runs."""
    cells = [
        (kind.name, factor, runs, seed)
        for kind in kinds
        for factor in FACTORS
        if factor * kind.limit <= kind.most and not _has(figures, kind.name, factor, runs)
    ]
    if not cells:
        return
    with ProcessPoolExecutor(jobs) as pool:
        for number, (cell, found) in enumerate(zip(cells, pool.map(_cell, cells), strict=True), start=1):
            name, factor, _, _ = cell
            own = found["gitslo"]
            print(
                f"{number:3} of {len(cells)}  {name:40} {factor:3g} x  fails {own.failed / runs:7.2%}"
                f"  passes {own.passed / runs:7.2%}  {own.median:9,.0f}",
                file=sys.stderr,
                flush=True,
            )
            yield name, factor, found


def _has(figures: Figures, kind: str, factor: float, runs: int) -> bool:
    return any(cell.runs == runs for cell in figures.cells.get(kind, {}).get(factor, {}).values())


def _cell(cell: tuple[str, float, int, int]) -> dict[str, Cell]:
    """In a process of its own: all rules on the runs of one cell."""
    name, factor, runs, seed = cell
    index = next(index for index, kind in enumerate(KINDS) if kind.name == name)
    kind = KINDS[index]
    draw = np.random.default_rng([seed, index, round(factor * 10)])
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for size in _sizes(runs):
        drawn = kind.draw(factor * kind.limit, draw, size)
        for rule, found in play(drawn, kind.limit):
            parts.setdefault(rule, []).append((found.verdict, found.seen))
    return {rule: Cell.of(*(np.concatenate(each) for each in zip(*some, strict=True))) for rule, some in parts.items()}


def _sizes(runs: int) -> Iterator[int]:
    for begin in range(0, runs, _AT_A_TIME):
        yield min(_AT_A_TIME, runs - begin)


def _frame(figures: Figures, runs: int, seed: int) -> None:
    """What phases and watermarks are for: the same runs without them."""
    knee = next(kind for kind in KINDS if kind.name.startswith("ramp"))
    size = min(runs, 2000)
    drawn = knee.draw(2 * knee.limit, np.random.default_rng([seed, 99]), size)
    assert isinstance(drawn, Requests)  # noqa: S101 - for the type checker
    passed = float((from_the_start(drawn, knee.limit).verdict > 0).mean())
    figures.extra["ramp with a knee at 2 x the limit, if ramps were judged"] = passed
    # Before the first time-out everything that has ended is good.
    seen = np.random.default_rng([seed, 98]).binomial(RATE * (HANG - 1), 0.97, size)
    passes = np.mean([log_e_pass(0, int(ended), 0.01) >= np.log(20) for ended in seen])
    what = f"3 % hanging requests, a look after {HANG - 1} s at what has ended (without watermark and min_duration)"
    figures.extra[what] = float(passes)


if __name__ == "__main__":
    sys.exit(main())
