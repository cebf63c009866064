"""Cold starts: `gitslo --version` and `gitslo check examples/repo-layout`, beside `python -c pass`.

Interleaved, medians of 15 after one warm-up; wall and CPU time of whole processes.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GITSLO = str(Path(sys.executable).with_name("gitslo"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gitslo --version": [GITSLO, "--version"],
    "gitslo check examples/repo-layout": [GITSLO, "check", "examples/repo-layout"],
}
ROUNDS = 15


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> None:
    """Print a table."""
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    used: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for counted in range(-1, ROUNDS):
        for name, argv in COMMANDS.items():
            began, before = time.perf_counter(), _cpu()
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=False)
            seconds = time.perf_counter() - began
            if done.returncode != 0:
                sys.exit(f"{name} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
            if counted >= 0:
                took[name].append(seconds)
                used[name].append(_cpu() - before)
    floor = statistics.median(took["python -c pass"])
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs")
    print(f"{'command':36} {'median':>8} {'min':>8} {'max':>8} {'CPU':>8}  above python")
    for name, values in took.items():
        median = statistics.median(values)
        print(
            f"{name:36} {median * 1e3:6.0f}ms {min(values) * 1e3:6.0f}ms {max(values) * 1e3:6.0f}ms"
            f" {statistics.median(used[name]) * 1e3:6.0f}ms  {(median - floor) * 1e3:6.0f}ms"
        )


if __name__ == "__main__":
    main()
