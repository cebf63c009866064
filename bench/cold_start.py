"""How long a command takes from nothing: `python bench/cold_start.py`.

The figure that matters is the distance to the interpreter itself, which is measured beside it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15
CASES = (
    ("python -c pass", (sys.executable, "-c", "pass")),
    ("gitslo --version", (sys.executable, "-m", "gitslo", "--version")),
    ("gitslo check examples/repo-layout", (sys.executable, "-m", "gitslo", "check", "examples/repo-layout")),
)


def milliseconds(argv: tuple[str, ...]) -> float:
    """Wall time of one start."""
    start = time.perf_counter()
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure every case in turn, so that a busy moment hits all of them, and print the medians."""
    taken: dict[str, list[float]] = {name: [] for name, _ in CASES}
    for _, argv in CASES:
        milliseconds(argv)
    for _ in range(ROUNDS):
        for name, argv in CASES:
            taken[name].append(milliseconds(argv))
    for name, times in taken.items():
        print(f"{name:<36} {statistics.median(times):6.0f} ms  (best {min(times):.0f}, worst {max(times):.0f})")


if __name__ == "__main__":
    main()
