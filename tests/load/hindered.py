"""A load in a process that is held back: prints what it said of itself.

`python -m tests.load.hindered pinned PORT` shares one core with six processes that never rest, and
`python -m tests.load.hindered throttled PORT GROUP` first goes into a control group.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gitslo.load.engines.workers import cores
from tests.load.jobs import engine, faster_than, hold, job

_HOG = "import signal\nsignal.alarm(30)\nwhile True: pass"
_HOGS = 6


def _said(port: int, rate: float) -> dict[str, object]:
    asked = job(port, stages=[hold(rate, 1.5)], objectives=[faster_than(0.005)], timeout=2.0)
    result = engine().run(asked, lambda _: True)
    return {
        "requests": result.summaries[0].requests,
        "late": sum(second.late for each in result.counts for second in each.seconds),
        "no_fail": result.no_fail,
        "no_pass": result.no_pass,
        "cores": cores(),
    }


def _pinned(port: int) -> dict[str, object]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(_HOGS)]
    try:
        return _said(port, 4000)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def _throttled(port: int, group: Path) -> dict[str, object]:
    (group / "cgroup.procs").write_text(str(os.getpid()))
    return _said(port, 1000)


if __name__ == "__main__":
    what, target, *rest = sys.argv[1:]
    print(json.dumps(_pinned(int(target)) if what == "pinned" else _throttled(int(target), Path(rest[0]))))  # noqa: T201
