"""`make bench-load`: the load engine beside the tools that people use, and beside the truth; then the page.

    python -m bench.load [--rounds 5] [--seconds 4] [--only NAME,...] [--page FILE]

All of it with 5 rounds takes about 17 minutes. With `--only` (names of tools; `gitslo` is one) the page is printed and
not written, because most of it would be missing.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench.load import accuracy, rounds
from bench.load.figures import Figures
from bench.load.page import Conditions, page
from bench.load.peers import ROOT, Where, versions
from bench.load.servers import fortio, known_program, nginx

PAGE = ROOT / "docs" / "explanation" / "load-figures.md"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.load", description="gitslo load, measured beside others")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4.0, help="of each run of the table")
    options.add_argument("--only", default="", help="names of tools, with commas")
    options.add_argument(
        "--page", type=Path, default=None, help=f"where it is written, {PAGE.relative_to(ROOT)} unless said"
    )
    options.add_argument("--without-accuracy", action="store_true", help="the table alone")
    asked = options.parse_args()
    only = frozenset(filter(None, asked.only.split(",")))
    # so that the servers are ended where the bench is told to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    known_program()
    others = _others()
    began = time.monotonic()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="gitslo-bench-") as name:
        folder = Path(name)
        with nginx(folder) as web, fortio(folder) as grpc:
            where = Where(web, grpc, folder)
            rounds.play(figures, where, asked.rounds, asked.seconds, only)
            if not only or rounds.CLOSED in only:
                rounds.memory(figures, where)
        if not asked.without_accuracy:
            accuracy.play(figures, folder, only)
            if not only or rounds.CLOSED in only:
                accuracy.trouble(figures)
    took = time.monotonic() - began
    text = page(figures, Conditions(asked.rounds, asked.seconds, took, versions(), others))
    whole = not only and not asked.without_accuracy
    to = asked.page or (PAGE if whole else None)
    if to is None:
        print(text)
    else:
        to.write_text(text, encoding="utf-8")
        print(f"written: {to}", file=sys.stderr)
    return 0


def _others() -> float:
    """Cores that other processes keep busy, over two seconds in which we do nothing."""
    before = _busy()
    began = time.monotonic()
    time.sleep(2.0)
    return (_busy() - before) / (time.monotonic() - began)


def _busy() -> float:
    """Seconds of CPU that this machine has worked since it started: user, nice, system, interrupts, stolen."""
    ticks = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks[at] for at in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
