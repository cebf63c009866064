"""A load in a process with few descriptors: `python -m tests.load.starved PORT` prints what it said of itself."""

from __future__ import annotations

import json
import resource
import sys

from tests.load.jobs import engine, hold, job

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    asked = job(int(sys.argv[1]), stages=[hold(400, 0.2)], connections=80, timeout=2.0)
    result = engine().run(asked, lambda _: True)
    said = {
        "requests": result.summaries[0].requests,
        "errors": dict(result.summaries[0].errors),
        "no_fail": result.no_fail,
        "no_pass": result.no_pass,
    }
    print(json.dumps(said))  # noqa: T201 - the test reads it
