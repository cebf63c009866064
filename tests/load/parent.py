"""A program that starts a long load and can be killed: `python -m tests.load.parent PORT WORKERS [ENGINE PROGRAM]`."""

from __future__ import annotations

import sys
from pathlib import Path

from gitslo.load.engines.fortio import FortioEngine
from gitslo.load.engines.k6 import K6Engine
from tests.load.jobs import CEILINGS, engine, hold, job

FOREIGN = {"k6": K6Engine, "fortio": FortioEngine}

if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    foreign = sys.argv[3:]
    sends = FOREIGN[foreign[0]](CEILINGS, lambda _: True, path=Path(foreign[1])) if foreign else engine()
    sends.run(job(port, stages=[hold(100, 60)], workers=workers, deadline=90.0), lambda _: True)
