"""A program that starts a long load and can be killed: `python -m tests.load.parent PORT WORKERS`."""

from __future__ import annotations

import sys

from tests.load.jobs import engine, hold, job

if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    engine().run(job(port, stages=[hold(100, 60)], workers=workers, deadline=90.0), lambda _: True)
