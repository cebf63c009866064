"""A worker that is started before there is work for it: it saves its start, and is supervised as every other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.errors import Retry
from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.load.engines.process import Standby
from tests.e2e.world import until
from tests.load.jobs import CEILINGS, hold, job
from tests.load.service import service
from tests.load.supervised import gone, watched, workers
from tests.project.source import ROOT


def waiting() -> int:
    """The worker on standby; that it is one shows a moment after it is there."""
    until(lambda: workers(os.getpid()) != [], "a worker")
    [found] = workers(os.getpid())
    return found


def carried_out(standby: Standby, shards: int) -> list[int]:
    """The workers that carry out one job of an engine which has this worker on standby."""
    seen: list[int] = []
    engine = ProcessLoadEngine(CEILINGS, {"127.0.0.1"}.__contains__, standby=standby)
    with service() as target:
        asked = job(target.port, stages=[hold(50, 1.5)], workers=shards)
        engine.run(asked, lambda _: bool(seen.extend(workers(os.getpid())) or True))
    return sorted(set(seen))


@pytest.mark.parametrize("shards", [1, 2])
def test_it_carries_out_the_first_job(shards):
    """One worker of the job is the one on standby, the others are new; none is left."""
    with Standby() as standby:
        first = waiting()
        seen = carried_out(standby, shards)

        assert (first in seen, len(seen)) == (True, shards)
        assert workers(os.getpid()) == []


def test_the_next_job_has_workers_of_its_own():
    """Nobody is given twice."""
    with Standby() as standby:
        first, second = carried_out(standby, 1), carried_out(standby, 1)

    assert (len(first), len(second), first != second) == (1, 1, True)


def test_where_it_is_not_needed_it_goes():
    """At the end of the `with`."""
    with ExitStack() as stack:
        with Standby():
            worker = stack.enter_context(watched(waiting()))

        assert gone(worker)
    assert workers(os.getpid()) == []


def test_it_does_not_outlive_who_waits():
    """Killed before there was work, its starter leaves nobody behind."""
    text = (
        "import os, sys, time; sys.path.insert(0, sys.argv[1]);"
        "from gitslo.load.engines.process import Standby;"
        "process = Standby().__enter__().taken(); print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", text, str(ROOT)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        with watched(int(starter.stdout.readline())) as worker:
            starter.send_signal(signal.SIGKILL)

            assert gone(worker)


def test_one_that_died_meanwhile_is_told():
    """It is no quiet loss of half the load: the job does not begin."""
    with Standby() as standby:
        found = waiting()
        with watched(found) as worker:
            os.kill(found, signal.SIGKILL)
            assert gone(worker)
        with pytest.raises(Retry, match="a load worker did not start"):
            carried_out(standby, 1)


@pytest.mark.parametrize("arguments", [["ftp://127.0.0.1/"], ["http://127.0.0.1:1/", "--rate", "fast"]])
def test_a_mistake_in_the_arguments_leaves_nobody(arguments):
    """The command ends with its error and without processes."""
    result = CliRunner().invoke(cli, ["load", *arguments])

    assert (result.exit_code, workers(os.getpid())) == (2, [])
